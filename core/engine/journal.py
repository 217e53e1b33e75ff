"""The journal: what every run did, in SQLite, between the engine that writes and all who look.

Write-ahead logging, one writer (the engine of the run), any number of readers, none of which waits
for another. A killed engine leaves a journal that says how far it came.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, mode TEXT NOT NULL,
    state TEXT NOT NULL, config TEXT NOT NULL, options TEXT NOT NULL, pid INTEGER NOT NULL,
    started REAL NOT NULL, ended REAL, message TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS tasks (
    run INTEGER NOT NULL REFERENCES runs(id), ordinal INTEGER NOT NULL,
    target TEXT NOT NULL, step TEXT NOT NULL, title TEXT NOT NULL, state TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0, bytes_done INTEGER NOT NULL DEFAULT 0,
    bytes_total INTEGER NOT NULL DEFAULT 0, rate REAL NOT NULL DEFAULT 0,
    message TEXT NOT NULL DEFAULT '', error_code TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '', remedy TEXT NOT NULL DEFAULT '',
    started REAL, ended REAL, PRIMARY KEY (run, target, step));
CREATE TABLE IF NOT EXISTS log (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, at REAL NOT NULL, target TEXT NOT NULL,
    step TEXT NOT NULL, level TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS log_by_run ON log (run, target, id);
"""
_TASK_COLUMNS = [
    "target",
    "step",
    "title",
    "state",
    "attempt",
    "bytes_done",
    "bytes_total",
    "rate",
    "message",
    "error_code",
    "error",
    "remedy",
    "started",
    "ended",
]
BUSY_TIMEOUT_S = 30.0


class State(StrEnum):
    """How a task, a target or a run fares."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    PRESENT = "present"
    MISSING = "missing"
    FAILED = "failed"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


ENDED_WELL = frozenset({State.DONE, State.PRESENT, State.MISSING})


@dataclass
class TaskRow:
    """One step on one target. Sizes in bytes, rate in bytes per second, times since the epoch."""

    target: str
    step: str
    title: str
    state: State = State.WAITING
    attempt: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    rate: float = 0.0
    message: str = ""
    error_code: str = ""
    error: str = ""
    remedy: str = ""
    started: float | None = None
    ended: float | None = None

    @property
    def seconds(self) -> float:
        """How long it took, or has taken until now."""
        return 0.0 if self.started is None else _elapsed_s(self.started, self.ended)


@dataclass(frozen=True)
class RunRow:
    """One run."""

    id: int
    kind: str
    mode: str
    state: State
    config: str
    options: dict[str, object]
    pid: int
    started: float
    ended: float | None
    message: str

    @property
    def seconds(self) -> float:
        """How long it took, or has taken until now."""
        return _elapsed_s(self.started, self.ended)


def _elapsed_s(started: float, ended: float | None) -> float:
    """Return the seconds between two times of the clock, which somebody may have set back."""
    return max(0.0, (time.time() if ended is None else ended) - started)


@dataclass(frozen=True)
class LogLine:
    """One line of a run's log."""

    id: int
    at: float
    target: str
    step: str
    level: str
    text: str


def journal_path(state_dir: Path) -> Path:
    """Return where the journal of a state directory is."""
    return state_dir / "journal.sqlite3"


