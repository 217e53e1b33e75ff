"""The runner with fake steps: order, needs, retries, cancel, and what the journal says of it."""

from __future__ import annotations

import asyncio
import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from core.engine import runner as runner_module
from core.engine.journal import Journal, JournalReader, LogLine, State, TaskRow
from core.engine.reporter import TaskReporter
from core.engine.runner import Runner
from core.errors import (
    AirferryError,
    BundleError,
    Cancelled,
    DockerGone,
    DockerLineLost,
    DuDiskFull,
    HostCommandFailed,
    HostGoesDown,
    HostLineLost,
    HostLoginRefused,
    HostUnreachable,
    NotABundle,
    RegistryBusy,
    RegistryFull,
    RegistryUnreachable,
)
from core.steps.base import Missing, Reporter, Step, VerifyStep
from core.telling import LEFT_OUT, NOTED, Detail
from tests.support.steps import Answer, Diary, FakeStep, FakeVerify
from tests.support.waiting import HANG_S

LACK = Missing("a thing", 10)
ATTEMPTS = 4  # within the patience of FakeStep


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, none of which is really made."""
    made: list[float] = []

    async def noted(seconds: float) -> None:
        made.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(runner_module, "pause", noted)
    return made


class Site:
    """A journal and the runs on it."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.journal = Journal(state_dir)
        self.reader = JournalReader(state_dir)
        self.run = self.journal.begin("install", "du", "/c.yaml", {}, 1)

    def runner(self, steps: list[Step], *, dry: bool = False, at_once: int = 8) -> Runner:
        return Runner(steps, self.journal, self.run, dry=dry, at_once=at_once)

    async def carry_out(self, *steps: Step, dry: bool = False, at_once: int = 8) -> State:
        async with asyncio.timeout(HANG_S):
            return await self.runner(list(steps), dry=dry, at_once=at_once).run()

    def states(self) -> dict[str, State]:
        return {f"{task.target}.{task.step}": task.state for task in self.reader.tasks(self.run)}

    def task(self, where: str) -> TaskRow:
        return next(t for t in self.reader.tasks(self.run) if f"{t.target}.{t.step}" == where)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.journal.close()


async def test_what_is_there_is_left_alone(site: Site, diary: Diary) -> None:
    assert State.DONE is await site.carry_out(FakeStep("a.x", diary))
    assert ["a.x: check"] == diary.entries
    assert {"a.x": State.PRESENT} == site.states()


async def test_what_is_missing_is_supplied_and_looked_at_again(site: Site, diary: Diary) -> None:
    assert State.DONE is await site.carry_out(FakeStep("a.x", diary, [LACK, None]))
    assert ["a.x: check", "a.x: apply", "a.x: check"] == diary.entries
    assert {"a.x": State.DONE} == site.states()
    assert ["missing: a thing"] == [entry.text for entry in site.reader.log(site.run)]


async def test_what_is_still_missing_has_failed(site: Site, diary: Diary) -> None:
    lack = Missing("a thing", remedy="Buy one.")
    assert State.FAILED is await site.carry_out(FakeStep("a.x", diary, [lack]))
    task = site.task("a.x")
    assert (State.FAILED, "E-STILL-MISSING", "still missing: a thing", "Buy one.", 1) == (
        task.state,
        task.error_code,
        task.error,
        task.remedy,
        task.attempt,
    )


async def test_steps_of_a_target_follow_each_other(site: Site, diary: Diary) -> None:
    await site.carry_out(FakeStep("a.x", diary, [LACK, None]), FakeStep("a.y", diary))
    assert ["a.x: check", "a.x: apply", "a.x: check", "a.y: check"] == diary.entries


