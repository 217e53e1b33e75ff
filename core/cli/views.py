"""The commands that only look: runs, watch, report; and the following of a run."""

from __future__ import annotations

import json
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from types import FrameType

from core.config import Config
from core.engine.export import export_report
from core.engine.journal import EXIT_CODES, JournalReader, RunRow, State, TaskRow
from core.engine.launcher import cancel_run, true_state
from core.engine.report import (
    clock,
    fares_words,
    is_paused,
    particulars_of,
    report_record,
    report_text,
    sign,
)
from core.engine.request import CHANGING
from core.errors import UsageError
from core.files import write_atomically
from core.telling import PARTICULAR
from core.words import size

POLL_S = 0.3
FIRST_POLL_S = 0.02  # what is there already is over in a moment
PROGRESS_EVERY_S = 5.0


def runs(options: Namespace, config: Config) -> int:
    """List the runs, the newest first."""
    found = JournalReader(config.state_dir).runs()
    if options.json:
        print(json.dumps([_run_record(run, config) for run in found]))
        return 0
    if not found:
        print("There were no runs yet.")
    for run in found:
        started = datetime.fromtimestamp(run.started).astimezone()
        state = _state_words(run, config)
        print(
            f"{run.id:>5}  {started:%Y-%m-%d %H:%M}  {run.kind:<15} mode {run.mode:<7}"
            f"{state:<18}{clock(run.seconds):>8}"
        )
    return 0


def watch(options: Namespace, config: Config) -> int:
    """Follow a run until it ends; leaving does not end it."""
    run = chosen_run(options, config)
    with _leave_on_interrupt():
        state = follow(config, run.id, as_json=options.json, may_cancel=False)
    if not options.json:
        print_report(config, run.id, as_json=False)
    return EXIT_CODES[state]


def report(options: Namespace, config: Config) -> int:
    """Print the report of a run."""
    run = chosen_run(options, config)
    with_log = options.log or options.verbose
    if options.to:
        return _export(options, config, run, with_log=with_log)
    text = _report(config, run.id, as_json=options.json, with_log=with_log)
    if options.output:
        write_atomically(options.output, text + "\n")
    else:
        print(text)
    return 0


def _export(options: Namespace, config: Config, run: RunRow, *, with_log: bool) -> int:
    reader = JournalReader(config.state_dir)
    state, log = true_state(run, config.state_dir), reader.log(run.id) if with_log else []
    paths = export_report(options.to, run, state, reader.tasks(run.id), log)
    record = {"run": run.id, "written": [str(path) for path in paths]}
    written = "\n".join(f"written: {path}" for path in paths)
    print(json.dumps(record) if options.json else written)
    return 0


def follow(
    config: Config, run: int, *, quiet: bool = False, as_json: bool = False, may_cancel: bool = True
) -> State:
    """Print what happens in a run until it ends, and return how it ended.

    Args:
        config: The site.
        run: The run.
        quiet: Print nothing.
        as_json: Print a line of JSON for every change.
        may_cancel: Ctrl+C ends the run (not only this view of it).
    """
    reader = JournalReader(config.state_dir)
    printer = _Printer(quiet=quiet, as_json=as_json)
    pause_s = FIRST_POLL_S
    with _cancel_on_interrupt(config, run) if may_cancel else nullcontext():
        while True:
            row = reader.run(run)
            if row is None:
                raise UsageError(f"there is no run {run}")
            state = true_state(row, config.state_dir)
            printer.show_run(row, state)
            printer.show(reader.tasks(run))
            if state is not State.RUNNING:
                return state
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, POLL_S)


def print_report(config: Config, run: int, *, as_json: bool, with_log: bool = False) -> None:
    """Print the report of a run."""
    print(_report(config, run, as_json=as_json, with_log=with_log))


def _report(config: Config, run: int, *, as_json: bool, with_log: bool) -> str:
    reader = JournalReader(config.state_dir)
    row = reader.run(run)
    if row is None:
        raise UsageError(f"there is no run {run}")
    state = true_state(row, config.state_dir)
    tasks = reader.tasks(run)
    lines = reader.log(run) if with_log else []
    particulars = particulars_of(reader.log(run, level=PARTICULAR))
    if as_json:
        record = report_record(row, state, tasks, particulars)
        if with_log:
            record["log"] = [line.__dict__ for line in lines]
        return json.dumps(record, indent=1)
    return report_text(row, state, tasks, particulars, lines)


