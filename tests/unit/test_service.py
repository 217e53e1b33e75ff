"""A detached process of ours: told by pid and start time, never by pid alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from core import service as service_module
from core.service import Service, start_time_of
from tests.support.processes import running
from tests.support.waiting import until

WAITS = "print('up', flush=True); import signal; signal.pause()"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"


class Kept:
    """Makes services, and ends by pid whatever they left."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.pids: set[int] = set()

    def service(self, code: str = WAITS) -> Service:
        return Service("airferry-test", "a test", (sys.executable, "-c", code), self.state_dir)

    def started(self, code: str = WAITS) -> Service:
        made = self.service(code)
        made.start()
        until(lambda: "up\n" in made.log_path.read_text(), "the process is up")
        pid = made.pid()
        assert pid is not None
        self.pids.add(pid)
        return made

    def write_pid_file(self, pid: int, start_time: str) -> None:
        record = {"pid": pid, "start_time": start_time}
        (self.state_dir / "airferry-test.pid").write_text(json.dumps(record))


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    monkeypatch.setattr(service_module, "under_systemd", lambda: False)
    made = Kept(tmp_path)
    yield made
    for pid in made.pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


def alive(pid: int) -> bool:
    return bool(start_time_of(pid))


def test_what_never_ran(kept: Kept) -> None:
    assert (None, False) == (kept.service().pid(), kept.service().stop())


def test_it_runs_in_a_session_of_its_own_until_it_is_stopped(kept: Kept) -> None:
    service = kept.started()
    (pid,) = kept.pids
    assert (pid, pid) == (service.pid(), os.getsid(pid))
    assert service.stop()
    assert (None, False, False) == (service.pid(), alive(pid), service.stop())


def test_a_second_start_replaces_the_first(kept: Kept) -> None:
    first = kept.started().pid()
    second = kept.started().pid()
    assert first is not None
    assert (True, False) == (second not in (None, first), alive(first))


def test_another_start_time_is_another_process(kept: Kept) -> None:
    """The number went to somebody else: nothing of theirs is touched."""
    with running([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        kept.write_pid_file(other.pid, "1")
        service = kept.service()
        assert (None, False) == (service.pid(), service.stop())
        assert other.poll() is None
        other.terminate()


def test_a_process_that_has_gone(kept: Kept) -> None:
    service = kept.started()
    (pid,) = kept.pids
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert (None, False) == (service.pid(), service.stop())


def test_a_process_that_ended_before_its_start_time_was_noted(kept: Kept) -> None:
    kept.write_pid_file(2**22 + 1, "")
    assert None is kept.service().pid()


def test_a_process_that_was_not_noted(kept: Kept) -> None:
    """Who started it was killed before the pid was written; it is told by its arguments."""
    code, own = kept.service().argv[1:], str(kept.state_dir / "settings.yml")
    service = Service("airferry-test", "a test", (sys.executable, *code, own), kept.state_dir)
    service.start()
    pid = service.pid()
    assert pid is not None
    kept.pids.add(pid)
    until(lambda: "up\n" in service.log_path.read_text(), "the process is up")
    (kept.state_dir / "airferry-test.pid").unlink()
    other = Service("airferry-test", "a test", (sys.executable, *code, f"{own}2"), kept.state_dir)
    assert (pid, None) == (service.pid(), other.pid())
    assert (True, False) == (service.stop(), alive(pid))


def test_a_zombie_counts_as_gone(kept: Kept) -> None:
    service = kept.started()
    (pid,) = kept.pids
    os.kill(pid, signal.SIGKILL)
    until(lambda: service.pid() is None, "the process is gone")
    assert Path(f"/proc/{pid}").exists()


def test_a_process_that_will_not_listen_is_killed(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "STOP_TIMEOUT_S", 0.2)
    service = kept.started(DEAF)
    (pid,) = kept.pids
    assert service.stop()
    assert not alive(pid)


@pytest.mark.parametrize("text", ["", "{}", "null", "{", "\xff"])
def test_a_pid_file_that_cannot_be_read(kept: Kept, text: str) -> None:
    (kept.state_dir / "airferry-test.pid").write_text(text, encoding="latin-1")
    assert None is kept.service().pid()


def test_what_it_says_goes_to_its_log(kept: Kept) -> None:
    assert "up\n" == kept.started().log_path.read_text()


def test_start_times() -> None:
    assert start_time_of(os.getpid()) == start_time_of(os.getpid()) != ""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert "" == start_time_of(gone.pid)