async def test_targets_go_side_by_side(site: Site, diary: Diary) -> None:
    """Each of two hosts waits in its step until the other is in its own."""
    inside = {"a": asyncio.Event(), "b": asyncio.Event()}

    class Meeting(FakeStep):
        async def apply(self, missing: Missing, tell: object) -> None:  # noqa: ARG002
            inside[self.target].set()
            await inside["b" if self.target == "a" else "a"].wait()

    steps = [Meeting(f"{name}.x", diary, [LACK, None]) for name in inside]
    assert State.DONE is await site.carry_out(*steps)


async def test_no_more_targets_than_allowed_are_at_work(site: Site, diary: Diary) -> None:
    at_work, most = 0, 0

    class Counting(FakeStep):
        async def apply(self, missing: Missing, tell: object) -> None:  # noqa: ARG002
            nonlocal at_work, most
            at_work += 1
            most = max(most, at_work)
            for _ in range(5):
                await asyncio.sleep(0)
            at_work -= 1

    steps = [Counting(f"h{number}.x", diary, [LACK, None]) for number in range(12)]
    assert State.DONE is await site.carry_out(*steps, at_once=3)
    assert 3 == most


async def test_a_step_waits_for_what_it_needs_on_another_target(site: Site, diary: Diary) -> None:
    hold = asyncio.Event()
    steps: list[Step] = [
        FakeStep("a.connect", diary, [lambda: hold.set()]),
        FakeStep("a.warm", diary, needs=["du.import"]),
        FakeStep("du.import", diary, [LACK, None], hold=hold),
    ]
    assert State.DONE is await site.carry_out(*steps)
    assert ["du.import: check", "a.warm: check"] == diary.entries[-2:]


async def test_a_waiting_step_holds_no_place(site: Site, diary: Diary) -> None:
    steps = [FakeStep(f"h{n}.warm", diary, needs=["du.import"]) for n in range(4)]
    assert State.DONE is await site.carry_out(
        *steps, FakeStep("du.import", diary, [LACK, None]), at_once=1
    )


async def test_a_need_that_is_not_in_the_plan_is_met(site: Site, diary: Diary) -> None:
    assert State.DONE is await site.carry_out(FakeStep("a.x", diary, needs=["du.other"]))


async def test_a_host_that_fails_stops_only_itself(site: Site, diary: Diary) -> None:
    assert State.FAILED is await site.carry_out(
        FakeStep("a.connect", diary, [HostLoginRefused("a refuses")]),
        FakeStep("a.warm", diary),
        FakeStep("b.connect", diary),
        FakeStep("b.warm", diary, [LACK, None]),
    )
    assert {
        "a.connect": State.FAILED,
        "a.warm": State.BLOCKED,
        "b.connect": State.PRESENT,
        "b.warm": State.DONE,
    } == site.states()
    assert "not tried, because connect failed" == site.task("a.warm").message
    assert ["a.connect: check"] == diary.of("a")


async def test_a_failed_import_blocks_the_hosts_that_need_it(site: Site, diary: Diary) -> None:
    await site.carry_out(
        FakeStep("du.import", diary, [RegistryFull("no room")]),
        FakeStep("a.connect", diary),
        FakeStep("a.warm", diary, needs=["du.import"]),
        FakeStep("a.verify", diary),
    )
    assert {
        "du.import": State.FAILED,
        "a.connect": State.PRESENT,
        "a.warm": State.BLOCKED,
        "a.verify": State.BLOCKED,
    } == site.states()
    assert "not tried, because du: import failed" == site.task("a.warm").message


async def test_what_can_pass_is_tried_again(site: Site, diary: Diary) -> None:
    lost = HostUnreachable("a is away")
    assert State.DONE is await site.carry_out(FakeStep("a.x", diary, [lost, lost, None]))
    assert (State.PRESENT, 3, "") == (
        (task := site.task("a.x")).state,
        task.attempt,
        task.error_code,
    )


async def test_a_try_that_was_lost_half_way_counts_as_done(site: Site, diary: Diary) -> None:
    """The second try finds everything there, because the first one put it there."""
    step = FakeStep("a.x", diary, [LACK, None], applies=[RegistryUnreachable("gone")])
    assert State.DONE is await site.carry_out(step)
    assert {"a.x": State.DONE} == site.states()


