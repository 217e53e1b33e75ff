"""The process that keeps the tunnels: one at a time, found and ended however it was started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.hosts.tunnel.control import is_running, stop
from tests.support.waiting import HANG_S, until


def service(state_dir: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "core.hosts.tunnel.service", str(state_dir)],
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with service(tmp_path) as process:
        until(lambda: is_running(tmp_path), "the service runs")
        until(lambda: (tmp_path / "tunnels" / "status.json").exists(), "it works")
        yield process
        process.kill()


def test_it_is_ended_in_good_order(running: subprocess.Popen[str], tmp_path: Path) -> None:
    assert stop(tmp_path)
    assert (0, "") == (running.wait(HANG_S), running.stderr and running.stderr.read())
    assert (False, False) == (is_running(tmp_path), stop(tmp_path))


@pytest.mark.usefixtures("running")
def test_a_second_one_says_so_and_the_first_stays(tmp_path: Path) -> None:
    with service(tmp_path) as second:
        assert ("", "the tunnel service runs already\n") == (
            second.stdout or "",
            second.communicate(timeout=HANG_S)[1],
        )
    assert (1, True) == (second.returncode, stop(tmp_path))


def test_a_killed_one_is_not_taken_for_a_running_one(
    running: subprocess.Popen[str], tmp_path: Path
) -> None:
    running.kill()
    running.wait(HANG_S)
    assert (False, False) == (is_running(tmp_path), stop(tmp_path))


def test_where_there_never_was_one(tmp_path: Path) -> None:
    assert (False, False) == (is_running(tmp_path), stop(tmp_path))
    assert [] == list(tmp_path.iterdir())