class Journal:
    """The writing end, held by one engine.

    Args:
        state_dir: The state directory.
    """

    def __init__(self, state_dir: Path) -> None:
        path = journal_path(state_dir)
        self._db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)
        path.chmod(0o600)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close it."""
        self._db.close()

    def begin(self, kind: str, mode: str, config: str, options: dict[str, object], pid: int) -> int:
        """Open a run and return its id."""
        with self._db:
            cursor = self._db.execute(
                "INSERT INTO runs (kind, mode, state, config, options, pid, started) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (kind, mode, State.RUNNING, config, json.dumps(options), pid, time.time()),
            )
        return int(cursor.lastrowid or 0)

    def mark_interrupted(self, kinds: Iterable[str]) -> None:
        """Close the runs of engines that died; the caller holds the lock that says they did."""
        names = tuple(kinds)
        dead = f"state = ? AND kind IN ({', '.join('?' for _ in names)})"
        now = time.time()
        with self._db:
            self._db.execute(
                "UPDATE tasks SET state = ?, ended = ? WHERE state = ? "
                f"AND run IN (SELECT id FROM runs WHERE {dead})",
                (State.INTERRUPTED, now, State.RUNNING, State.RUNNING, *names),
            )
            self._db.execute(
                f"UPDATE runs SET state = ?, ended = ? WHERE {dead}",
                (State.INTERRUPTED, now, State.RUNNING, *names),
            )

    def add_tasks(self, run: int, tasks: Iterable[TaskRow]) -> None:
        """Write the plan of a run."""
        rows = [
            (run, ordinal, *_key(task), task.title, task.state)
            for ordinal, task in enumerate(tasks)
        ]
        with self._db:
            self._db.executemany(
                "INSERT INTO tasks (run, ordinal, target, step, title, state) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )

    def save(self, run: int, tasks: Iterable[TaskRow], lines: Iterable[LogLine]) -> None:
        """Write changed tasks and new log lines, in one transaction."""
        columns = [name for name in _TASK_COLUMNS if name not in ("target", "step", "title")]
        assignments = ", ".join(f"{name} = ?" for name in columns)
        with self._db:
            self._db.executemany(
                f"UPDATE tasks SET {assignments} WHERE run = ? AND target = ? AND step = ?",
                [
                    (*(_storable(getattr(task, name)) for name in columns), run, *_key(task))
                    for task in tasks
                ],
            )
            self._db.executemany(
                "INSERT INTO log (run, at, target, step, level, text) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (run, line.at, *map(_storable, (line.target, line.step, line.level, line.text)))
                    for line in lines
                ],
            )

    def end(self, run: int, state: State, message: str) -> None:
        """Close a run."""
        with self._db:
            self._db.execute(
                "UPDATE runs SET state = ?, ended = ?, message = ? WHERE id = ?",
                (state, time.time(), message, run),
            )


class JournalReader:
    """The reading end: never writes, never blocks the engine.

    Args:
        state_dir: The state directory; no journal in it means no runs.
    """

    def __init__(self, state_dir: Path) -> None:
        self._path = journal_path(state_dir)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection | None]:
        if not self._path.exists():
            yield None
            return
        with closing(sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S)) as db:
            db.execute("PRAGMA query_only = ON")
            db.row_factory = sqlite3.Row
            yield db if _has_tables(db) else None

    def _rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        with self._open() as db:
            return db.execute(sql, values).fetchall() if db else []

    def runs(self) -> list[RunRow]:
        """Return all runs, the newest first."""
        return [_run_row(row) for row in self._rows("SELECT * FROM runs ORDER BY id DESC")]

    def run(self, run: int) -> RunRow | None:
        """Return one run."""
        rows = self._rows("SELECT * FROM runs WHERE id = ?", run)
        return _run_row(rows[0]) if rows else None

    def tasks(self, run: int) -> list[TaskRow]:
        """Return the tasks of a run in the order of its plan."""
        columns = ", ".join(_TASK_COLUMNS)
        rows = self._rows(f"SELECT {columns} FROM tasks WHERE run = ? ORDER BY ordinal", run)
        return [TaskRow(**{**dict(row), "state": State(row["state"])}) for row in rows]

    def log(
        self, run: int, *, after: int = 0, target: str = "", limit: int = 10_000
    ) -> list[LogLine]:
        """Return log lines, oldest first.

        Args:
            run: The run.
            after: Only lines with a greater id.
            target: Only lines of this target.
            limit: At most so many.
        """
        rows = self._rows(
            "SELECT id, at, target, step, level, text FROM log "
            "WHERE run = ? AND id > ? AND (? = '' OR target = ?) ORDER BY id LIMIT ?",
            run,
            after,
            target,
            target,
            limit,
        )
        return [LogLine(**dict(row)) for row in rows]


def _key(task: TaskRow) -> tuple[object, object]:
    return _storable(task.target), _storable(task.step)


def _storable(value: object) -> object:
    """Return text that SQLite takes: names of files may hold bytes that are not UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return value


def _has_tables(db: sqlite3.Connection) -> bool:
    """Whether the journal is made; an engine may be at it, or have been killed in it."""
    return bool(db.execute("SELECT 1 FROM sqlite_master WHERE name = 'log_by_run'").fetchone())


def _run_row(row: sqlite3.Row) -> RunRow:
    values = dict(row)
    return RunRow(
        **{
            **values,
            "state": State(values["state"]),
            "options": json.loads(values["options"]),
        }
    )