async def test_tries_come_to_an_end(site: Site, diary: Diary) -> None:
    step = FakeStep("a.x", diary, [HostUnreachable("a is away")])
    assert State.FAILED is await site.carry_out(step)
    task = site.task("a.x")
    assert (ATTEMPTS, "E-SSH-ROUTE", "a is away") == (task.attempt, task.error_code, task.error)
    assert [HostUnreachable.remedy_text] == [task.remedy]
    assert ["a is away [E-SSH-ROUTE]"] * ATTEMPTS == [e.text for e in site.reader.log(site.run)]


@pytest.mark.parametrize(
    ("patience_s", "error", "attempts"),
    [
        (0.0, RegistryBusy("later"), 1),
        (1.0, RegistryBusy("later"), 2),
        (30.0, RegistryBusy("later"), 6),
        (math.inf, RegistryBusy("later"), 8),  # a minute: 1 + 2 + 4 + 8 + 3 x 15
        (math.inf, HostUnreachable("away"), 32),  # seven minutes
    ],
)
async def test_step_and_error_say_how_long_it_is_tried(
    site: Site, diary: Diary, patience_s: float, error: AirferryError, attempts: int
) -> None:
    step = type("Tried", (FakeStep,), {"patience_s": patience_s})("a.x", diary, [error])
    assert State.FAILED is await site.carry_out(step)
    assert (attempts, error.code) == ((task := site.task("a.x")).attempt, task.error_code)


async def test_each_kind_of_error_has_its_time(site: Site, diary: Diary) -> None:
    """A host that was away for long is not given up because its Docker needs a moment, too."""
    away: list[Answer] = [HostUnreachable("away")] * 20  # four minutes
    step = type("Tried", (FakeStep,), {"patience_s": math.inf})(
        "a.x", diary, [*away, DockerGone("starts"), DockerGone("starts"), None]
    )
    assert State.DONE is await site.carry_out(step)
    assert 23 == site.task("a.x").attempt


@pytest.mark.parametrize(("look_patience_s", "attempts"), [(0.0, 1), (7.0, 4)])
async def test_a_run_that_only_looks_says_at_once_how_it_is(
    site: Site, diary: Diary, look_patience_s: float, attempts: int
) -> None:
    """But for steps whose question takes so long that a line may be cut in it."""
    kinds = {"patience_s": math.inf, "look_patience_s": look_patience_s}
    step = type("Tried", (FakeStep,), kinds)("a.x", diary, [HostLineLost("a: lost")])
    assert State.FAILED is await site.carry_out(step, dry=True)
    assert attempts == site.task("a.x").attempt


async def test_a_step_may_have_more_patience_than_its_error(site: Site, diary: Diary) -> None:
    """A registry that is restarted is waited for as long as a host, where a host needs it."""
    kinds = {"patience_s": math.inf, "patience_with": lambda *_: 420.0}
    step = type("Tried", (FakeStep,), kinds)("a.x", diary, [RegistryBusy("later")])
    assert State.FAILED is await site.carry_out(step)
    assert 32 == site.task("a.x").attempt


async def test_tries_are_counted_anew_when_less_is_left(site: Site, diary: Diary) -> None:
    """Whole images stay with a host, though each try got no more bytes than the first."""
    left: list[Answer] = [Missing("images", size) for size in (50, 50, 30, 30, 10, 10)]
    lost: list[Exception | None] = [DockerLineLost("EOF")] * 6
    step = type("Tried", (FakeStep,), {"patience_s": 3.0})(
        "a.x", diary, [*left, None], applies=lost, moved=[(20, 50)]
    )
    assert State.DONE is await site.carry_out(step)
    assert 7 == site.task("a.x").attempt