class _Printer:
    """Prints a line when a task changes its state, and its progress now and then."""

    def __init__(self, *, quiet: bool, as_json: bool) -> None:
        self._quiet = quiet
        self._as_json = as_json
        self._seen: dict[tuple[str, str], tuple[State, int]] = {}
        self._last_progress = time.monotonic()
        self._paused = False

    def show_run(self, run: RunRow, state: State) -> None:
        """Print it when a run is held, and when it goes on."""
        paused = is_paused(run, state)
        if self._quiet or paused == self._paused:
            return
        self._paused = paused
        if self._as_json:
            print(json.dumps({"run": run.id, "paused": paused}), flush=True)
        elif paused:
            print(f". run {run.id} is paused; go on with: airferry resume", flush=True)
        elif state is State.RUNNING:
            print(f"> run {run.id} goes on", flush=True)

    def show(self, tasks: list[TaskRow]) -> None:
        """Print what is new."""
        if self._quiet:
            return
        progress_due = time.monotonic() - self._last_progress > PROGRESS_EVERY_S
        if progress_due:
            self._last_progress = time.monotonic()
        for task in tasks:
            key, now = (task.target, task.step), (task.state, task.attempt)
            before = self._seen.get(key, (State.WAITING, 0))
            running = progress_due and task.state is State.RUNNING
            if before != now or running:
                self._seen[key] = now
                print(self._line(task), flush=True)

    def _line(self, task: TaskRow) -> str:
        if self._as_json:
            warnings = [warning.record() for warning in task.warnings]
            told = {**task.__dict__, "seconds": round(task.seconds, 2), "warnings": warnings}
            return json.dumps(told)
        moved = ""
        if task.bytes_total:
            percent = 100 * task.bytes_done // task.bytes_total
            moved = f"{percent:>3} %  {size(task.bytes_done)}  {size(task.rate)}/s  "
            if task.rate:
                left_s = (task.bytes_total - task.bytes_done) / task.rate
                moved += f"{clock(left_s)} left  "
        code = f" [{task.error_code}]" if task.error_code else ""
        return (
            f"{sign(task.state)} {task.target:<12} {task.step:<18} {task.state:<9} "
            f"{clock(task.seconds):>5}  {moved}{task.message}{code}"
        )


@contextmanager
def _cancel_on_interrupt(config: Config, run: int) -> Iterator[None]:
    """Let Ctrl+C end the run, cleanly and in the engine."""

    def on_interrupt(_number: int, _frame: FrameType | None) -> None:
        row = JournalReader(config.state_dir).run(run)
        if row is not None and cancel_run(row, config.state_dir):
            print("cancelling...", file=sys.stderr)

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _leave_on_interrupt() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        print("\nThe run goes on; watch it again with: airferry watch", file=sys.stderr)
        sys.exit(0)


def chosen_run(options: Namespace, config: Config) -> RunRow:
    """Return the run that was named, or the newest that changes things, or the newest."""
    found = JournalReader(config.state_dir).runs()
    if options.run is not None:
        found = [run for run in found if run.id == options.run]
        if not found:
            raise UsageError(f"there is no run {options.run}", remedy="List them: airferry runs")
    if not found:
        raise UsageError("there were no runs yet", remedy="Start one: airferry install")
    return next((run for run in found if run.kind in CHANGING), found[0])


def _is_paused(run: RunRow, config: Config) -> bool:
    return is_paused(run, true_state(run, config.state_dir))


def _state_words(run: RunRow, config: Config) -> str:
    return fares_words(run, true_state(run, config.state_dir))


def _run_record(run: RunRow, config: Config) -> dict[str, object]:
    return {
        "run": run.id,
        "kind": run.kind,
        "mode": run.mode,
        "state": true_state(run, config.state_dir).value,
        "paused": _is_paused(run, config),
        "started": run.started,
        "seconds": round(run.seconds, 2),
    }
