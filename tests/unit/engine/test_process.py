"""The engine as the process that it is: what it refuses, how it is found, and how it ends."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core.engine.journal import Journal, RunRow, State
from core.engine.launcher import cancel_run, run_at_work, start_run, true_state
from core.engine.lock import LOCK_NAME, engine_lock, lock_is_held
from core.engine.request import RunKind
from core.errors import BusyError, ConfigError, InternalError, UsageError
from tests.support.archives import sample_images, write_bundle
from tests.support.enginesite import Site
from tests.support.processes import running
from tests.support.waiting import HANG_S


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    (tmp_path / "imgs").mkdir()
    write_bundle(tmp_path / "imgs" / "x.tar", sample_images()[1:2])
    made.configure("imagesDir: imgs\n")
    return made


def run_row(site: Site, kind: str, pid: int) -> RunRow:
    site.state_dir.mkdir(exist_ok=True)
    journal = Journal(site.state_dir)
    run = journal.begin(kind, "du", str(site.config), {}, pid)
    journal.close()
    found = site.reader.run(run)
    assert found is not None
    return found


def test_a_run_that_has_nothing_to_do(site: Site) -> None:
    assert (0, {"run": 1}) == site.engine(site.request(RunKind.CHECK).to_json())
    (run,) = site.reader.runs()
    assert ("check", "none", State.DONE, {"kind": "check", "config": str(site.config)}) == (
        run.kind,
        run.mode,
        run.state,
        run.options,
    )


def test_a_run_in_mode_none_reads_the_bundles_and_then_knows_them(site: Site) -> None:
    for number, state in ((1, State.DONE), (2, State.PRESENT)):
        assert (0, {"run": number}) == site.engine(site.request(RunKind.INSTALL).to_json())
        assert [("bundle.read:x.tar", state), ("cluster.files", state)] == [
            (task.step, task.state) for task in site.reader.tasks(number)
        ]


def test_a_run_whose_bundle_is_damaged_fails(site: Site) -> None:
    bundle = site.directory / "imgs" / "x.tar"
    bundle.write_bytes(bundle.read_bytes()[:2000])
    assert (1, {"run": 1}) == site.engine(site.request(RunKind.INSTALL).to_json())
    task, _ = site.reader.tasks(1)
    assert (State.FAILED, "E-BUNDLE-CUT") == (task.state, task.error_code)
    assert State.FAILED is site.reader.runs()[0].state


def test_a_bad_config_is_refused(site: Site) -> None:
    site.configure("registryPort: x\nhosts: a\n")
    code, answer = site.engine(site.request(RunKind.INSTALL).to_json())
    assert (2, "E-CONFIG") == (code, answer["code"])
    assert [f"{site.config}:1: registryPort", f"{site.config}:2: hosts"] == [
        line.partition(": is")[0] for line in str(answer["error"]).splitlines()
    ]
    assert not site.state_dir.exists()


def test_files_that_are_not_there_are_refused(site: Site) -> None:
    site.configure("imagesDir: gone\ndockerRepo: gone-too\n")
    code, answer = site.engine(site.request(RunKind.INSTALL).to_json())
    assert (2, "E-CONFIG") == (code, answer["code"])
    assert [f"{site.config}:2: dockerRepo", f"{site.config}:1: imagesDir"] == [
        line.partition(": no such")[0] for line in str(answer["error"]).splitlines()
    ]


def test_an_import_needs_no_more_than_its_bundles(site: Site) -> None:
    site.configure("privateRegistryType: du\nimagesDir: gone\ndockerRepo: gone-too\n")
    code, answer = site.engine(site.request(RunKind.IMPORT).to_json())
    assert (2, True) == (code, "imagesDir" in str(answer["error"]))
    assert "dockerRepo" not in str(answer["error"])


def test_an_empty_images_directory_is_told(site: Site) -> None:
    (site.directory / "imgs" / "x.tar").unlink()
    code, answer = site.engine(site.request(RunKind.INSTALL).to_json())
    assert (2, "E-CONFIG") == (code, answer["code"])
    assert f"{site.config}:1: imagesDir: no bundle in" in str(answer["error"])


def test_an_import_in_mode_none_is_refused(site: Site) -> None:
    code, answer = site.engine(site.request(RunKind.IMPORT).to_json())
    assert (2, "E-USAGE") == (code, answer["code"])
    assert "mode none" in str(answer["error"])


def test_hosts_that_are_not_in_the_config_are_refused(site: Site) -> None:
    site.configure("imagesDir: imgs\nhosts: [a]\n")
    code, answer = site.engine(site.request(RunKind.CHECK, "a", "z", "b").to_json())
    assert (2, "E-USAGE", "no such host in the config: b, z") == (
        code,
        answer["code"],
        answer["error"],
    )


def test_a_bundle_that_is_not_there_is_refused(site: Site) -> None:
    site.configure("privateRegistryType: du\n")
    gone = site.directory / "gone.tar"
    code, answer = site.engine(site.request(RunKind.IMPORT, bundles=(gone,)).to_json())
    assert (1, "E-BUNDLE") == (code, answer["code"])
    assert "gone.tar" in str(answer["error"])


def test_a_second_run_is_refused_while_one_is_at_work(site: Site) -> None:
    site.state_dir.mkdir()
    with engine_lock(site.state_dir):
        (site.state_dir / LOCK_NAME).write_text("run 7 (process 42)\n")
        code, answer = site.engine(site.request(RunKind.INSTALL).to_json())
        assert (2, "E-BUSY", "run 7 (process 42) is at work") == (
            code,
            answer["code"],
            answer["error"],
        )
        assert (0, {"run": 1}) == site.engine(site.request(RunKind.CHECK).to_json())


def test_the_lock_is_held_by_one(site: Site) -> None:
    assert not lock_is_held(site.state_dir)
    with engine_lock(site.state_dir_made()):
        assert lock_is_held(site.state_dir)
        with pytest.raises(BusyError, match="another run is at work"), engine_lock(site.state_dir):
            pass
    assert not lock_is_held(site.state_dir)


def test_who_only_asks_is_not_taken_for_an_engine_by_others_who_ask(site: Site) -> None:
    with (site.state_dir_made() / LOCK_NAME).open("a") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert not lock_is_held(site.state_dir)


def test_a_run_that_was_killed_is_interrupted_by_the_next(site: Site) -> None:
    dead = run_row(site, "install", 1)
    assert State.INTERRUPTED is true_state(dead, site.state_dir)
    site.engine(site.request(RunKind.INSTALL).to_json())
    assert [State.DONE, State.INTERRUPTED] == [run.state for run in site.reader.runs()]
    assert not lock_is_held(site.state_dir)


def test_a_run_that_ends_between_two_looks_was_not_interrupted(site: Site) -> None:
    """Its row was read while it was at work, its engine looked for when that had gone."""
    site.engine(site.request(RunKind.INSTALL).to_json())
    (ended,) = site.reader.runs()
    assert State.DONE is true_state(replace(ended, state=State.RUNNING), site.state_dir)


def test_a_run_that_only_looks_is_alive_while_its_process_is(site: Site) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    states = [
        true_state(run_row(site, "check", pid), site.state_dir) for pid in (os.getpid(), gone.pid)
    ]
    assert [State.RUNNING, State.INTERRUPTED] == states


def test_the_run_at_work(site: Site) -> None:
    assert None is run_at_work(site.state_dir)
    run = run_row(site, "install", os.getpid())
    assert None is run_at_work(site.state_dir)
    with engine_lock(site.state_dir):
        assert run == run_at_work(site.state_dir)


def test_a_run_that_ended_cannot_be_cancelled(site: Site) -> None:
    assert not cancel_run(run_row(site, "install", os.getpid()), site.state_dir)


def test_a_run_at_work_is_asked_to_end(site: Site) -> None:
    with running([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        with engine_lock(site.state_dir_made()):
            assert cancel_run(run_row(site, "install", process.pid), site.state_dir)
        assert -signal.SIGTERM == process.wait(HANG_S)


def test_a_detached_run(site: Site) -> None:
    run = start_run(site.request(RunKind.CHECK))
    found = site.reader.run(run)
    assert found is not None
    assert os.getpid() != found.pid
    assert os.getsid(0) != _session_of(found.pid)


def test_a_refusal_comes_back_as_what_it_is(site: Site) -> None:
    with pytest.raises(UsageError, match="no such host in the config: z"):
        start_run(site.request(RunKind.CHECK, "z"))


def test_a_busy_engine_comes_back_as_what_it_is(site: Site) -> None:
    with engine_lock(site.state_dir_made()), pytest.raises(BusyError):
        start_run(site.request(RunKind.INSTALL))


def test_a_bad_config_is_refused_before_anything_is_started(site: Site) -> None:
    site.configure("registryPort: x\n")
    with pytest.raises(ConfigError, match="registryPort"):
        start_run(site.request(RunKind.INSTALL))
    assert not site.state_dir.exists()


def test_an_engine_that_says_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = site.directory / "silent"
    silent.write_text("#!/bin/sh\nread -r line\n")
    silent.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(silent))
    with pytest.raises(InternalError, match="did not start") as caught:
        start_run(site.request(RunKind.CHECK))
    assert "engine.log" in caught.value.remedy


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:  # it has ended already, in a session that was its own
        return pid