async def test_what_is_said_while_it_is_tried_again(
    site: Site, diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since when, and until when: a technician can decide whether to wait."""
    said: list[str] = []
    step = type("Tried", (FakeStep,), {"patience_s": 3.0})("a.x", diary, [HostLineLost("a: lost")])
    runner = site.runner([step])

    async def look(_: float) -> None:
        runner._flush()
        said.append(site.task("a.x").message)

    monkeypatch.setattr(runner_module, "pause", look)
    await runner.run()
    times = r"since \d\d:\d\d:\d\d, until \d\d:\d\d:\d\d if it gets no further"
    assert 2 == len(said)
    for words in said:
        assert re.fullmatch(rf"tried again in \d s \({times}\): a: lost", words)


async def test_errors_that_alternate_come_to_an_end(site: Site, diary: Diary) -> None:
    away: list[Answer] = [HostUnreachable("away"), DockerGone("starts")]
    step = type("Tried", (FakeStep,), {"patience_s": math.inf})("a.x", diary, away * 100)
    assert State.FAILED is await site.carry_out(step)
    assert 32 == site.task("a.x").attempt  # seven minutes


class Moving(FakeStep):
    """A step that gets to each of some places and is thrown back there."""

    patience_s = 3.0

    def __init__(self, where: str, diary: Diary, reached: list[int]) -> None:
        super().__init__(where, diary, [LACK])
        self._reached = reached

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        if not self._reached:
            self._checks = [None]
            return
        tell.bytes(self._reached.pop(0), 100)
        raise RegistryBusy("later")


@pytest.mark.parametrize(
    ("reached", "tries", "state"),
    [
        pytest.param([10, 20, 30, 40, 50, 60], 7, State.DONE, id="a little further each time"),
        pytest.param([10, 10, 20, 20, 30, 30], 7, State.DONE, id="each place twice"),
        pytest.param([10, 20, 20, 20, 30], 4, State.FAILED, id="one place three times"),
        pytest.param([0, 0, 0, 10], 3, State.FAILED, id="no byte at all"),
        pytest.param([30, 20, 10, 40], 3, State.FAILED, id="never beyond the first"),
        pytest.param([30, 20, 40, 10, 5], 5, State.FAILED, id="beyond the first once"),
    ],
)
async def test_tries_are_counted_anew_when_one_got_further(
    site: Site, diary: Diary, reached: list[int], tries: int, state: State
) -> None:
    """So a long import over a bad line ends, though its line is lost now and then."""
    await site.carry_out(Moving("du.import", diary, reached))
    assert (state, tries) == ((task := site.task("du.import")).state, task.attempt)


async def test_pauses_begin_anew_when_a_try_got_further(
    site: Site, diary: Diary, pauses: list[float]
) -> None:
    await site.carry_out(Moving("du.import", diary, [0, 0, 10, 10]))
    expected_s = [1, 2, 1, 2]
    assert all(0.8 * s <= made <= 1.2 * s for s, made in zip(expected_s, pauses, strict=True))


@pytest.mark.parametrize("error", [HostLoginRefused("no"), RegistryFull("no"), ValueError("no")])
async def test_what_cannot_pass_is_tried_once(site: Site, diary: Diary, error: Exception) -> None:
    await site.carry_out(FakeStep("a.x", diary, [error]))
    assert 1 == site.task("a.x").attempt


class Excused(FakeStep):
    """A step on a host that turns out to be shutting down when it failed."""

    async def explained(self, error: AirferryError) -> AirferryError:
        return HostGoesDown(f"a is shutting down: {error.what}")


async def test_what_failed_while_the_host_went_down_is_tried_again(
    site: Site, diary: Diary
) -> None:
    failure = HostCommandFailed("a: status 4 of 'systemctl start docker'")
    await site.carry_out(Excused("a.x", diary, [failure, None]))
    assert (State.PRESENT, 2) == ((task := site.task("a.x")).state, task.attempt)
    told = [entry.text for entry in site.reader.log(site.run)]
    assert [f"a is shutting down: {failure.what} [E-SSH-DOWN]"] == told


async def test_pauses_grow(site: Site, diary: Diary, pauses: list[float]) -> None:
    await site.carry_out(FakeStep("a.x", diary, [HostUnreachable("away")]))
    assert ATTEMPTS - 1 == len(pauses)
    assert all(0.8 * 2**n <= pause <= 1.2 * 2**n for n, pause in enumerate(pauses))


class Healing(FakeStep):
    """A step that others stand on."""

    heals = True


async def test_before_a_step_is_tried_again_what_it_stands_on_is_asked_again(
    site: Site, diary: Diary
) -> None:
    """The registry has died and the host was rebooted: both are seen to, in the same run."""
    await site.carry_out(
        Healing("du.registry", diary, [None, LACK, None]),
        FakeStep("du.import", diary),
        FakeStep("a.connect", diary),
        Healing("a.tunnel", diary, [LACK, None, LACK, None]),
        FakeStep("a.warm", diary, [HostUnreachable("away"), None], needs=["du.import"]),
        Healing("a.later", diary),
    )
    assert ["du.registry: check", "du.import: check"] == diary.of("du")[:2]
    assert ["du.registry: check", "du.registry: apply", "du.registry: check"] == diary.of("du")[2:]
    once = ["a.tunnel: check", "a.tunnel: apply", "a.tunnel: check"]
    assert ["a.connect: check", *once, "a.warm: check", *once] == diary.of("a")[:8]
    assert ["a.warm: check", "a.later: check"] == diary.of("a")[8:]
    assert (State.DONE, 2) == ((task := site.task("a.tunnel")).state, task.attempt)
    assert (State.DONE, 2) == ((task := site.task("du.registry")).state, task.attempt)


async def test_what_is_still_there_is_not_done_again(site: Site, diary: Diary) -> None:
    await site.carry_out(
        Healing("a.docker", diary, [LACK, None]),
        FakeStep("a.warm", diary, [HostUnreachable("away"), None]),
    )
    assert 1 == diary.entries.count("a.docker: apply")
    assert (State.DONE, 1) == ((task := site.task("a.docker")).state, task.attempt)


async def test_many_hosts_have_the_registry_asked_once(
    site: Site, diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred that lost it at the same moment must not all start it again."""
    monkeypatch.setattr(runner_module, "FRESH_S", HANG_S)  # however long this machine takes
    hosts = [f"h{number}" for number in range(20)]
    thrown_back = asyncio.Barrier(len(hosts))

    class Losing(FakeStep):
        async def check(self, tell: Reporter) -> Missing | None:
            if f"{self.target}.warm: check" not in diary.entries:
                await super().check(tell)
                await thrown_back.wait()
                raise RegistryUnreachable("gone")
            return await super().check(tell)

    await site.carry_out(
        Healing("du.registry", diary, [None, LACK, None]),
        *(Losing(f"{host}.warm", diary) for host in hosts),
        at_once=len(hosts),
    )
    assert 1 == diary.entries.count("du.registry: apply")
    assert len(diary.of("du")) < len(hosts)


async def test_a_host_that_waits_takes_nobody_s_place(
    site: Site, diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = asyncio.Event()

    async def until_the_other_is_done(_seconds: float) -> None:
        await done.wait()

    class Ending(FakeStep):
        async def check(self, tell: Reporter) -> Missing | None:
            done.set()
            return await super().check(tell)

    monkeypatch.setattr(runner_module, "pause", until_the_other_is_done)
    assert State.DONE is await site.carry_out(
        FakeStep("a.x", diary, [HostUnreachable("away"), None]), Ending("b.x", diary), at_once=1
    )


class Dead(FakeStep):
    """A step on a host to which the way is open only when a test says so."""

    def __init__(self, where: str, diary: Diary, way: asyncio.Event) -> None:
        super().__init__(where, diary)
        self._way = way

    @property
    def is_reached(self) -> bool:
        return self._way.is_set()

    async def reach(self, tell: Reporter) -> None:
        tell.say("connecting")
        await self._way.wait()


async def test_a_host_that_does_not_answer_takes_nobody_s_place(site: Site, diary: Diary) -> None:
    way = asyncio.Event()
    dead = [Dead(f"dead{n}.x", diary, way) for n in range(4)]

    def restored() -> None:
        way.set()

    await site.carry_out(*dead, FakeStep("b.y", diary, [restored]), at_once=1)
    assert {State.PRESENT} == set(site.states().values())


async def test_a_fault_of_our_own_is_told_as_such(site: Site, diary: Diary) -> None:
    await site.carry_out(FakeStep("a.x", diary, [KeyError("oops")]), FakeStep("b.x", diary))
    task = site.task("a.x")
    assert ("E-INTERNAL", "KeyError: 'oops'") == (task.error_code, task.error)
    assert any("Traceback" in entry.text for entry in site.reader.log(site.run))
    assert State.PRESENT is site.task("b.x").state


async def test_errors_of_the_du_s_files_are_told_as_such(site: Site, diary: Diary) -> None:
    await site.carry_out(FakeStep("a.x", diary, [OSError(28, "No space left", "/var/x")]))
    task = site.task("a.x")
    assert ("E-DU-FULL", "/var/x: No space left") == (task.error_code, task.error)


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([HostUnreachable("away"), HostLoginRefused("no")], "E-SSH-LOGIN"),
        ([ValueError("x"), RegistryFull("full")], "E-REG-FULL"),
        ([ValueError("x"), KeyError("y")], "E-INTERNAL"),
    ],
)
async def test_of_several_errors_the_one_that_lasts_is_told(
    site: Site, diary: Diary, errors: list[Exception], code: str
) -> None:
    group = ExceptionGroup("outer", [ExceptionGroup("inner", errors)])
    await site.carry_out(FakeStep("a.x", diary, [group]))
    assert code == site.task("a.x").error_code


