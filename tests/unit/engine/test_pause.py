"""A run that is held: it stops where nothing is cut, says so, and goes on at once."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from core.bundle.catalogue import LayerIndex
from core.bundle.discovery import bundle_file
from core.bundle.model import Image
from core.bundle.reference import parse_reference
from core.config import Config, Mode
from core.engine import runner as runner_module
from core.engine.journal import Journal, JournalReader, State, journal_path
from core.engine.request import CHANGING
from core.engine.runner import Runner
from core.errors import Cancelled, HostUnreachable
from core.hosts.docker.engine import PULLS_AT_ONCE, HostEngine
from core.pause import Pause
from core.registry.imports.importer import Import
from core.steps.base import Missing, Reporter, Step
from core.steps.desired_images import WantedName
from core.steps.images import _Pulls as Pulls
from core.steps.work import Work
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.fakes import FakeTeller
from tests.support.importing import Importer, NotedLayers, tell_nobody
from tests.support.steps import Diary, FakeStep
from tests.support.waiting import HANG_S, until_true

LACK = Missing("a thing", 10)


def go_on() -> None:
    """Nobody ends it."""


def told(_: str) -> None:
    """Nobody listens."""


class TestPause:
    """The switch itself."""

    async def test_who_is_not_held_does_not_wait(self) -> None:
        said: list[str] = []
        pause = Pause()
        assert not await pause.over(said.append)
        assert not pause.wait(go_on, said.append)
        assert [] == said

    async def test_all_who_wait_go_on_at_once(self) -> None:
        pause, said = Pause(), list[str]()
        pause.begin()
        pause.begin()
        async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
            waiting = [group.create_task(pause.over(said.append)) for _ in range(3)]
            thread = group.create_task(asyncio.to_thread(pause.wait, go_on, said.append))
            while len(said) < 4:  # noqa: ASYNC110 - they say so, there is no event
                await asyncio.sleep(0)
            assert not any(task.done() for task in (*waiting, thread))
            pause.end()
        assert [True] * 4 == [task.result() for task in (*waiting, thread)]
        assert ["paused"] * 4 == said

    def test_a_cancel_ends_the_waiting(self) -> None:
        def ended() -> None:
            raise Cancelled("ended")

        pause = Pause()
        pause.begin()
        with pytest.raises(Cancelled):
            pause.wait(ended, told)

    def test_its_clock_stands_still_while_it_holds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [100.0]
        monkeypatch.setattr("core.pause.time.monotonic", lambda: now[0])
        pause, seen = Pause(), []
        for second, act in ((110, pause.begin), (150, go_on), (160, pause.end), (165, go_on)):
            now[0] = second
            act()
            seen.append(pause.clock())
        assert [110, 110, 110, 115] == seen


class Site:
    """A journal, and a run on it that can be held."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.journal = Journal(state_dir)
        self.reader = JournalReader(state_dir)
        self.run = self.journal.begin("install", "du", "/c.yaml", {}, 1)
        self.pause = Pause()

    def started(self, *steps: Step, dry: bool = False) -> asyncio.Task[State]:
        runner = Runner(steps, self.journal, self.run, dry=dry, at_once=8, pause=self.pause)
        return asyncio.ensure_future(runner.run())

    async def comes_true(self, seen: Callable[[], bool]) -> None:
        await until_true(seen, "what the journal is to say")

    def is_paused(self) -> bool:
        found = self.reader.run(self.run)
        return found is not None and found.paused is not None

    def message(self, where: str) -> str:
        tasks = self.reader.tasks(self.run)
        return next((t.message for t in tasks if f"{t.target}.{t.step}" == where), "")

    def texts(self) -> list[str]:
        return [line.text for line in self.reader.log(self.run)]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(runner_module, "FLUSH_S", 0.02)
    made = Site(tmp_path)
    yield made
    made.journal.close()


@pytest.fixture
def diary() -> Diary:
    return Diary()


async def test_no_step_begins_while_the_run_is_held(site: Site, diary: Diary) -> None:
    hold = asyncio.Event()
    running = site.started(FakeStep("a.x", diary, [LACK, None], hold=hold), FakeStep("a.y", diary))
    await site.comes_true(lambda: "a.x: apply" in diary.entries)
    site.pause.begin()
    hold.set()  # what is at work comes to its end
    await site.comes_true(lambda: "a.x: check" == diary.entries[-1] and site.is_paused())
    assert ["a.x: check", "a.x: apply", "a.x: check"] == diary.entries
    site.pause.end()
    assert State.DONE is await running
    assert "a.y: check" == diary.entries[-1]
    assert not site.is_paused()
    assert ["the run was paused", "the run was resumed"] == [
        text for text in site.texts() if text.startswith("the run")
    ]


