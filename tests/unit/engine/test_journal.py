"""The journal: one writes while others read, and a killed engine's runs are told."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from core.engine.journal import Journal, JournalReader, LogLine, State, TaskRow, journal_path
from core.engine.request import CHANGING
from core.errors import LocalFilesError
from core.warnings import CLOCK

ROWS = [TaskRow("du", "registry.serve", "registry"), TaskRow("a", "connect", "connect")]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path)
    yield made
    made.close()


@pytest.fixture
def reader(tmp_path: Path) -> JournalReader:
    return JournalReader(tmp_path)


def begin(journal: Journal, kind: str = "install") -> int:
    return journal.begin(kind, "du", "/c.yaml", {"hosts": ["a"]}, 42)


def line(text: str, target: str = "du") -> LogLine:
    return LogLine(0, 1.5, target, "connect", "info", text)


def test_no_journal_is_no_runs(reader: JournalReader, tmp_path: Path) -> None:
    assert ([], None, [], []) == (reader.runs(), reader.run(1), reader.tasks(1), reader.log(1))
    assert [] == list(tmp_path.iterdir())


def test_a_journal_that_is_just_being_made_is_no_runs(
    reader: JournalReader, tmp_path: Path
) -> None:
    journal_path(tmp_path).touch()
    assert ([], None, [], []) == (reader.runs(), reader.run(1), reader.tasks(1), reader.log(1))


def test_a_run_is_read_as_it_was_begun(journal: Journal, reader: JournalReader) -> None:
    run = begin(journal)
    found = reader.run(run)
    assert found is not None
    assert ("install", "du", "/c.yaml", {"hosts": ["a"]}, 42, State.RUNNING, None) == (
        found.kind,
        found.mode,
        found.config,
        found.options,
        found.pid,
        found.state,
        found.ended,
    )
    assert found.seconds >= 0


def test_runs_are_read_newest_first(journal: Journal, reader: JournalReader) -> None:
    runs = [begin(journal) for _ in range(3)]
    assert runs[::-1] == [run.id for run in reader.runs()]


def test_an_ended_run(journal: Journal, reader: JournalReader) -> None:
    run = begin(journal)
    journal.end(run, State.FAILED, "no luck")
    found = reader.run(run)
    assert found is not None
    assert (State.FAILED, "no luck", True) == (found.state, found.message, found.ended is not None)


def test_tasks_in_the_order_of_the_plan(journal: Journal, reader: JournalReader) -> None:
    run = begin(journal)
    journal.add_tasks(run, ROWS)
    changed = replace(
        ROWS[1],
        state=State.FAILED,
        attempt=2,
        bytes_done=5,
        bytes_total=9,
        rate=1.5,
        message="m",
        error_code="E",
        error="e",
        remedy="r",
        started=1.0,
        ended=3.5,
    )
    journal.save(run, [changed], [])
    assert [ROWS[0], changed] == reader.tasks(run)
    assert 2.5 == reader.tasks(run)[1].seconds


def test_log_by_run_target_and_place(journal: Journal, reader: JournalReader) -> None:
    run, other = begin(journal), begin(journal)
    journal.save(run, [], [line("1"), line("2", "a"), line("3")])
    journal.save(other, [], [line("4")])
    found = reader.log(run)
    assert ["1", "2", "3"] == [entry.text for entry in found]
    assert ["2", "3"] == [entry.text for entry in reader.log(run, after=found[0].id)]
    assert ["2"] == [entry.text for entry in reader.log(run, target="a")]
    assert ["1"] == [entry.text for entry in reader.log(run, limit=1)]
    journal.save(run, [], [replace(line("5", "a"), level="fact")])
    assert ["5"] == [entry.text for entry in reader.log(run, target="a", level="fact")]


def test_runs_of_dead_engines_are_interrupted(journal: Journal, reader: JournalReader) -> None:
    done, killed, looking = begin(journal), begin(journal), begin(journal, "plan")
    journal.end(done, State.DONE, "")
    journal.add_tasks(killed, ROWS)
    journal.save(killed, [replace(ROWS[0], state=State.RUNNING, started=1.0)], [])
    journal.mark_interrupted(CHANGING)
    assert [State.RUNNING, State.INTERRUPTED, State.DONE] == [run.state for run in reader.runs()]
    tasks = reader.tasks(killed)
    assert [State.INTERRUPTED, State.WAITING] == [task.state for task in tasks]
    assert tasks[0].ended is not None
    assert looking == reader.runs()[0].id


def test_a_reader_is_never_in_the_way(
    journal: Journal, reader: JournalReader, tmp_path: Path
) -> None:
    """A long read is open while the engine writes, and sees what was there when it began."""
    run = begin(journal)
    journal.add_tasks(run, ROWS)
    view = sqlite3.connect(journal_path(tmp_path))
    view.execute("BEGIN")
    assert [("waiting",), ("waiting",)] == view.execute("SELECT state FROM tasks").fetchall()
    journal.save(run, [replace(ROWS[0], state=State.DONE)], [])
    assert [("waiting",), ("waiting",)] == view.execute("SELECT state FROM tasks").fetchall()
    assert State.DONE is reader.tasks(run)[0].state
    view.close()


def test_writer_and_readers_at_once(journal: Journal, tmp_path: Path) -> None:
    run = begin(journal)
    journal.add_tasks(run, ROWS)
    ended = threading.Event()
    failures: list[Exception] = []

    def look() -> None:
        reader, seen = JournalReader(tmp_path), 0
        try:
            while not ended.is_set():
                done = reader.tasks(run)[0].bytes_done
                assert seen <= done
                seen = done
        except Exception as error:  # noqa: BLE001 - handed to the test
            failures.append(error)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for done in range(100):
        journal.save(run, [replace(ROWS[0], bytes_done=done)], [line(str(done))])
    ended.set()
    for thread in threads:
        thread.join()
    assert [] == failures
    assert 100 == len(JournalReader(tmp_path).log(run))


def test_a_second_writer_finds_what_was_there(journal: Journal, tmp_path: Path) -> None:
    first = begin(journal)
    other = Journal(tmp_path)
    second = begin(other)
    other.close()
    assert [second, first] == [run.id for run in JournalReader(tmp_path).runs()]


def test_it_is_private(journal: Journal, tmp_path: Path) -> None:  # noqa: ARG001
    assert 0o600 == journal_path(tmp_path).stat().st_mode & 0o777


def test_a_clock_set_back_makes_no_negative_time() -> None:
    assert 0.0 == replace(ROWS[0], started=100.0, ended=50.0).seconds


def test_tasks_are_read_as_they_were_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    run = journal.begin("install", "du", "airctl-config.yaml", {}, 1)
    row = TaskRow(
        *("h1", "images.warm", "images", State.FAILED, 2, 3, 4, 5.0, "message"),
        *("E-CODE", "error", "remedy", 6.0, 7.0),
    )
    journal.add_tasks(run, [row])
    journal.save(run, [row], [])
    journal.close()
    assert [row] == JournalReader(tmp_path).tasks(run)


@pytest.mark.parametrize("end", [Journal, lambda path: JournalReader(path).runs()])
def test_a_damaged_file_is_told_with_what_to_do(
    tmp_path: Path, end: Callable[[Path], object]
) -> None:
    journal_path(tmp_path).write_bytes(b"no database" * 500)
    with pytest.raises(LocalFilesError, match="not a database") as caught:
        end(tmp_path)
    assert str(journal_path(tmp_path)) in caught.value.what
    assert "Move it away (mv)" in caught.value.remedy


def test_a_journal_of_a_version_without_warnings(journal: Journal, tmp_path: Path) -> None:
    """It is read as it is, and brought up to this version by the next engine."""
    run = begin(journal)
    journal.add_tasks(run, ROWS)
    journal.close()
    with sqlite3.connect(journal_path(tmp_path)) as db:
        db.execute("ALTER TABLE tasks DROP COLUMN warnings")
        db.execute("ALTER TABLE runs DROP COLUMN warnings")
    db.close()
    reader = JournalReader(tmp_path)
    found = reader.run(run)
    assert found is not None
    assert ((), ROWS) == (found.warnings, reader.tasks(run))

    warned = replace(ROWS[1], warnings=(CLOCK.of(off="6 minutes ahead"),))
    with closing(Journal(tmp_path)) as later:
        later.save(run, [warned], [])
    assert [ROWS[0], warned] == reader.tasks(run)