async def test_a_dry_run_only_looks(site: Site, diary: Diary) -> None:
    assert State.DONE is await site.carry_out(
        FakeStep("a.x", diary, [LACK]), FakeStep("a.y", diary), dry=True
    )
    assert ["a.x: check", "a.y: check"] == diary.entries
    assert {"a.x": State.MISSING, "a.y": State.PRESENT} == site.states()
    assert ("a thing", 10, 0) == (
        (task := site.task("a.x")).message,
        task.bytes_total,
        task.bytes_done,
    )


async def test_a_dry_run_does_not_wait_for_what_is_away(site: Site, diary: Diary) -> None:
    step = FakeStep("a.x", diary, [HostUnreachable("away")])
    assert State.FAILED is await site.carry_out(step, dry=True)
    assert 1 == site.task("a.x").attempt


@pytest.mark.parametrize("dry", [True, False])
async def test_a_verify_step_that_finds_something_has_failed(site: Site, dry: bool) -> None:
    assert State.FAILED is await site.carry_out(
        FakeVerify("a.verify", Missing("an image", remedy="Pull it.")), dry=dry
    )
    assert ("an image", "Pull it.") == ((task := site.task("a.verify")).error, task.remedy)


async def test_what_was_found_stands_beside_the_step(site: Site) -> None:
    await site.carry_out(FakeVerify("a.verify", None))
    assert "all is well" == site.task("a.verify").message


