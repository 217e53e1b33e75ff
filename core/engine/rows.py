"""The rows of the journal: runs, their tasks and the entries of their logs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum

from core.warnings import Warned


class State(StrEnum):
    """How a task, a target or a run fares."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    PARTIAL = "partial"
    """Of a run: all is done but for what was left out of bundles, as was asked for."""
    PRESENT = "present"
    MISSING = "missing"
    FAILED = "failed"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def went_well(self) -> bool:
        """Whether a run did all that it was to do."""
        return self in (State.DONE, State.PARTIAL)


EXIT_CODES = {
    State.DONE: 0,
    State.FAILED: 1,
    State.INTERRUPTED: 1,
    State.PARTIAL: 3,
    State.CANCELLED: 130,
}
"""What a command that made a run ends with, by how the run ended."""
ENDED_WELL = frozenset({State.DONE, State.PARTIAL, State.PRESENT, State.MISSING})


@dataclass
class TaskRow:
    """One step on one target. Sizes in bytes, rate in bytes per second, times since the epoch.

    `warnings` is what it warned of, in its last try.
    """

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
    warnings: tuple[Warned, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it took, or has taken until now."""
        return 0.0 if self.started is None else _elapsed_s(self.started, self.ended)


@dataclass(frozen=True)
class RunRow:
    """One run.

    `paused` is since when it is held, None if it is not; `paused_s` for how long it was before.
    `warnings` are of the site as a whole, not of a step.
    """

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
    paused: float | None = None
    paused_s: float = 0.0
    warnings: tuple[Warned, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it took, or has taken until now."""
        return _elapsed_s(self.started, self.ended)

    @property
    def worked_s(self) -> float:
        """The same without the time in which it was held: what a rate is to be counted by."""
        now_s = 0.0 if self.paused is None else _elapsed_s(self.paused, self.ended)
        return max(0.0, self.seconds - self.paused_s - now_s)


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
