"""Pausing a real engine from another process: a signal, the journal, and the commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from core.cli import main
from core.engine.journal import RunRow, State
from core.engine.launcher import cancel_run, pause_run, resume_run, start_run, true_state
from core.engine.lock import engine_lock
from core.engine.request import RunKind
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.enginesite import Site
from tests.support.processes import running
from tests.support.waiting import HANG_S, until

BUNDLE = docker_archive([ImageSpec(["a.b/c:1"], [layer_tar(seed, 900_000) for seed in range(3)])])
MIDDLE = 1_500_000  # in the second layer
Output = pytest.CaptureFixture[str]


class PausedSite(Site):
    """A site whose one bundle comes out of a pipe, so that the import waits for the test."""

    @property
    def pipe(self) -> Path:
        return self.directory / "pipe"

    def run(self, number: int) -> RunRow:
        found = self.reader.run(number)
        assert found is not None
        return found

    def state(self, number: int) -> State:
        return true_state(self.run(number), self.state_dir)

    def comes_true(self, seen: Callable[[], bool]) -> None:
        until(seen, "what was asked of the run")

    def is_paused(self, number: int) -> bool:
        return self.run(number).paused is not None

    def says_paused(self, number: int) -> bool:
        return any(task.message.startswith("paused") for task in self.reader.tasks(number))


@pytest.fixture
def site(tmp_path: Path, address: str) -> PausedSite:
    """The registry is a real one, which belongs to the test and not to the run."""
    made = PausedSite(tmp_path)
    made.configure(
        f"privateRegistryType: custom\nprivateRegistryBase: {address}\n"
        "privateRegistryInsecure: true\n"
    )
    os.mkfifo(made.pipe)
    return made


@contextmanager
def importing(site: PausedSite) -> Iterator[tuple[int, Callable[[], None]]]:
    """Start an import and give it the beginning of its bundle; the function gives it the rest."""
    go, over = threading.Event(), threading.Event()

    def write() -> None:
        with suppress(BrokenPipeError), site.pipe.open("wb", buffering=0) as pipe:
            pipe.write(BUNDLE[:MIDDLE])
            go.wait()
            if not over.is_set():
                pipe.write(BUNDLE[MIDDLE:])

    number = start_run(site.request(RunKind.IMPORT, bundles=(site.pipe,)))
    writing = threading.Thread(target=write)
    writing.start()
    try:
        site.comes_true(lambda: any(t.bytes_done for t in site.reader.tasks(number)))
        yield number, go.set
    finally:
        over.set()
        go.set()
        with suppress(ProcessLookupError):
            os.kill(site.run(number).pid, signal.SIGKILL)
        # Nobody may ever have read; then the writer still waits for a reader.
        os.close(os.open(site.pipe, os.O_RDONLY | os.O_NONBLOCK))
        writing.join(HANG_S)
        assert not writing.is_alive()


def test_a_run_is_paused_and_resumed(site: PausedSite) -> None:
    with importing(site) as (number, give_the_rest):
        assert pause_run(site.run(number), site.state_dir)
        site.comes_true(lambda: site.is_paused(number))
        give_the_rest()
        site.comes_true(lambda: site.says_paused(number))
        assert State.RUNNING is site.state(number)
        assert resume_run(site.run(number), site.state_dir)
        site.comes_true(lambda: site.state(number) is not State.RUNNING)
    run = site.run(number)
    assert (State.DONE, None, True) == (run.state, run.paused, run.paused_s > 0)
    assert not pause_run(run, site.state_dir)
    assert not resume_run(run, site.state_dir)


def test_a_paused_run_can_be_cancelled(site: PausedSite) -> None:
    with importing(site) as (number, _):
        pause_run(site.run(number), site.state_dir)
        site.comes_true(lambda: site.is_paused(number))
        assert cancel_run(site.run(number), site.state_dir)
        site.comes_true(lambda: site.state(number) is not State.RUNNING)
    assert (State.CANCELLED, None) == ((run := site.run(number)).state, run.paused)


def test_an_engine_that_is_killed_while_it_holds_a_run_is_interrupted(
    site: PausedSite, capsys: Output
) -> None:
    with importing(site) as (number, _):
        pause_run(site.run(number), site.state_dir)
        site.comes_true(lambda: site.is_paused(number))
        os.kill(site.run(number).pid, signal.SIGKILL)
        site.comes_true(lambda: site.state(number) is State.INTERRUPTED)
    assert 0 == main(["runs", "--config", str(site.config)])
    assert "interrupted" in capsys.readouterr().out
    assert 0 == main(["report", "--json", "--config", str(site.config)])
    record = json.loads(capsys.readouterr().out)
    assert ("interrupted", False) == (record["state"], record["paused"])


def test_the_commands(site: PausedSite, capsys: Output) -> None:
    config = ("--config", str(site.config))
    with importing(site) as (number, give_the_rest):
        assert 0 == main(["pause", *config])
        assert capsys.readouterr().out.startswith(f"Run {number} is paused; ")
        assert 0 == main(["runs", *config])
        assert " paused " in capsys.readouterr().out
        assert 0 == main(["report", *config])
        assert "import, mode custom: paused, " in capsys.readouterr().out
        assert 0 == main(["pause", str(number), "--json", *config])
        assert {"run": number, "paused": True} == json.loads(capsys.readouterr().out)
        assert 0 == main(["resume", *config])
        assert f"Run {number} goes on.\n" == capsys.readouterr().out
        give_the_rest()
        site.comes_true(lambda: site.state(number) is State.DONE)
    for command in ("pause", "resume"):
        assert 0 == main([command, *config])
        assert "No run is at work.\n" == capsys.readouterr().out


def test_who_watches_is_told(site: PausedSite, capsys: Output) -> None:
    with importing(site) as (number, give_the_rest):
        pause_run(site.run(number), site.state_dir)
        site.comes_true(lambda: site.is_paused(number))

        def resume() -> None:
            give_the_rest()
            site.comes_true(lambda: site.says_paused(number))
            resume_run(site.run(number), site.state_dir)

        resuming = threading.Thread(target=resume)
        resuming.start()
        assert 0 == main(["watch", str(number), "--config", str(site.config)])
        resuming.join()
    out = capsys.readouterr().out
    assert f". run {number} is paused; go on with: airferry resume\n" in out


def test_the_engine_of_an_earlier_version_is_not_killed_by_it(tmp_path: Path) -> None:
    """It does not handle the signal, and would die of it."""
    site = Site(tmp_path)
    site.configure("imagesDir: imgs\n")
    site.state_dir_made()
    with running([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        run = RunRow(1, "install", "du", State.RUNNING, "", {}, process.pid, 0.0, None, "")
        with engine_lock(site.state_dir):
            assert not pause_run(run, site.state_dir)
            assert not resume_run(run, site.state_dir)
        assert None is process.poll()
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
        assert 0 == process.wait(HANG_S)