async def cancelled_when(site: Site, begun: Callable[[], bool], *steps: Step) -> None:
    task = asyncio.ensure_future(site.runner(list(steps)).run())
    async with asyncio.timeout(HANG_S):
        while not begun():  # noqa: ASYNC110 - the step has no event to wait for
            await asyncio.sleep(0)  # let the runner go on
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_cancel_marks_what_was_running_and_waiting(site: Site, diary: Diary) -> None:
    never = asyncio.Event()
    await cancelled_when(
        site,
        lambda: "a.y: apply" in diary.entries,
        FakeStep("a.x", diary),
        FakeStep("a.y", diary, [LACK], hold=never),
        FakeStep("a.z", diary),
        FakeStep("b.x", diary, needs=["a.y"]),
    )
    assert {
        "a.x": State.PRESENT,
        "a.y": State.CANCELLED,
        "a.z": State.CANCELLED,
        "b.x": State.CANCELLED,
    } == site.states()
    assert all(site.task(where).ended for where in site.states())


@pytest.mark.parametrize("needs", [[], ["a.x"]])
async def test_a_step_that_says_it_was_cancelled_ends_the_run(
    site: Site, diary: Diary, needs: list[str]
) -> None:
    """Neither may another target wait for it for ever, nor the run count as ended well."""
    with pytest.raises(asyncio.CancelledError):
        await site.carry_out(
            FakeStep("a.x", diary, [Cancelled("ended")]),
            FakeStep("b.x", diary, needs=needs),
            FakeStep("b.y", diary, [LACK], hold=asyncio.Event()),
        )
    assert State.CANCELLED is site.task("a.x").state
    assert State.CANCELLED is site.task("b.y").state


