"""Carrying out a plan: targets side by side, the steps of one target in order.

Every step is check, apply, check. What can pass by itself is tried again with growing pauses; what
can't is reported at once. Before a step is tried again, the earlier ones that it stands on are
asked again: a host that was rebooted may lack its tunnel, a registry may have died. A host that
fails stops only itself, one that waits takes nobody's place; a step of the DU that fails stops what
needs it. Progress goes to the journal twice a second, whatever its pace.

A run that is held begins no step, and lets none go on from looking to changing; what was found
missing is asked for again afterwards. The time in which it was held tries nobody's patience.
"""

from __future__ import annotations

import asyncio
import math
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from core.engine.journal import ENDED_WELL, Journal, LogLine, State, TaskRow
from core.engine.reporter import TaskReporter
from core.engine.retry_policy import Reached, RetryPolicy
from core.errors import (
    AirferryError,
    Cancelled,
    InternalError,
    LocalFilesError,
    StillMissing,
    of_local_files,
)
from core.pause import Pause
from core.steps.base import DU, Need, Step, VerifyStep
from core.telling import RUN_PAUSED, RUN_RESUMED, Detail

FLUSH_S = 0.5
FRESH_S = 1.0  # so long nobody asks again what another has just asked


@dataclass
class _Task:
    step: Step
    teller: TaskReporter
    applied: bool = False
    left_bytes: float = math.inf
    failed_with: AirferryError | None = None
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def state(self) -> State:
        return self.teller.row.state

    @property
    def hinders(self) -> bool:
        """Whether what stands on it cannot be done: of bundles, one does not hold up the others."""
        if self.state in ENDED_WELL:
            return False
        return not isinstance(self.failed_with, self.step.passes)


