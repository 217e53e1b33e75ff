"""Carrying out a plan: targets side by side, the steps of one target in order.

Every step is check, apply, check. What can pass by itself is tried again with growing pauses; what
can't is reported at once. A host that fails stops only itself; a step of the DU that fails stops
what needs it. Progress goes to the journal twice a second, whatever its pace.
"""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from core.engine.journal import ENDED_WELL, Journal, LogLine, State, TaskRow
from core.errors import AirferryError, Cancelled, InternalError, LocalFilesError, StillMissing
from core.steps.base import Need, Step, VerifyStep

FLUSH_S = 0.5
FIRST_PAUSE_S = 1.0
RATE_WINDOW_S = 5.0


class TaskTeller:
    """What a step tells, kept until the next flush. Called from any thread."""

    def __init__(self, row: TaskRow, lines: deque[LogLine]) -> None:
        self.row = row
        self.changed = False
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

    def warn(self, text: str) -> None:
        """Add a warning to the log and show it."""
        self._add("warning", text)

    def error(self, error: AirferryError) -> None:
        """Add an error to the log."""
        self._add("error", f"{error.what} [{error.code}]")
        if error.details.strip():
            self._add("error", error.details.strip())

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


@dataclass
class _Task:
    step: Step
    teller: TaskTeller
    applied: bool = False
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def state(self) -> State:
        return self.teller.row.state


class Runner:
    """One run of a plan.

    Args:
        steps: The plan.
        journal: Where everything is written.
        run: The run's id.
        dry: Only check; nothing is applied.
        at_once: How many hosts may be at work at a time.
    """

    def __init__(
        self, steps: Iterable[Step], journal: Journal, run: int, *, dry: bool, at_once: int
    ) -> None:
        self._journal = journal
        self._run = run
        self._dry = dry
        self._lines: deque[LogLine] = deque()
        self._gate = asyncio.Semaphore(at_once)
        self._tasks: dict[tuple[str, str], _Task] = {}
        for step in steps:
            row = TaskRow(step.target, step.id, step.title)
            self._tasks[step.target, step.id] = _Task(step, TaskTeller(row, self._lines))

    async def run(self) -> State:
        """Carry out the plan and return how the run ended.

        Raises:
            asyncio.CancelledError: it was cancelled; the journal says so already.
        """
        self._journal.add_tasks(self._run, [task.teller.row for task in self._tasks.values()])
        flushing = asyncio.create_task(self._flush_forever())
        try:
            async with asyncio.TaskGroup() as group:
                for target in dict.fromkeys(target for target, _ in self._tasks):
                    group.create_task(self._run_target(target))
        except asyncio.CancelledError:
            self._mark_cancelled()
            raise
        except ExceptionGroup as group:
            if group.subgroup(Cancelled) is None:
                raise
            self._mark_cancelled()
            raise asyncio.CancelledError from group
        finally:
            flushing.cancel()
            self._flush()
        ended_well = all(task.state in ENDED_WELL for task in self._tasks.values())
        return State.DONE if ended_well else State.FAILED

    async def _run_target(self, target: str) -> None:
        blocked_by = ""
        for (owner, step_id), task in self._tasks.items():
            if owner != target:
                continue
            blocked_by = blocked_by or await self._unmet_need(task.step.needs)
            if blocked_by:
                self._block(task, blocked_by)
                continue
            async with self._gate:
                await self._run_task(task)
            if task.state not in ENDED_WELL:
                blocked_by = step_id
            task.finished.set()

    async def _unmet_need(self, needs: Iterable[Need]) -> str:
        """Wait for steps of other targets; return the one that failed, if any."""
        for need in needs:
            other = self._tasks.get((need.target, need.step_id))
            if other is None:
                continue
            await other.finished.wait()
            if other.state not in ENDED_WELL:
                return f"{need.target}: {need.step_id}"
        return ""

    def _block(self, task: _Task, blocked_by: str) -> None:
        task.teller.say(f"not tried, because {blocked_by} failed")
        task.teller.set_state(State.BLOCKED)
        task.finished.set()

    async def _run_task(self, task: _Task) -> None:
        teller, row = task.teller, task.teller.row
        teller.set_state(State.RUNNING)
        tries, moved_bytes, pause_s = 0, 0, FIRST_PAUSE_S
        while True:
            row.attempt += 1
            tries += 1
            try:
                teller.set_state(await self._try(task))
                return
            except AirferryError as error:
                teller.error(error)
                if isinstance(error, Cancelled):
                    raise  # ends the group of all targets: one of them alone is never cancelled
                if row.bytes_done > moved_bytes:
                    tries, moved_bytes, pause_s = 1, row.bytes_done, FIRST_PAUSE_S
                if not error.transient or tries >= task.step.attempts or self._dry:
                    self._fail(task, error)
                    return
                teller.say(f"retry {row.attempt}: {error.what}")
            await asyncio.sleep(pause_s * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
            pause_s *= 2

    async def _try(self, task: _Task) -> State:
        """Check, apply, check; foreign errors become ours at this boundary."""
        step, teller = task.step, task.teller
        try:
            missing = await step.check(teller)
            if missing is None:
                return State.DONE if task.applied else State.PRESENT
            if self._dry and not isinstance(step, VerifyStep):
                teller.row.bytes_total = missing.size_bytes
                teller.say(missing.what)
                return State.MISSING
            teller.log(f"missing: {missing.what}")
            teller.bytes(0, missing.size_bytes)
            task.applied = True
            await step.apply(missing, teller)
            still = await step.check(teller)
        except BaseExceptionGroup as group:
            raise _first_of_ours(group) from group
        except (AirferryError, asyncio.CancelledError):
            raise
        except OSError as error:
            raise LocalFilesError(f"{error.filename or step.id}: {error.strerror}") from error
        except Exception as error:
            teller.log(traceback.format_exc())
            raise InternalError(f"{type(error).__name__}: {error}") from error
        if still is not None:
            raise StillMissing(f"still missing: {still.what}", remedy=still.remedy)
        return State.DONE

    def _fail(self, task: _Task, error: AirferryError) -> None:
        row = task.teller.row
        row.error_code, row.error, row.remedy = error.code, error.what, error.remedy
        task.teller.say(error.what)
        task.teller.set_state(State.FAILED)

    def _mark_cancelled(self) -> None:
        for task in self._tasks.values():
            if task.state in (State.WAITING, State.RUNNING):
                task.teller.set_state(State.CANCELLED)

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            now = time.monotonic()
            for task in self._tasks.values():
                task.teller.measure(now)
            self._flush()

    def _flush(self) -> None:
        changed = [task.teller for task in self._tasks.values() if task.teller.changed]
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if not changed and not lines:
            return
        for teller in changed:
            teller.changed = False
        self._journal.save(self._run, [teller.row for teller in changed], lines)


def _first_of_ours(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error of a task group that says most: one of ours that will not pass by itself."""
    leaves = list(_leaves(group))
    ours = [leaf for leaf in leaves if isinstance(leaf, AirferryError)]
    lasting = [error for error in ours if not error.transient]
    for candidate in (*lasting, *ours):
        return candidate
    return InternalError(f"{type(leaves[0]).__name__}: {leaves[0]}")


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterable[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