async def test_what_was_found_missing_is_asked_for_again_afterwards(
    site: Site, diary: Diary
) -> None:
    """Somebody may have supplied it in the meantime."""

    def held() -> Missing:
        site.pause.begin()
        return LACK

    running = site.started(FakeStep("a.x", diary, [held, None]))
    await site.comes_true(lambda: "paused" == site.message("a.x"))
    site.pause.end()
    assert State.DONE is await running
    assert ["a.x: check", "a.x: check"] == diary.entries


async def test_a_held_run_can_be_cancelled(site: Site, diary: Diary) -> None:
    site.pause.begin()
    running = site.started(FakeStep("a.x", diary), FakeStep("b.x", diary))
    await site.comes_true(site.is_paused)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [] == diary.entries
    assert [State.CANCELLED] * 2 == [task.state for task in site.reader.tasks(site.run)]


async def test_the_time_of_a_pause_tries_nobodys_patience(
    site: Site, diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour's pause between two tries must not make the second one the last."""
    now = [0.0]
    monkeypatch.setattr("core.pause.time.monotonic", lambda: now[0])

    async def paused_for_an_hour(_: float) -> None:
        site.pause.begin()
        now[0] += 3600
        site.pause.end()
        await asyncio.sleep(0)

    monkeypatch.setattr(runner_module, "pause", paused_for_an_hour)
    away = HostUnreachable("a is away")
    assert State.DONE is await site.started(FakeStep("a.x", diary, [away, away, None]))


async def test_a_dry_run_is_held_too(site: Site, diary: Diary) -> None:
    site.pause.begin()
    running = site.started(FakeStep("a.x", diary, [LACK]), dry=True)
    await site.comes_true(site.is_paused)
    assert [] == diary.entries
    site.pause.end()
    assert State.DONE is await running


async def test_a_step_that_stops_by_itself_says_so(site: Site, diary: Diary) -> None:
    class Pulling(FakeStep):
        async def apply(self, missing: Missing, tell: Reporter) -> None:
            tell.say("1 of 2")
            site.pause.begin()
            await site.pause.over(tell.say)
            await super().apply(missing, tell)

    running = site.started(Pulling("a.x", diary, [LACK, None]))
    await site.comes_true(lambda: "paused" == site.message("a.x"))
    assert "a.x: apply" not in diary.entries
    site.pause.end()
    assert State.DONE is await running


def test_the_journal_counts_the_time_of_pauses(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    run = journal.begin("install", "du", "/c.yaml", {}, 1)
    with sqlite3.connect(journal_path(tmp_path)) as db:
        db.execute("UPDATE runs SET started = started - 1000, paused_s = 300")
        db.execute("UPDATE runs SET paused = started + 600")
    db.close()
    found = JournalReader(tmp_path).run(run)
    assert found is not None
    assert (1000, 300) == (round(found.seconds), round(found.worked_s))
    journal.hold(run, paused=False)
    journal.hold(run, paused=False)
    found = JournalReader(tmp_path).run(run)
    assert found is not None
    assert (None, 700, 300) == (found.paused, round(found.paused_s), round(found.worked_s))
    journal.close()


@pytest.mark.parametrize("how", ["end", "mark_interrupted"])
def test_a_run_that_has_ended_is_not_paused_any_more(tmp_path: Path, how: str) -> None:
    journal = Journal(tmp_path)
    run = journal.begin("install", "du", "/c.yaml", {}, 1)
    journal.hold(run, paused=True)
    if how == "end":
        journal.end(run, State.CANCELLED, "")
    else:
        journal.mark_interrupted(CHANGING)
    found = JournalReader(tmp_path).run(run)
    assert found is not None
    assert (None, False) == (found.paused, found.state is State.RUNNING)
    journal.close()


EARLIER = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, mode TEXT NOT NULL,
    state TEXT NOT NULL, config TEXT NOT NULL, options TEXT NOT NULL, pid INTEGER NOT NULL,
    started REAL NOT NULL, ended REAL, message TEXT NOT NULL DEFAULT '');
CREATE TABLE log (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, at REAL NOT NULL,
    target TEXT NOT NULL, step TEXT NOT NULL, level TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX log_by_run ON log (run, target, id);
INSERT INTO runs VALUES (1, 'install', 'du', 'done', '/c.yaml', '{}', 1, 100.0, 160.0, '');
"""


def test_the_journal_of_an_earlier_version_is_read_and_written(tmp_path: Path) -> None:
    db = sqlite3.connect(journal_path(tmp_path))
    db.executescript(EARLIER)
    db.close()
    reader = JournalReader(tmp_path)
    (found,) = reader.runs()
    assert (State.DONE, 60.0, 60.0, None) == (
        found.state,
        found.seconds,
        found.worked_s,
        found.paused,
    )
    for _ in range(2):
        journal = Journal(tmp_path)
        run = journal.begin("install", "du", "/c.yaml", {}, 1)
        journal.hold(run, paused=True)
        journal.close()
    assert [True, True, False] == [run.paused is not None for run in reader.runs()]


def test_a_journal_of_a_later_version_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin("install", "du", "/c.yaml", {}, 1)
    journal.close()
    db = sqlite3.connect(journal_path(tmp_path))
    db.execute("ALTER TABLE runs ADD COLUMN novelty TEXT NOT NULL DEFAULT 'x'")
    db.commit()
    db.close()
    assert [1] == [run.id for run in JournalReader(tmp_path).runs()]


class TestImport:
    """An import, whose reader is held."""

    LAYERS = tuple(layer_tar(seed, 1_500_000) for seed in range(4))

    @pytest.fixture
    def importing(
        self, tmp_path: Path, importer: Importer
    ) -> tuple[Import, Pause, threading.Event]:
        path = tmp_path / "b.tar"
        path.write_bytes(docker_archive([ImageSpec(["a.b/c:1"], list(self.LAYERS))]))
        stop, pause = threading.Event(), Pause()
        index = LayerIndex(tmp_path / "layers.jsonl")
        made = Import(bundle_file(path), importer.client, index, stop, pause=pause)
        made.stored = NotedLayers()
        return made, pause, stop

    def test_uploads_are_finished_and_none_is_begun(
        self, importing: tuple[Import, Pause, threading.Event]
    ) -> None:
        made, pause, _ = importing
        said, held = list[str](), threading.Event()

        def say(words: str) -> None:
            said.append(words)
            if words.startswith("paused; 1 layer sent"):
                held.set()

        def begun(_: int) -> None:
            if not said:
                pause.begin()

        with ThreadPoolExecutor(1, "test") as threads:
            running = threads.submit(made.run, begun, say)
            try:
                assert held.wait(HANG_S)
                assert 1 == len(made.stored)
            finally:
                pause.end()
            assert 4 == running.result(HANG_S).sent_layers
        assert "paused" not in said[-1]

    def test_a_held_import_can_be_cancelled(
        self, importing: tuple[Import, Pause, threading.Event]
    ) -> None:
        made, pause, stop = importing
        pause.begin()
        with ThreadPoolExecutor(1, "test") as threads:
            said = threading.Event()
            running = threads.submit(made.run, tell_nobody, lambda _: said.set())
            assert said.wait(HANG_S)
            stop.set()
            assert isinstance(running.exception(HANG_S), Cancelled)

    def test_what_is_only_read_is_held_in_the_middle(
        self, importing: tuple[Import, Pause, threading.Event]
    ) -> None:
        """The second time every layer is known, and read to be compared."""
        made, pause, _ = importing
        made.run(tell_nobody)
        made.stored.clear()
        held = threading.Event()

        def say(words: str) -> None:
            if words == "paused; 0 layers sent, 0 were there already":
                held.set()

        with ThreadPoolExecutor(1, "test") as threads:
            running = threads.submit(made.run, lambda _: pause.begin(), say)
            try:
                assert held.wait(HANG_S)
            finally:
                made.pause.begin = lambda: None  # type: ignore[method-assign]
                pause.end()
            assert 4 == running.result(HANG_S).kept_layers


async def test_the_pulls_of_a_host_stop_between_images(tmp_path: Path) -> None:
    """The images that are on their way arrive whole; the next ones wait.

    The engine is a fake, because a real one's pulls end when they like.
    """
    pause, begun, arrive = Pause(), list[str](), asyncio.Event()

    class Engine:
        async def pull(self, name: str, told: object, login: object) -> None:  # noqa: ARG002
            begun.append(name)
            await arrive.wait()

        async def tag(self, image: str, name: str) -> None:
            """Names are no matter here."""

    references = [parse_reference(f"a.b/c{number}:1") for number in range(PULLS_AT_ONCE + 2)]
    images = [Image(f"i{n}", (r,), "linux/amd64", 1, ()) for n, r in enumerate(references)]
    wanted = {
        image.image_id: [WantedName(reference.familiar, reference, image)]
        for image, reference in zip(images, references, strict=True)
    }
    tell = FakeTeller()
    work = Work(Config(tmp_path / "airctl-config.yaml", mode=Mode.DU), (), pause=pause)
    pulls = Pulls(
        *(work, cast(HostEngine, Engine()), tell, wanted),
        total_bytes=0,
        there_bytes=0,
        prefix="r",
        login=None,
    )
    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        group.create_task(pulls.bring_all())
        while len(begun) < PULLS_AT_ONCE:  # noqa: ASYNC110 - the list has no event
            await asyncio.sleep(0)
        pause.begin()
        arrive.set()
        while tell.said.count("paused") < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert PULLS_AT_ONCE == len(begun)
        pause.end()
    assert PULLS_AT_ONCE + 2 == len(begun)
