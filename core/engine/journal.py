"""The journal: what every run did, in SQLite, between the engine that writes and all who look.

Write-ahead logging, one writer (the engine of the run), any number of readers, none of which waits
for another. A killed engine leaves a journal that says how far it came.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import fields
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

from core.engine.rows import ENDED_WELL, EXIT_CODES, LogLine, RunRow, State, TaskRow
from core.errors import DuDiskFull, LocalFilesError
from core.warnings import Warned, warnings_in, warnings_text

__all__ = [
    "ENDED_WELL",
    "EXIT_CODES",
    "Journal",
    "JournalReader",
    "LogLine",
    "RunRow",
    "State",
    "TaskRow",
    "journal_path",
]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, mode TEXT NOT NULL,
    state TEXT NOT NULL, config TEXT NOT NULL, options TEXT NOT NULL, pid INTEGER NOT NULL,
    started REAL NOT NULL, ended REAL, message TEXT NOT NULL DEFAULT '',
    paused REAL, paused_s REAL NOT NULL DEFAULT 0, warnings TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS tasks (
    run INTEGER NOT NULL REFERENCES runs(id), ordinal INTEGER NOT NULL,
    target TEXT NOT NULL, step TEXT NOT NULL, title TEXT NOT NULL, state TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0, bytes_done INTEGER NOT NULL DEFAULT 0,
    bytes_total INTEGER NOT NULL DEFAULT 0, rate REAL NOT NULL DEFAULT 0,
    message TEXT NOT NULL DEFAULT '', error_code TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '', remedy TEXT NOT NULL DEFAULT '',
    started REAL, ended REAL, warnings TEXT NOT NULL DEFAULT '', PRIMARY KEY (run, target, step));
CREATE TABLE IF NOT EXISTS log (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, at REAL NOT NULL, target TEXT NOT NULL,
    step TEXT NOT NULL, level TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS log_by_run ON log (run, target, id);
"""
# Columns that journals of earlier versions lack; readers do without.
_LATER_COLUMNS = {
    ("runs", "paused"): "REAL",
    ("runs", "paused_s"): "REAL NOT NULL DEFAULT 0",
    ("runs", "warnings"): "TEXT NOT NULL DEFAULT ''",
    ("tasks", "warnings"): "TEXT NOT NULL DEFAULT ''",
}
_NO_MORE_PAUSED = (
    "paused = NULL, "
    "paused_s = paused_s + CASE WHEN paused IS NULL THEN 0 ELSE max(0, ? - paused) END"
)
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
    "warnings",
]
_DAMAGED_REMEDY = (
    "The file is damaged. Move it away (mv): the history of the runs is lost, nothing else. "
    "Then start again."
)
BUSY_TIMEOUT_S = 30.0
RESERVE_NAME = "journal.reserve"
RESERVE_BYTES = 512 << 10


def journal_path(state_dir: Path) -> Path:
    """Return where the journal of a state directory is."""
    return state_dir / "journal.sqlite3"


