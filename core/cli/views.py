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
from core.engine.journal import JournalReader, RunRow, State, TaskRow
from core.engine.launcher import cancel_run, run_at_work, true_state
from core.engine.report import clock, report_record, report_text, sign, size
from core.engine.request import CHANGING
from core.errors import UsageError
from core.files import write_atomically

EXIT_CODES = {
    State.DONE: 0,
    State.FAILED: 1,
    State.INTERRUPTED: 1,
    State.CANCELLED: 130,
}
POLL_S = 0.3
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
        state = true_state(run, config.state_dir)
        print(
            f"{run.id:>5}  {started:%Y-%m-%d %H:%M}  {run.kind:<15} mode {run.mode:<7}"
            f"{state:<12}{clock(run.seconds):>8}"
        )
    return 0


def watch(options: Namespace, config: Config) -> int:
    """Follow a run until it ends; leaving does not end it."""
    run = _chosen_run(options, config)
    with _leave_on_interrupt():
        state = follow(config, run.id, as_json=options.json, may_cancel=False)
    if not options.json:
        print_report(config, run.id, as_json=False)
    return EXIT_CODES[state]


def report(options: Namespace, config: Config) -> int:
    """Print the report of a run."""
    run = _chosen_run(options, config)
    text = _report(config, run.id, as_json=options.json, with_log=options.log or options.verbose)
    if options.output:
        write_atomically(options.output, text + "\n")
    else:
        print(text)
    return 0


def cancel(options: Namespace, config: Config) -> int:
    """End the run that is at work."""
    run = _chosen_run(options, config) if options.run else run_at_work(config.state_dir)
    if run is None or not cancel_run(run, config.state_dir):
        print("No run is at work.")
        return 0
    follow(config, run.id, quiet=True)
    print(f"Run {run.id} was cancelled. What is done is not done twice.")
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
    with _cancel_on_interrupt(config, run) if may_cancel else nullcontext():
        while True:
            row = reader.run(run)
            if row is None:
                raise UsageError(f"there is no run {run}")
            state = true_state(row, config.state_dir)
            printer.show(reader.tasks(run))
            if state is not State.RUNNING:
                return state
            time.sleep(POLL_S)


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
    if as_json:
        record = report_record(row, state, tasks)
        if with_log:
            record["log"] = [line.__dict__ for line in lines]
        return json.dumps(record, indent=1)
    text = report_text(row, state, tasks)
    for line in lines:
        at = datetime.fromtimestamp(line.at).astimezone()
        text += f"\n{at:%H:%M:%S} {line.target} {line.step} {line.level}: {line.text}"
    return text


class _Printer:
    """Prints a line when a task changes its state, and its progress now and then."""

    def __init__(self, *, quiet: bool, as_json: bool) -> None:
        self._quiet = quiet
        self._as_json = as_json
        self._seen: dict[tuple[str, str], tuple[State, int]] = {}
        self._last_progress = time.monotonic()

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
            return json.dumps({**task.__dict__, "seconds": round(task.seconds, 2)})
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


def _chosen_run(options: Namespace, config: Config) -> RunRow:
    """Return the run that was named, or the newest that changes things, or the newest."""
    found = JournalReader(config.state_dir).runs()
    if options.run is not None:
        found = [run for run in found if run.id == options.run]
        if not found:
            raise UsageError(f"there is no run {options.run}", remedy="List them: airferry runs")
    if not found:
        raise UsageError("there were no runs yet", remedy="Start one: airferry install")
    return next((run for run in found if run.kind in CHANGING), found[0])


def _run_record(run: RunRow, config: Config) -> dict[str, object]:
    return {
        "run": run.id,
        "kind": run.kind,
        "mode": run.mode,
        "state": true_state(run, config.state_dir).value,
        "started": run.started,
        "seconds": round(run.seconds, 2),
    }
