"""Hosts that are to be tried again in the run at work: asked for, and taken up by its engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.cli import main
from core.engine.journal import Journal, JournalReader, State, TaskRow
from core.engine.launcher import try_again
from core.engine.lock import engine_lock
from core.engine.retry_requests import RetryRequests

Output = pytest.CaptureFixture[str]


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "airctl-config.yaml"
    path.write_text("imagesDir: imgs\nstateDir: state\n")
    (tmp_path / "state").mkdir()
    return str(path)


@pytest.fixture
def at_work(tmp_path: Path) -> Iterator[RetryRequests]:
    """A run at work in which host b failed; this process stands for its engine."""
    state_dir = tmp_path / "state"
    journal = Journal(state_dir)
    with engine_lock(state_dir, 1.0):
        run = journal.begin("install", "du", "/c", {}, os.getpid())
        rows = [TaskRow("a", "connect", "connect"), TaskRow("b", "connect", "connect")]
        journal.add_tasks(run, rows)
        rows[0].state, rows[1].state = State.RUNNING, State.FAILED
        journal.save(run, rows, [])
        asked = RetryRequests(state_dir, run)
        asked.open()
        yield asked
        asked.close()
    journal.close()


def test_requests_to_a_run_are_taken_once(tmp_path: Path) -> None:
    asked, other = RetryRequests(tmp_path, 7), RetryRequests(tmp_path, 6)
    assert not asked.ask(["worker-01"])
    other.open()
    asked.open()
    assert not other.ask(["worker-01"])
    assert asked.ask(["worker-01", "../etc/passwd", "ä b"])
    assert ["../etc/passwd", "worker-01", "ä b"] == sorted(asked.take())
    assert [] == asked.take()
    asked.close()
    assert [] == asked.take()
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("hosts", [[], ["b"]])
def test_what_failed_is_asked_for(
    config: str, at_work: RetryRequests, capsys: Output, hosts: list[str]
) -> None:
    assert 0 == main(["retry", *hosts, "--config", config])
    assert "Run 1 tries again: b\n" == capsys.readouterr().out
    assert ["b"] == at_work.take()


def test_what_did_not_fail_is_not_asked_for(
    config: str, at_work: RetryRequests, capsys: Output
) -> None:
    assert 2 == main(["retry", "a", "b", "--config", config])
    assert "no run at work in which these failed: a" in capsys.readouterr().err
    assert [] == at_work.take()


def test_without_a_run_there_is_nothing_to_ask(config: str, capsys: Output) -> None:
    assert 0 == main(["retry", "--config", config])
    assert "No run is at work in which a host failed.\n" == capsys.readouterr().out
    assert 2 == main(["retry", "b", "--config", config])
    assert "airferry configure-hosts --only-failed" in capsys.readouterr().err


def test_a_run_that_has_ended_is_not_asked(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    run = journal.begin("install", "du", "/c", {}, 1)
    journal.end(run, State.DONE, "")
    journal.close()
    row = JournalReader(tmp_path).run(run)
    assert row is not None
    assert not try_again(row, tmp_path, ["b"])