class Runner:
    """One run of a plan, which stands in the journal from now on.

    Args:
        steps: The plan.
        journal: Where everything is written.
        run: The run's id.
        dry: Only check; nothing is applied.
        at_once: How many hosts may be at work at a time.
        pause: What holds it.
        asked: Returns the hosts that somebody wants tried again, each time it is called.
    """

    def __init__(
        self,
        steps: Iterable[Step],
        journal: Journal,
        run: int,
        *,
        dry: bool,
        at_once: int,
        pause: Pause | None = None,
        asked: Callable[[], Iterable[str]] = lambda: (),
    ) -> None:
        self._journal = journal
        self._pause = pause or Pause()
        self._noted_pause = False
        self._run = run
        self._dry = dry
        self._lines: deque[LogLine] = deque()
        self._gate = asyncio.Semaphore(at_once)
        self._asked = asked
        self._at_work: set[str] = set()
        self._all_over = asyncio.Event()
        self._all_over.set()
        self._healing = asyncio.Lock()
        self._healed = -math.inf
        self._tasks: dict[tuple[str, str], _Task] = {}
        for step in steps:
            row = TaskRow(step.target, step.id, step.title)
            self._tasks[step.target, step.id] = _Task(step, TaskReporter(row, self._lines))
        journal.add_tasks(run, [task.teller.row for task in self._tasks.values()])

    async def run(self) -> State:
        """Carry out the plan and return how the run ended.

        Raises:
            asyncio.CancelledError: it was cancelled; the journal says so already.
        """
        try:
            async with asyncio.TaskGroup() as group:
                flushing = group.create_task(self._flush_forever())
                async with asyncio.TaskGroup() as targets:
                    asking = targets.create_task(self._take_up(targets))
                    for target in dict.fromkeys(target for target, _ in self._tasks):
                        self._start(target, targets)
                    await self._all_over.wait()
                    asking.cancel()
                flushing.cancel()
        except asyncio.CancelledError:
            self._mark_cancelled()
            raise
        except ExceptionGroup as group:
            found = _first_of_ours(group)
            if isinstance(found, LocalFilesError):
                self._mark_failed(found)  # the journal cannot be written
            elif isinstance(found, Cancelled):
                self._mark_cancelled()
                raise asyncio.CancelledError from group
            else:
                raise
        finally:
            self._flush()
        if any(task.state not in ENDED_WELL for task in self._tasks.values()):
            return State.FAILED
        return State.PARTIAL if self.left_out else State.DONE

    @property
    def left_out(self) -> frozenset[Detail]:
        """What of the bundles could not be used, though all else was done."""
        return frozenset().union(*(task.teller.left_out for task in self._tasks.values()))

    def _start(self, target: str, group: asyncio.TaskGroup) -> None:
        self._at_work.add(target)
        self._all_over.clear()
        group.create_task(self._run_target(target)).add_done_callback(lambda _: self._over(target))

    def _over(self, target: str) -> None:
        self._at_work.discard(target)
        if not self._at_work:
            self._all_over.set()

    async def _take_up(self, group: asyncio.TaskGroup) -> None:
        """Try hosts again that failed when somebody asks for it, while others are at work."""
        while True:
            await asyncio.sleep(FLUSH_S)
            for target in self._asked():
                failed = [task for task in self._of(target) if task.state not in ENDED_WELL]
                if target == DU or target in self._at_work or not failed:
                    continue
                # What only looks is done again as well: it may see what was mended meanwhile.
                looks = [task for task in self._of(target) if isinstance(task.step, VerifyStep)]
                for task in (*failed, *looks):
                    task.teller.begin_anew()
                    task.finished = asyncio.Event()
                self._start(target, group)

    def _of(self, target: str) -> list[_Task]:
        return [task for (owner, _), task in self._tasks.items() if owner == target]

    async def _run_target(self, target: str) -> None:
        blocked_by = ""
        for (owner, step_id), task in self._tasks.items():
            if owner != target or task.state in ENDED_WELL:
                continue
            blocked_by = blocked_by or await self._unmet_need(task.step.needs)
            if blocked_by:
                self._block(task, blocked_by)
                continue
            await self._run_task(task)
            if task.hinders:
                blocked_by = step_id
            task.finished.set()

    async def _unmet_need(self, needs: Iterable[Need]) -> str:
        """Wait for steps of other targets; return the one that failed, if any."""
        for need in needs:
            other = self._tasks.get((need.target, need.step_id))
            if other is None:
                continue
            await other.finished.wait()
            if other.hinders:
                return f"{need.target}: {need.step_id}"
        return ""

    def _block(self, task: _Task, blocked_by: str) -> None:
        task.teller.say(f"not tried, because {blocked_by} failed")
        task.teller.set_state(State.BLOCKED)
        task.finished.set()

    async def _run_task(self, task: _Task) -> None:
        teller, row = task.teller, task.teller.row
        limit_s = task.step.look_patience_s if self._dry else task.step.patience_s
        patience = RetryPolicy(limit_s, self._pause.clock)
        while True:
            await self._held(task)
            try:
                await self._reach(task)
                async with self._gate:
                    await self._held(task)
                    if row.attempt:
                        await self._heal_before(task)
                    teller.begin_try()
                    teller.set_state(await self._try(task))
                    return
            except AirferryError as caught:
                if isinstance(caught, Cancelled):
                    teller.error(caught)
                    raise  # ends the group of all targets: one of them alone is never cancelled
                error = await task.step.explained(caught)
                teller.error(error)
                reached = Reached(row.bytes_done, task.left_bytes)
                pause_s = patience.next_pause_s(error, reached, task.step.patience_with(error))
                if pause_s is None:
                    self._fail(task, error)
                    return
                teller.say(f"{_how_it_goes_on(patience, pause_s)}: {error.what}")
            await pause(pause_s)

    async def _held(self, task: _Task) -> bool:
        """Wait while the run is held; False if it is not. What the task said is said again."""
        row, said = task.teller.row, task.teller.row.message
        at_work = row.state is State.RUNNING
        if not await self._pause.over(task.teller.say if at_work else _unsaid):
            return False
        if at_work:
            task.teller.say(said)
        return True

    async def _reach(self, task: _Task) -> None:
        """Have the way to the target open before a place is taken: a dead host holds up nobody."""
        if not task.step.is_reached:
            task.teller.set_state(State.RUNNING)
            with _our_errors(task):
                await task.step.reach(task.teller)

    async def _heal_before(self, task: _Task) -> None:
        """Ask the steps that this one stands on again, and do again what is missing by now.

        Those of the DU are asked by one host at a time, and not by each of hundreds.
        """
        async with self._healing:
            if time.monotonic() - self._healed > FRESH_S:
                await self._heal(DU, until=task)
                self._healed = time.monotonic()
        if task.step.target != DU:
            await self._heal(task.step.target, until=task)

    async def _heal(self, target: str, until: _Task) -> None:
        for (owner, _), task in self._tasks.items():
            if task is until:
                return
            if owner == target and task.step.heals and task.state in ENDED_WELL:
                await self._do_again(task)

    async def _do_again(self, task: _Task) -> None:
        """Check a step that has ended well; its row changes only if there was something to do."""
        row = task.teller.row
        before, applied, task.applied = replace(row), task.applied, False
        state = await self._try(task)
        if state is State.DONE:
            row.attempt += 1
            task.teller.set_state(state)
            task.teller.log("had to be done again")
        else:
            task.applied = applied
            row.message = before.message

    async def _try(self, task: _Task) -> State:
        """Check, apply, check."""
        step, teller = task.step, task.teller
        with _our_errors(task):
            missing = await step.check(teller)
            while missing is not None and not self._dry and await self._held(task):
                missing = await step.check(teller)
            if missing is None:
                return State.DONE if task.applied else State.PRESENT
            if self._dry and not isinstance(step, VerifyStep):
                teller.row.bytes_total = missing.size_bytes
                teller.say(missing.what)
                return State.MISSING
            task.left_bytes = missing.size_bytes
            teller.log(f"missing: {missing.what}")
            teller.bytes(0, missing.size_bytes)
            task.applied = True
            await step.apply(missing, teller)
            still = await step.check(teller)
        if still is not None:
            raise StillMissing(f"still missing: {still.what}", remedy=still.remedy)
        return State.DONE

    def _fail(self, task: _Task, error: AirferryError) -> None:
        row, task.failed_with = task.teller.row, error
        row.error_code, row.error, row.remedy = error.code, error.what, error.remedy
        task.teller.say(error.what)
        task.teller.set_state(State.FAILED)

    def _mark_cancelled(self) -> None:
        for task in self._tasks.values():
            if task.state in (State.WAITING, State.RUNNING):
                task.teller.set_state(State.CANCELLED)

    def _mark_failed(self, error: AirferryError) -> None:
        """Note what ends the whole run at the steps that it met."""
        for task in self._tasks.values():
            if task.state is State.RUNNING:
                self._fail(task, error)
            elif task.state is State.WAITING:
                self._block(task, "the run")

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            now = time.monotonic()
            for task in self._tasks.values():
                task.teller.measure(now)
            self._flush()

    def _flush(self) -> None:
        self._note_pause()
        changed = [task.teller for task in self._tasks.values() if task.teller.changed]
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if not changed and not lines:
            return
        for teller in changed:
            teller.changed = False
        self._journal.save(self._run, [teller.row for teller in changed], lines)

    def _note_pause(self) -> None:
        """Tell everybody who looks that the run is held, or that it goes on."""
        if self._pause.is_on == self._noted_pause:
            return
        self._noted_pause = self._pause.is_on
        self._journal.hold(self._run, paused=self._noted_pause)
        text = RUN_PAUSED if self._noted_pause else RUN_RESUMED
        self._lines.append(LogLine(0, time.time(), DU, "run", "info", text))


def _how_it_goes_on(patience: RetryPolicy, pause_s: float) -> str:
    """Return when it is tried again, since when it has been tried in vain, and until when."""
    now = time.time()
    since, until = (
        time.strftime("%H:%M:%S", time.localtime(when))
        for when in (now - patience.spent_s, now + patience.left_s)
    )
    return f"tried again in {pause_s:.0f} s (since {since}, until {until} if it gets no further)"


def _unsaid(_: str) -> None:
    """A task that waits for its turn has nothing to say of a pause."""


pause = asyncio.sleep
"""Waiting for the next try."""


@contextmanager
def _our_errors(task: _Task) -> Iterator[None]:
    """Turn foreign errors into ours: the boundary where a task ends."""
    try:
        yield
    except BaseExceptionGroup as group:
        raise _first_of_ours(group) from group
    except (AirferryError, asyncio.CancelledError):
        raise
    except OSError as error:
        raise of_local_files(error, task.step.id) from error
    except Exception as error:
        task.teller.log(traceback.format_exc())
        raise InternalError(f"{type(error).__name__}: {error}") from error


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