async def test_progress_never_falls(site: Site, diary: Diary) -> None:
    moved = [(0, 100), (60, 100), (20, 100), (70, 50), (5, 0)]
    await site.carry_out(
        FakeStep(
            "a.x",
            diary,
            [LACK, LACK, None],
            applies=[RegistryUnreachable("gone"), None],
            moved=moved,
        )
    )
    assert (70, 100) == ((task := site.task("a.x")).bytes_done, task.bytes_total)


def test_a_teller_counts_up_only() -> None:
    teller = TaskReporter(TaskRow("a", "x", "x"), deque())
    seen = []
    for done, total in [(0, 10), (7, 10), (3, 20), (30, 20)]:
        teller.bytes(done, total)
        seen.append((teller.row.bytes_done, teller.row.bytes_total))
    assert [(0, 10), (7, 10), (7, 20), (30, 30)] == seen


def test_the_rate_is_that_of_the_last_seconds() -> None:
    teller = TaskReporter(TaskRow("a", "x", "x"), deque())
    teller.set_state(State.RUNNING)
    rates = []
    for second, done in enumerate([0, 100, 200, 200, 200, 200, 200, 200]):
        teller.bytes(done, 1000)
        teller.measure(float(second))
        rates.append(teller.row.rate)
    assert [0.0, 100.0, 100.0] == rates[:3]
    assert 0.0 == rates[-1]
    teller.set_state(State.DONE)
    teller.measure(9.0)
    assert 0.0 == teller.row.rate


class FullOnce(Journal):
    """A journal that finds no room once, and then uses what it had reserved."""

    full = True

    def save(self, run: int, tasks: Iterable[TaskRow], lines: Iterable[LogLine]) -> None:
        super().save(run, tasks, lines)
        if self.full:
            self.full = False
            raise DuDiskFull("no room")


async def test_a_journal_without_room_ends_the_run(site: Site, diary: Diary) -> None:
    """Nobody could see how far it came."""
    site.journal = FullOnce(site.state_dir)
    steps = [
        FakeStep("du.first", diary, [LACK, None], hold=asyncio.Event()),
        FakeStep("a.x", diary, needs=["du.first"]),
    ]
    assert State.FAILED is await site.carry_out(*steps)
    assert {"du.first": State.FAILED, "a.x": State.BLOCKED} == site.states()
    assert ("E-DU-FULL", "no room") == ((task := site.task("du.first")).error_code, task.error)
    site.journal.close()


async def test_the_journal_has_the_plan_before_anything_is_done(site: Site, diary: Diary) -> None:
    seen: list[dict[str, State]] = []

    def look() -> None:
        seen.append(site.states())

    await site.carry_out(FakeStep("a.x", diary, [look]), FakeStep("a.y", diary))
    assert [{"a.x": State.WAITING, "a.y": State.WAITING}] == seen


