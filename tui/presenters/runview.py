"""The lines of the Run and One host screens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

from core.engine.causes import without_target
from core.engine.journal import ENDED_WELL, LogLine, State, TaskRow
from core.engine.report import LOOKS, Target, clock, fares_words, said_in, sign, targets_of
from core.warnings import title_of
from core.words import count, size
from tui.model.overview import THIS_MACHINE
from tui.model.progress import Progress, progress_of, seconds_left, tally
from tui.model.site import RunSnapshot
from tui.terminal.text import bar, fit, safe, signed, sparkline, time_of_day, wrapped

_COLUMNS = f"    {'host':<13}{'step':<17}{'done':>5} {'rate':>9} {'time':>6}  what"
LOG_WIDTH, MAX_LOG_ROWS = 65, 60
MAX_WARNED_LINES = 4
_QUIET = (State.DONE, State.PRESENT, State.MISSING)


def name_of(target: str) -> str:
    """Return how a target is called on the screen."""
    return "this machine" if target == THIS_MACHINE else target


def top_line(snapshot: RunSnapshot, progress: Progress) -> str:
    """Return the line about the run as a whole."""
    run = snapshot.run
    left = seconds_left(snapshot, progress)
    about = f", about {about_time(left)} left" if left is not None else ""
    over = sum(t.state not in (State.WAITING, State.RUNNING) for t in snapshot.tasks)
    steps = f"{over} of {count(len(snapshot.tasks), 'step')}"
    fares = fares_words(run, snapshot.state) if snapshot.ended else steps
    if snapshot.paused:
        fares = "PAUSED"
    what = f"run {run.id}   {run.kind}   mode {safe(run.mode, 20)}   {fares}"
    return f"{fit(what, 50)}{f'{clock(run.seconds)}{about}':>26}"


def bar_line(snapshot: RunSnapshot, progress: Progress, rates: Sequence[float] = ()) -> str:
    """Return the bar with its numbers.

    Args:
        snapshot: The run.
        progress: How far it is.
        rates: Bytes per second of the last looks, for a curve; none where there is to be none.
    """
    percent = 100 if snapshot.state.went_well else min(99, int(100 * progress.fraction))
    done, total = size(progress.bytes_done), size(progress.bytes_total)
    moved = f"{done} of {total}" if progress.bytes_total else ""
    if snapshot.ended:
        moved = done
    rate = "" if snapshot.ended else f"{size(progress.rate)}/s"
    if snapshot.paused and not progress.rate:
        rate = "p: go on"
    curve = f"  {sparkline(rates)}" if rates and not snapshot.ended else ""
    return f"{bar(percent / 100, 26)} {percent:>3} %  {moved:<19} {rate:>10}{curve}"


def heading(order: str) -> str:
    """Return the heading of the table, and what it is sorted by."""
    return f"{_COLUMNS}{f'by {order}':>15}"


def tally_line(snapshot: RunSnapshot, services: str) -> str:
    """Return how many hosts are in which state, and how registry and tunnels fare."""
    hosts = [t for t in targets_of(snapshot.tasks) if t.name != THIS_MACHINE]
    words = f"{count(len(hosts), 'host')}:  {tally(hosts)}" if hosts else "no hosts"
    return f"{fit(words, 76 - len(services))}{services}"


def target_line(target: Target) -> Text:
    """Return a target's line of the table."""
    task = target.current
    state = target.state
    moving = task.state is State.RUNNING and task.bytes_total
    done = f"{min(99, 100 * task.bytes_done // task.bytes_total)} %" if moving else ""
    rate = f"{size(task.rate)}/s" if moving and task.rate else ""
    step = state.value
    if state not in _QUIET and state is not State.WAITING:
        step = f"{fit(task.title, 12).rstrip()} {target.tasks.index(task) + 1}/{len(target.tasks)}"
    if state in ENDED_WELL and target.bytes_done:
        rate = size(target.bytes_done)
    rest = (
        f"{fit(name_of(target.name), 12)} {fit(step, 16)} {done:>5} {rate:>9} "
        f"{clock(target.seconds):>6}  {_words(target, task)}"
    )
    return signed(sign(state), rest)


def _words(target: Target, task: TaskRow) -> str:
    if target.state in ENDED_WELL:
        warned = [title_of(w.code) or w.what for task in target.tasks for w in task.warnings]
        words = ["nothing to do"] if target.nothing_to_do else []
        return safe("; ".join([*words, *dict.fromkeys(f"! {title}" for title in warned)]), 200)
    if task.state is State.WAITING:
        return "waits for its turn"
    return safe(said_of(task), 200)


def said_of(task: TaskRow) -> str:
    """Return what a task says, without the name of its target, which stands beside it anyway."""
    return without_target(task.error or task.message, task.target)


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
        lines.append(signed(_step_sign(task), f"{rest}{moved}{tries}{safe(said, 200)}"))
    return lines


def warned_lines(tasks: Iterable[TaskRow], width: int = 76) -> list[Text]:
    """Return the warnings of one target: one in full; of several what they are."""
    warned = [warning for task in tasks for warning in task.warnings]
    lines: list[Text] = []
    for warning in warned:
        first, *rest = wrapped(f"{warning.what} [{warning.code}]", width - 2)
        lines += [signed("!", first), *(Text(f"  {part}") for part in rest[:1])]
    if len(warned) == 1:
        lines += [Text(f"  {part}") for part in wrapped(warned[0].remedy, width - 2)[:2]]
    return lines[:MAX_WARNED_LINES]


def _step_sign(task: TaskRow) -> str:
    """Return the sign of a step; one that was not tried is not the one that failed."""
    return "." if task.state is State.BLOCKED else sign(task.state)


def log_rows(lines: Sequence[LogLine]) -> list[Text]:
    """Return lines of the log; those of several lines take as many."""
    found = []
    for line in lines:
        style = {"warning": "yellow", "error": "red"}.get(line.level, "")
        mark = {"warning": "! ", "error": "x "}.get(line.level, "  ")
        for number, part in enumerate(wrapped(said_in(line), LOG_WIDTH, "  ")[:MAX_LOG_ROWS]):
            at = time_of_day(line.at) if number == 0 else " " * 8
            found.append(Text.assemble(at, " ", (mark + part, style)))
            mark = "  "
    return found


def beside_lines(target: Target, width: int = 40) -> list[Text]:
    """Return what a wide terminal shows beside the table: a target's steps, and what is wrong."""
    lines = [Text(name_of(target.name), "bold"), Text()]
    for task in target.tasks:
        spent = clock(task.seconds) if task.started else ""
        lines.append(signed(_step_sign(task), f"{fit(task.title, 16)} {spent:>6}"))
    for task in target.tasks:
        if task.error_code:
            lines += [Text(), *(Text(part, "bold") for part in wrapped(said_of(task), width))]
            lines.append(Text(f"[{task.error_code}]"))
            lines += [Text(part) for part in wrapped(task.remedy, width)]
    if not any(task.error_code for task in target.tasks):
        said = said_of(target.current)
        lines += [Text(), *(Text(part) for part in wrapped(said, width))]
    return lines


def host_heading(target: Target, run: int) -> str:
    """Return the line about one target."""
    progress = progress_of(target.tasks)
    words = f"{name_of(target.name)}   run {run}   {target.state.value}"
    percent = "" if target.state in ENDED_WELL else f"{int(100 * progress.fraction)} %   "
    return f"{fit(words, 56)}{percent + clock(target.seconds):>20}"


def about_time(seconds: float) -> str:
    """Return about how long something takes: `40 s`, `9 min`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min"
