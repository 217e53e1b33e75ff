"""How long a step is tried again: with growing pauses, as long as it may pass by itself."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from core.errors import AirferryError

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 15.0
LONGEST_REST_S = 600.0


@dataclass(frozen=True)
class Reached:
    """How far a step has come; a try that ends further on has led somewhere.

    Args:
        moved_bytes: What was moved at most in one try.
        left_bytes: What the last look found missing: what was moved may be lost again with a try.
    """

    moved_bytes: int = 0
    left_bytes: float = math.inf


class RetryPolicy:
    """The tries of one step.

    A try that got further than all before it makes a new beginning: a long job over a bad line
    ends, though the line is lost now and then. Each kind of error has a time of its own: a host
    that was away for minutes may then need another one until its Docker answers.

    Args:
        limit_s: How long this step is tried at most without getting any further.
        clock: The time in seconds; it may stand still while nothing is tried.

    Attributes:
        spent_s: For how long it had been tried in vain when it was last asked.
        left_s: For how long it goes on like this from then on, if nothing gets any further.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._reached = Reached()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._tries = self._tries_of_kind = _Span(0.0)
        self._code = ""
        self._longest_s = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._rested_s = 0.0
        self.spent_s = self.left_s = 0.0

    def next_pause_s(
        self, error: AirferryError, reached: Reached, patience_s: float
    ) -> float | None:
        """Return for how long to wait before the next try; None when there shall be none.

        A rest that was asked for (`wait_s`) is kept, and not counted as a try that led nowhere.

        Args:
            error: What the last try ended with.
            reached: How far it got.
            patience_s: For how long such an error is tried again.
        """
        if self._is_further(reached):
            self._begin_anew()
        now = self._clock()
        if not self._code:
            self._tries = _Span(now)
        if error.code != self._code:
            self._code = error.code
            self._tries_of_kind = _Span(now)
        self._longest_s = max(self._longest_s, patience_s)
        pause_s = self._pause_s
        in_all_s = self._tries.spent_s(now) + pause_s
        of_kind_s = self._tries_of_kind.spent_s(now) + pause_s
        most_s = min(self._limit_s, self._longest_s)
        too_long = in_all_s > most_s or of_kind_s > patience_s
        self.spent_s = in_all_s - pause_s
        self.left_s = min(most_s - self.spent_s, patience_s - (of_kind_s - pause_s))
        if not error.transient or too_long:
            return None
        rest_s = max(0.0, error.wait_s - pause_s)
        self._rested_s += rest_s
        if self._rested_s > LONGEST_REST_S:
            return None
        self._tries.since += rest_s
        self._tries_of_kind.since += rest_s
        self._tries.waited_s += pause_s
        self._tries_of_kind.waited_s += pause_s
        self._pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        return rest_s + pause_s * random.uniform(0.8, 1.2)  # noqa: S311 - jitter

    def _is_further(self, reached: Reached) -> bool:
        """Whether a try got further than all before; the first look is no way made."""
        best = self._reached
        self._reached = Reached(
            max(best.moved_bytes, reached.moved_bytes), min(best.left_bytes, reached.left_bytes)
        )
        fewer_left = best.left_bytes < math.inf and reached.left_bytes < best.left_bytes
        return reached.moved_bytes > best.moved_bytes or fewer_left


@dataclass
class _Span:
    """The time since a failure; no less than what was waited."""

    since: float
    waited_s: float = 0.0

    def spent_s(self, now: float) -> float:
        return max(self.waited_s, now - self.since)
