"""How fast a registry is asked: as fast as it goes, until it says that this is too fast.

A registry that allows ten requests a second answers 429 to the eleventh. All who ask it share one
pace: who is refused slows everybody down, and what is answered well lets it grow again, slowly.
Nothing waits as long as nothing was refused.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

TOO_FAST = frozenset({429, 503})
LONGEST_WAIT_S = 600.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0
MOST_REFUSALS = 20
MOST_UNASKED = 6
MOST_STUMBLES = 3
_POLL_S = 0.1
_SECOND = 1.0
_FIRST_S = 0.2
_RESTED_S = 0.25
SLOWEST_S = 2.0
_UNNOTICED_S = 0.004
_FASTER = 0.98


class Pace:
    """The pace of all requests to one server; used by several threads at once.

    Args:
        go_on: Called again and again while somebody waits; raises to end that.
        clock: The time in seconds.
    """

    def __init__(
        self, go_on: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._go_on = go_on
        self._clock = clock
        self._lock = threading.Lock()
        self._interval_s = 0.0
        self._next_s = 0.0
        self._closed_s = 0.0
        self._slowed_s = 0.0
        self._is_free = True
        self._sent: deque[float] = deque(maxlen=200)

    @property
    def is_slowed(self) -> bool:
        """Whether the registry has refused something for being asked too fast."""
        return not self._is_free

    def wait(self) -> None:
        """Wait for the turn of a request."""
        self._sent.append(self._clock())
        if self._is_free:
            return
        turn_s = self._turn()
        while (now_s := self._clock()) < turn_s or now_s < self._closed_s:
            if now_s >= turn_s:
                turn_s = self._turn()  # the registry asked for a longer rest meanwhile
                continue
            self._go_on()
            time.sleep(min(turn_s - now_s, _POLL_S))

    def _turn(self) -> float:
        with self._lock:
            turn_s = max(self._next_s, self._clock())
            self._next_s = turn_s + self._interval_s
            return turn_s

    def refused(self, wait_s: float) -> None:
        """Note that a request was refused; no other goes out for so long, in seconds."""
        with self._lock:
            now_s = self._clock()
            if now_s >= self._slowed_s:  # those who were refused at once count once
                lately = sum(now_s - sent_s <= _SECOND for sent_s in tuple(self._sent))
                first_s = min(2 * _SECOND / max(lately, 1), _FIRST_S)
                # Who rests as long as asked needs little more: the rest slows all down as well.
                slowest_s = SLOWEST_S if wait_s < _SECOND else min(SLOWEST_S, _RESTED_S)
                self._interval_s = min(max(2 * self._interval_s, first_s), slowest_s)
                self._slowed_s = now_s + max(wait_s, _SECOND)
            self._closed_s = max(self._closed_s, now_s + wait_s)
            self._next_s = max(self._next_s, self._closed_s)
            self._is_free = False

    def taken(self) -> None:
        """Note that a request was not refused."""
        if self._is_free:
            return
        with self._lock:
            if self._clock() < self._slowed_s:
                return
            self._interval_s *= _FASTER
            if self._interval_s < _UNNOTICED_S:
                self._interval_s, self._is_free = 0.0, True


def asked_wait_s(headers: Mapping[str, str]) -> float | None:
    """Return for how long an answer asks to be left alone (`Retry-After`), if it does.

    A time of day is taken by the clock of who says it, where the answer tells that.
    """
    said = headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdigit():
        return float(min(int(said[:12]), 10**9))
    until, now = _time_of(said), _time_of(headers.get("Date", ""))
    if until is None:
        return None
    return max(0.0, until - (time.time() if now is None else now))


def pause_of(status: int, headers: Mapping[str, str], number: int, waited_s: float) -> float | None:
    """Return how long to wait before a request is sent again; None if it is not to be.

    Args:
        status: What it was answered with.
        headers: The answer's headers.
        number: How often it was refused before.
        waited_s: How long it was waited for already because it was asked for.
    """
    if status not in TOO_FAST:
        return None
    asked_s = asked_wait_s(headers)
    if asked_s is not None:
        may_wait = waited_s + asked_s <= LONGEST_WAIT_S and number < MOST_REFUSALS
        return asked_s if may_wait else None
    if number >= (MOST_UNASKED if status == 429 else MOST_STUMBLES):
        return None
    return min(FIRST_PAUSE_S * 2.0**number, LONGEST_PAUSE_S)


def _time_of(said: str) -> float | None:
    try:
        return parsedate_to_datetime(said).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