async def test_a_plan_of_nothing(site: Site) -> None:
    assert State.DONE is await site.carry_out()


def test_every_error_has_a_code_of_its_own_and_a_remedy() -> None:
    kinds: list[type[AirferryError]] = []
    waiting = [AirferryError]
    while waiting:
        kinds.append(kind := waiting.pop())
        waiting += [child for child in kind.__subclasses__() if child.__module__ == "core.errors"]
    assert len(kinds) == len({kind.code for kind in kinds})
    assert all(kind("x").remedy for kind in kinds)


async def test_a_host_that_failed_is_tried_again_when_somebody_asks(
    site: Site, diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While b is at work: a looks again at what it is, and does what it failed in and after."""
    monkeypatch.setattr(runner_module, "FLUSH_S", 0.01)
    hold, asked_for = asyncio.Event(), [["a", "b", "du", "unknown"]]
    refused = HostLoginRefused("a: no")

    def release() -> None:
        hold.set()

    class Looking(FakeStep, VerifyStep):
        pass

    steps = [
        Looking("a.look", diary),
        FakeStep("a.x", diary),
        FakeStep("a.y", diary, [refused, None]),
        FakeStep("a.z", diary, [lambda: release()]),
        FakeStep("b.x", diary, [LACK, None], hold=hold),
    ]

    def asked() -> list[str]:
        failed = site.states().get("a.y") is State.FAILED
        return asked_for.pop() if failed and asked_for else []

    runner = Runner(steps, site.journal, site.run, dry=False, at_once=8, asked=asked)
    async with asyncio.timeout(HANG_S):
        assert State.DONE is await runner.run()
    first = ["a.look: check", "a.x: check", "a.y: check"]
    assert [*first, "a.look: check", "a.y: check", "a.z: check"] == diary.of("a")
    assert 1 == diary.of("b").count("b.x: apply")
    tried = site.task("a.y")
    assert (State.PRESENT, 2, "", "") == (tried.state, tried.attempt, tried.error_code, tried.error)
    log = [entry.text for entry in site.reader.log(site.run, target="a")]
    assert "a: no [E-SSH-LOGIN]" in log
    assert "tried again, because somebody asked for it" in log


class OfABundle(FakeStep):
    """A step whose bad bundles do not hold up what comes after it."""

    passes = (BundleError,)


async def test_a_bad_bundle_does_not_hold_up_the_others(site: Site, diary: Diary) -> None:
    """Nor what only needs them; the run has failed all the same."""
    steps = [
        OfABundle("du.one", diary, [NotABundle("one.tar: no archive")]),
        OfABundle("du.two", diary, [LACK, None]),
        FakeStep("du.verify", diary),
        FakeStep("a.warm", diary, needs=["du.one", "du.verify"]),
    ]
    assert State.FAILED is await site.carry_out(*steps)
    assert {
        "du.one": State.FAILED,
        "du.two": State.DONE,
        "du.verify": State.PRESENT,
        "a.warm": State.PRESENT,
    } == site.states()


async def test_other_errors_of_the_same_step_do(site: Site, diary: Diary) -> None:
    steps = [OfABundle("du.one", diary, [RegistryFull("no room")]), OfABundle("du.two", diary)]
    assert State.FAILED is await site.carry_out(*steps)
    assert {"du.one": State.FAILED, "du.two": State.BLOCKED} == site.states()


async def test_a_run_that_left_something_out_is_done_but_for_that(site: Site, diary: Diary) -> None:
    """What two steps tell is one thing; what is only noted is none."""
    left = Detail(LEFT_OUT, "one.tar", note="cut")

    class Telling(FakeStep):
        async def check(self, tell: Reporter) -> Missing | None:
            tell.particulars([left, Detail(NOTED, "one.tar", note="a chart")])
            return await super().check(tell)

    runner = site.runner([Telling("du.one", diary), Telling("du.verify", diary)])
    assert State.PARTIAL is await runner.run()
    assert frozenset([left]) == runner.left_out