class Journal:
    """The writing end, held by one engine.

    Args:
        state_dir: The state directory.
    """

    def __init__(self, state_dir: Path) -> None:
        self._path = journal_path(state_dir)
        self._reserve = state_dir / RESERVE_NAME
        with self._told():
            self._db = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S)
            self._path.chmod(0o600)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
            self._add_later_columns()
            self._keep_reserve()

    def _add_later_columns(self) -> None:
        """Bring the journal of an earlier version up to this one."""
        if not self._lacking_columns():
            return
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")  # another engine may have been at the same
            for table, name in self._lacking_columns():
                kind = _LATER_COLUMNS[table, name]
                self._db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")

    def _lacking_columns(self) -> list[tuple[str, str]]:
        present = {
            (table, name) for table in ("runs", "tasks") for name in _columns_of(self._db, table)
        }
        return [column for column in _LATER_COLUMNS if column not in present]

    def _keep_reserve(self) -> None:
        """Take some room, to be given up when there is none left: then the end can be written."""
        try:
            with self._reserve.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
        except OSError as error:
            self._reserve.unlink(missing_ok=True)
            raise DuDiskFull(f"{self._reserve.parent}: {(error.strerror or '').lower()}") from error

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except sqlite3.OperationalError as error:
            # Without room SQLite may also say that it cannot do some input or output.
            full = "full" in str(error) or not os.statvfs(self._path.parent).f_bavail
            kind = DuDiskFull if full else LocalFilesError
            raise kind(f"{self._path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise _unreadable(self._path, error) from error

    def _write(self, *changes: tuple[str, list[tuple[object, ...]]]) -> None:
        """Make changes in one transaction.

        Raises:
            DuDiskFull: there was no room. Made they are all the same, from what was reserved, if
                that was not used up: the run must end, but can still say so.
        """

        def make() -> None:
            with self._told(), self._db:
                for sql, rows in changes:
                    self._db.executemany(sql, rows)

        try:
            make()
        except LocalFilesError as error:
            if not self._reserve.exists():
                raise
            self._reserve.unlink()
            make()
            raise DuDiskFull(error.what) from error

    def close(self) -> None:
        """Close it."""
        self._db.close()

    def begin(self, kind: str, mode: str, config: str, options: dict[str, object], pid: int) -> int:
        """Open a run and return its id."""
        with self._told(), self._db:
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
        with self._told(), self._db:
            self._db.execute(
                "UPDATE tasks SET state = ?, ended = ? WHERE state = ? "
                f"AND run IN (SELECT id FROM runs WHERE {dead})",
                (State.INTERRUPTED, now, State.RUNNING, State.RUNNING, *names),
            )
            self._db.execute(
                f"UPDATE runs SET state = ?, ended = ?, {_NO_MORE_PAUSED} WHERE {dead}",
                (State.INTERRUPTED, now, now, State.RUNNING, *names),
            )

    def add_tasks(self, run: int, tasks: Iterable[TaskRow]) -> None:
        """Write the plan of a run."""
        rows = [
            (run, ordinal, *_key(task), task.title, task.state)
            for ordinal, task in enumerate(tasks)
        ]
        with self._told(), self._db:
            self._db.executemany(
                "INSERT INTO tasks (run, ordinal, target, step, title, state) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )

    def save(self, run: int, tasks: Iterable[TaskRow], lines: Iterable[LogLine]) -> None:
        """Write changed tasks and new log lines, in one transaction."""
        columns = [name for name in _TASK_COLUMNS if name not in ("target", "step", "title")]
        assignments = ", ".join(f"{name} = ?" for name in columns)
        self._write(
            (
                f"UPDATE tasks SET {assignments} WHERE run = ? AND target = ? AND step = ?",
                [
                    (*(_storable(getattr(task, name)) for name in columns), run, *_key(task))
                    for task in tasks
                ],
            ),
            (
                "INSERT INTO log (run, at, target, step, level, text) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (run, line.at, *map(_storable, (line.target, line.step, line.level, line.text)))
                    for line in lines
                ],
            ),
        )

    def end(self, run: int, state: State, message: str) -> None:
        """Close a run."""
        now = time.time()
        sql = f"UPDATE runs SET state = ?, ended = ?, message = ?, {_NO_MORE_PAUSED} WHERE id = ?"
        self._write((sql, [(state, now, message, now, run)]))

    def warn(self, run: int, *warnings: Warned) -> None:
        """Note what is to be known of the site as a whole."""
        self._write(("UPDATE runs SET warnings = ? WHERE id = ?", [(_storable(warnings), run)]))

    def hold(self, run: int, *, paused: bool) -> None:
        """Note that a run is held, or that it goes on."""
        change = "paused = coalesce(paused, ?)" if paused else _NO_MORE_PAUSED
        self._write((f"UPDATE runs SET {change} WHERE id = ?", [(time.time(), run)]))


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
        try:
            with self._open() as db:
                return db.execute(sql, values).fetchall() if db else []
        except sqlite3.DatabaseError as error:
            raise _unreadable(self._path, error) from error

    def runs(self) -> list[RunRow]:
        """Return all runs, the newest first."""
        return [_run_row(row) for row in self._rows("SELECT * FROM runs ORDER BY id DESC")]

    def run(self, run: int) -> RunRow | None:
        """Return one run."""
        rows = self._rows("SELECT * FROM runs WHERE id = ?", run)
        return _run_row(rows[0]) if rows else None

    def tasks(self, run: int) -> list[TaskRow]:
        """Return the tasks of a run in the order of its plan."""
        rows = self._rows("SELECT * FROM tasks WHERE run = ? ORDER BY ordinal", run)
        # A large site has thousands of rows, and who watches a run reads them three times a second.
        if not rows:
            return []
        # A journal of an earlier version lacks the last columns, one of a later version has more.
        present = rows[0].keys()
        values_of = itemgetter(*(present.index(name) for name in _TASK_COLUMNS if name in present))
        return [_task_row(*values_of(row)) for row in rows]

    def log(
        self, run: int, *, after: int = 0, target: str = "", level: str = "", limit: int = 10_000
    ) -> list[LogLine]:
        """Return log lines, oldest first.

        Args:
            run: The run.
            after: Only lines with a greater id.
            target: Only lines of this target.
            level: Only lines of this level.
            limit: At most so many.
        """
        rows = self._rows(
            "SELECT id, at, target, step, level, text FROM log "
            "WHERE run = ? AND id > ? AND (? = '' OR target = ?) AND (? = '' OR level = ?) "
            "ORDER BY id LIMIT ?",
            run,
            after,
            *(target, target),
            *(level, level),
            limit,
        )
        return [LogLine(**dict(row)) for row in rows]


def _unreadable(path: Path, error: sqlite3.DatabaseError) -> LocalFilesError:
    what = f"{path} cannot be read: {error}"
    if type(error) is sqlite3.DatabaseError:  # what SQLite says of a file that is damaged
        return LocalFilesError(what, remedy=_DAMAGED_REMEDY)
    return LocalFilesError(what)


def _key(task: TaskRow) -> tuple[object, object]:
    return _storable(task.target), _storable(task.step)


def _storable(value: object) -> object:
    """Return what SQLite takes: names of files may hold bytes that are not UTF-8."""
    if isinstance(value, tuple):  # the only field of a row that is one
        value = warnings_text(value)
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return value


def _has_tables(db: sqlite3.Connection) -> bool:
    """Whether the journal is made; an engine may be at it, or have been killed in it."""
    return bool(db.execute("SELECT 1 FROM sqlite_master WHERE name = 'log_by_run'").fetchone())


def _columns_of(db: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]


def _task_row(target: str, step: str, title: str, state: str, *rest: Any) -> TaskRow:  # noqa: ANN401
    """Return a row of the journal, whose columns stand in the order of the fields."""
    row = TaskRow(target, step, title, State(state), *rest)
    row.warnings = _warnings_in(cast("str", row.warnings)) if row.warnings else ()
    return row


# Who watches a run reads the same few again and again.
_warnings_in = lru_cache(maxsize=4096)(warnings_in)


_RUN_FIELDS = frozenset(field.name for field in fields(RunRow))


def _run_row(row: sqlite3.Row) -> RunRow:
    # A journal may be of an earlier version (and lack columns) or of a later one (and have more).
    values = {name: row[name] for name in row.keys() if name in _RUN_FIELDS}  # noqa: SIM118
    return RunRow(
        **{
            **values,
            "state": State(values["state"]),
            "options": json.loads(values["options"]),
            "warnings": warnings_in(values.get("warnings")),
        }
    )
