"""How far a run is: one fraction from the journal's numbers, its rate, and the time left.

Each task counts a little for being there, and more by the bytes that it moves; what it will move
is known from the dry run before (Review) until the task itself knows better.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.engine.journal import ENDED_WELL, State, TaskRow
from core.engine.report import Target
from core.engine.request import PLANS
from tui.model.site import RunSnapshot, Site

BYTES_PER_STEP = 8_000_000
MIN_FRACTION_FOR_ESTIMATE = 0.05
MIN_SECONDS_FOR_ESTIMATE = 5.0
Planned = Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class Progress:
    """A run's progress; rate in bytes per second.

    Args:
        fraction: The part of the job that is done.
        over: The part that nothing more will happen to: done, failed or not tried.
    """

    fraction: float
    over: float
    bytes_done: int
    bytes_total: int
    rate: float


def progress_of(tasks: Iterable[TaskRow], planned: Planned | None = None) -> Progress:
    """Return how far a run is.

    Args:
        tasks: Its tasks.
        planned: Bytes that the dry run before expected, by target and step.
    """
    weight_done = weight_over = weight_all = rate = 0.0
    bytes_done = bytes_total = 0
    for task in tasks:
        expected = (planned or {}).get((task.target, task.step), 0)
        over = task.state not in (State.RUNNING, State.WAITING)
        total = task.bytes_done if over else max(task.bytes_total, expected)
        weight = 1 + max(task.bytes_total, expected) / BYTES_PER_STEP
        part = task.bytes_done / total if total else 0.0
        weight_done += weight * (1.0 if task.state in ENDED_WELL else part)
        weight_over += weight * (1.0 if over else part)
        weight_all += weight
        rate += task.rate
        bytes_done += task.bytes_done
        bytes_total += total
    every = weight_all or 1.0
    return Progress(weight_done / every, weight_over / every, bytes_done, bytes_total, rate)


def planned_bytes(site: Site, run: int) -> dict[tuple[str, str], int]:
    """Return what the newest dry run before a run expected to be moved."""
    reader = site.reader
    for row in reader.runs():
        if row.id < run and row.kind in PLANS:
            return {(task.target, task.step): task.bytes_total for task in reader.tasks(row.id)}
    return {}


def seconds_left(snapshot: RunSnapshot, progress: Progress) -> float | None:
    """Return about how long a run will still take; None while it is paused, or that is not known.

    The time in which it was paused says nothing of how fast it is.
    """
    seconds, over = snapshot.run.worked_s, progress.over
    known = over >= MIN_FRACTION_FOR_ESTIMATE and seconds >= MIN_SECONDS_FOR_ESTIMATE
    if snapshot.ended or snapshot.paused or not known:
        return None
    return seconds * (1 - over) / over


_WORDS = {
    State.RUNNING: "at work",
    State.PRESENT: "done",
    State.BLOCKED: "not tried",
    State.MISSING: "done",
}


def word_of(state: State) -> str:
    """Return what the screens call a state of a target."""
    return _WORDS.get(state, state.value)


def tally(targets: Iterable[Target]) -> str:
    """Return how many targets are in which state: `3 done  1 at work  1 failed`."""
    found = Counter(word_of(target.state) for target in targets)
    order = ("done", "at work", "waiting", "failed", "not tried", "cancelled", "interrupted")
    return "  ".join(f"{found[word]} {word}" for word in order if found[word])
