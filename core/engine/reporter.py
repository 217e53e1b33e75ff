"""What the steps of a run tell, on its way into the journal."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from itertools import islice

from core.engine.journal import LogLine, State, TaskRow
from core.errors import AirferryError
from core.telling import LEFT_OUT, MOST_PARTICULARS, PARTICULAR, Detail, particulars_text
from core.warnings import Warned

RATE_WINDOW_S = 5.0


class TaskReporter:
    """What a step tells, kept until the next flush. Called from any thread."""

    def __init__(self, row: TaskRow, lines: deque[LogLine]) -> None:
        self.row = row
        self.changed = False
        self.left_out: frozenset[Detail] = frozenset()
        self._lines = lines
        self._fact = ""
        self._samples: deque[tuple[float, int]] = deque(maxlen=64)

    def bytes(self, done: int, total: int) -> None:
        """Note progress; it never falls, also not when a try is repeated."""
        self.row.bytes_done = max(self.row.bytes_done, done)
        self.row.bytes_total = max(self.row.bytes_total, total, self.row.bytes_done)
        self.changed = True

    def say(self, message: str) -> None:
        """Note what is being done."""
        self.row.message = message
        self.changed = True

    def found(self, fact: str) -> None:
        """Keep what is to be shown when the step has ended well."""
        self._fact = fact

    def log(self, text: str) -> None:
        """Add a line to the log."""
        self._add("info", text)

    def facts(self, known: Iterable[tuple[str, str]]) -> None:
        """Add what is so of the target to the log, as one entry: there may be hundreds of hosts."""
        self._add("fact", "\n".join(f"{name}: {value}" for name, value in known))

    def particulars(self, found: Iterable[Detail]) -> None:
        """Add what was found one by one to the log, as one entry; of very many the first ones."""
        told = list(found)
        self.left_out = frozenset(one for one in told if one.what == LEFT_OUT)
        text = particulars_text(islice(told, MOST_PARTICULARS))
        if text:
            self._add(PARTICULAR, text)

    def warn(self, warning: Warned) -> None:
        """Put a warning beside the step, and into the log; once, however often it is told."""
        if warning in self.row.warnings:
            return
        self.row.warnings = (*self.row.warnings, warning)
        self.changed = True
        self._add("warning", warning.text)

    def error(self, error: AirferryError) -> None:
        """Add an error to the log."""
        self._add("error", f"{error.what} [{error.code}]")
        if error.details.strip():
            self._add("error", error.details.strip())

    def begin_try(self) -> None:
        """Note that it is tried, once more: what was warned of before is found again, or over."""
        self.row.attempt += 1
        self.row.warnings = ()
        self.set_state(State.RUNNING)

    def set_state(self, state: State) -> None:
        """Note a new state, with the time."""
        self.row.state = state
        self.changed = True
        if state is State.RUNNING and self.row.started is None:
            self.row.started = time.time()
        if state not in (State.RUNNING, State.WAITING):
            self.row.ended = time.time()
            self.row.rate = 0.0
        if state in (State.DONE, State.PRESENT):
            self.row.message = self._fact

    def begin_anew(self) -> None:
        """Forget how it failed: it is going to be tried again."""
        row = self.row
        row.state, row.ended = State.WAITING, None
        row.message = row.error_code = row.error = row.remedy = ""
        self.log("tried again, because somebody asked for it")
        self.changed = True

    def measure(self, now: float) -> None:
        """Work out the rate over the last seconds."""
        if self.row.state is not State.RUNNING:
            return
        self._samples.append((now, self.row.bytes_done))
        while now - self._samples[0][0] > RATE_WINDOW_S:
            self._samples.popleft()
        elapsed = now - self._samples[0][0]
        rate = (self.row.bytes_done - self._samples[0][1]) / elapsed if elapsed else 0.0
        if rate != self.row.rate:
            self.row.rate = rate
            self.changed = True

    def _add(self, level: str, text: str) -> None:
        self._lines.append(LogLine(0, time.time(), self.row.target, self.row.step, level, text))
