"""The lines of the Run and One host screens."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.text import Text

from core.engine.journal import ENDED_WELL, LogLine, State, TaskRow
from core.engine.report import LOOKS, Target, clock, count, sign, size, targets_of
from tui.findings import THIS_MACHINE
from tui.progress import Progress, progress_of, seconds_left, tally
from tui.site import Snapshot
from tui.text import bar, fit, safe, signed, time_of_day, wrapped

HEADING = f"    {'host':<15}{'step':<18}{'time':>6}  what"
LOG_WIDTH, MAX_LOG_ROWS = 65, 60
_QUIET = (State.DONE, State.PRESENT, State.MISSING)


def name_of(target: str) -> str:
    """Return how a target is called on the screen."""
    return "this machine" if target == THIS_MACHINE else target


def top_line(snapshot: Snapshot, progress: Progress) -> str:
    """Return the line about the run as a whole."""
    run = snapshot.run
    left = seconds_left(snapshot, progress)
    about = f", about {_minutes(left)} left" if left is not None else ""
    state = "" if not snapshot.ended else f"   {snapshot.state.value}"
    what = f"run {run.id}   {run.kind}   mode {safe(run.mode, 20)}{state}"
    return f"{fit(what, 50)}{f'{clock(run.seconds)}{about}':>26}"


def bar_line(snapshot: Snapshot, progress: Progress) -> str:
    """Return the bar with its numbers."""
    percent = 100 if snapshot.state is State.DONE else min(99, int(100 * progress.fraction))
    rate = "" if snapshot.ended else f"{size(progress.rate)}/s"
    return f"{bar(percent / 100, 40)} {percent:>3} %   {size(progress.bytes_done):>9}   {rate}"


def tally_line(snapshot: Snapshot) -> str:
    """Return how many hosts are in which state, and how many steps are over."""
    hosts = [t for t in targets_of(snapshot.tasks) if t.name != THIS_MACHINE]
    over = sum(t.state not in (State.WAITING, State.RUNNING) for t in snapshot.tasks)
    steps = f"{over} of {count(len(snapshot.tasks), 'step')}"
    words = f"{count(len(hosts), 'host')}:  {tally(hosts)}" if hosts else "no hosts"
    return f"{fit(words, 56)}{steps:>20}"


def target_line(target: Target) -> Text:
    """Return a target's line of the table."""
    task = target.current
    state = target.state
    moving = task.state is State.RUNNING and task.bytes_total
    moved = f"{100 * task.bytes_done // task.bytes_total:>2} %  " if moving else ""
    moved += f"{size(task.rate)}/s  " if moving else ""
    step = state.value
    if state not in _QUIET and state is not State.WAITING:
        step = f"{task.title} {target.tasks.index(task) + 1}/{len(target.tasks)}"
    rest = (
        f"{fit(name_of(target.name), 14)} {fit(step, 17)} "
        f"{clock(target.seconds):>6}  {moved}{_words(target, task)}"
    )
    return signed(sign(state), rest)


def _words(target: Target, task: TaskRow) -> str:
    if target.nothing_to_do:
        return "nothing to do"
    if target.state in ENDED_WELL:
        return f"{size(target.bytes_done)} moved"
    if task.state is State.WAITING:
        return "waits for its turn"
    return safe(said_of(task), 200)


def said_of(task: TaskRow) -> str:
    """Return what a task says, without the name of its target, which stands beside it anyway."""
    words = task.error or task.message
    where = re.compile(rf"^(retry \d+: )?{re.escape(task.target)}( \(\S+\))?:? ")
    return where.sub(lambda found: found[1] or "", words)


def step_lines(target: Target) -> list[Text]:
    """Return the steps of one target."""
    lines = []
    for number, task in enumerate(target.tasks, 1):
        moved = ""
        if task.bytes_total and task.state is State.RUNNING:
            moved = f"{100 * task.bytes_done // task.bytes_total} %  {size(task.rate)}/s  "
        elif task.bytes_done:
            moved = f"{size(task.bytes_done)}  "
        tries = f"(try {task.attempt}) " if task.attempt > 1 else ""
        spent = clock(task.seconds) if task.started else ""
        words = task.state.value
        if task.state is State.PRESENT:
            looked = task.step in LOOKS or task.step.endswith(".verify")
            words = "ok" if looked else "nothing to do"
        said = "" if task.state is State.WAITING or task.error else said_of(task)
        rest = f"{number} {fit(task.title, 15)} {fit(words, 13)} {spent:>5}  "
        lines.append(signed(sign(task.state), f"{rest}{moved}{tries}{safe(said, 200)}"))
    return lines


def log_rows(lines: Sequence[LogLine]) -> list[Text]:
    """Return lines of the log; those of several lines take as many."""
    found = []
    for line in lines:
        style = {"warning": "yellow", "error": "red"}.get(line.level, "")
        mark = {"warning": "! ", "error": "x "}.get(line.level, "  ")
        for number, part in enumerate(wrapped(line.text, LOG_WIDTH, "  ")[:MAX_LOG_ROWS]):
            at = time_of_day(line.at) if number == 0 else " " * 8
            found.append(Text.assemble(at, " ", (mark + part, style)))
            mark = "  "
    return found


def host_heading(target: Target, run: int) -> str:
    """Return the line about one target."""
    progress = progress_of(target.tasks)
    words = f"{name_of(target.name)}   run {run}   {target.state.value}"
    percent = "" if target.state in ENDED_WELL else f"{int(100 * progress.fraction)} %   "
    return f"{fit(words, 56)}{percent + clock(target.seconds):>20}"


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min"
