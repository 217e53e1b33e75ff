"""What a run writes to its journal, and what its engine uses meanwhile, seen from outside."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from core.engine.journal import JournalReader, journal_path
from tests.bench.measure import peak_bytes, processor_s

LOOK_S = 0.05
# The engine's own statements fire these, so every row that it writes is counted, with its second.
COUNTERS = """
CREATE TABLE IF NOT EXISTS bench_rows (at INTEGER NOT NULL);
CREATE TRIGGER IF NOT EXISTS bench_task AFTER UPDATE ON tasks
    BEGIN INSERT INTO bench_rows VALUES (unixepoch()); END;
CREATE TRIGGER IF NOT EXISTS bench_line AFTER INSERT ON log
    BEGIN INSERT INTO bench_rows VALUES (unixepoch()); END;
DELETE FROM bench_rows;
"""


def count_rows(state_dir: Path) -> None:
    """Have the rows that are written to a journal counted from now on."""
    with closing(sqlite3.connect(journal_path(state_dir))) as db, db:
        db.executescript(COUNTERS)


def rows_by_second(state_dir: Path) -> list[int]:
    """Return how many rows were written in each second in which any were."""
    with closing(sqlite3.connect(journal_path(state_dir))) as db:
        found = db.execute("SELECT count(*) FROM bench_rows GROUP BY at ORDER BY at").fetchall()
    return [int(count) for (count,) in found]


class EngineWatch:
    """Looks at the engine of the next run until it has ended, and at the journal's commits.

    The engine is nobody's to wait for, so the kernel does not tell what it used in all; what it
    used since the last look is missing.

    Args:
        state_dir: Where its journal is.
    """

    def __init__(self, state_dir: Path) -> None:
        self._reader = JournalReader(state_dir)
        self._path = journal_path(state_dir)
        self._before = self._newest()[0]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.cpu_s = 0.0
        self.peak_bytes = 0
        self.commits = 0

    def __enter__(self) -> EngineWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _newest(self) -> tuple[int, int]:
        runs = self._reader.runs()
        return (runs[0].id, runs[0].pid) if runs else (0, 0)

    def _look(self) -> None:
        pid = self._await_engine()
        with _data_versions(self._path) as versions:
            before = next(versions)
            while not self._ended.wait(LOOK_S):
                after = next(versions)
                self.commits += after != before
                before = after
                # It may have ended already, and even before that it has no memory left to tell of.
                with suppress(FileNotFoundError, ProcessLookupError, StopIteration):
                    self.cpu_s = max(self.cpu_s, processor_s(pid))
                    self.peak_bytes = max(self.peak_bytes, peak_bytes(pid))

    def _await_engine(self) -> int:
        while not self._ended.wait(LOOK_S):
            run, pid = self._newest()
            if run != self._before:
                return pid
        return 0


@contextmanager
def _data_versions(path: Path) -> Iterator[Iterator[int]]:
    """Give a number that is another one whenever somebody has committed to a database."""
    with closing(sqlite3.connect(path)) as db:

        def versions() -> Iterator[int]:
            while True:
                yield int(db.execute("PRAGMA data_version").fetchone()[0])

        yield versions()
