"""Sticks on the Bundles screen: what is on one, taking from it, and what can go wrong."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from core.bundle import media as media_module
from core.bundle.discovery import bundle_file
from core.bundle.media import OnStick, Stick
from core.config import Config
from core.engine.journal import State, TaskRow
from core.engine.request import RunKind, RunRequest
from core.errors import BundleExists, BusyError
from tests.support.archives import sample_images, write_bundle
from tests.support.platforms import split
from tests.tui.driving import Driver, opened, walk_to
from tests.tui.fake_engine import FakeEngine, failed, task
from tests.tui.sticks import TestStick


@pytest.fixture
def stick(tmp_path: Path) -> TestStick:
    return TestStick(tmp_path)


def taking(request: RunRequest, config: Config) -> list[TaskRow]:
    """Do what the engine does for a run that takes bundles."""
    if request.kind is not RunKind.TAKE:
        return []
    rows = []
    for path in request.bundles:
        shutil.copy2(path, config.images_dir)
        size = path.stat().st_size
        rows.append(task("du", f"bundle.take:{path.name}", State.DONE, "checksum ok", size))
    return rows


async def to_bundles(driver: Driver) -> None:
    """Walk there, past what Start offers first where there is something new on a stick."""
    if "> Take" in driver.text:
        await driver.press("down")
    await walk_to(driver, "Hosts")
    await driver.press("n")
    await driver.sees("[Bundles]", "AIR FERRY")


async def test_what_is_new_on_a_stick(config: Path, engine: FakeEngine, stick: TestStick) -> None:
    shutil.copy2(config.parent / "imgs" / "extra.tar", stick.path)
    async with opened(config, engine, media=stick.media) as driver:
        await to_bundles(driver)
        await driver.sees("1 new bundle, 2.0 MB to take (+)", "in imagesDir already")
        await driver.sees("ignored: checksums")


async def test_all_is_taken_and_then_it_is_there(config: Path, stick: TestStick) -> None:
    engine = FakeEngine(taking)
    async with opened(config, engine, media=stick.media) as driver:
        await to_bundles(driver)
        await driver.press("plus")
        await driver.sees("Take this bundle from the stick?", "> No", "release-5.3.tar.gz")
        await driver.press("enter")
        assert RunKind.TAKE not in [request.kind for request in engine.requests]
        await driver.press("plus", "right", "enter")
        await driver.sees("[Run]", "checksum ok            release-5.3.tar.gz", "> To Bundles")
        request = RunRequest(RunKind.TAKE, config, bundles=(stick.new,))
        assert request == engine.requests[-1]
        await driver.press("enter")
        await driver.sees("[Bundles]", "3 bundles", "nothing new", "in imagesDir already")
        await driver.press("escape")
        await driver.sees("[Hosts]")


async def test_esc_leaves_the_copying_alone(config: Path, stick: TestStick) -> None:
    engine = FakeEngine(taking)
    engine.holds = frozenset({RunKind.TAKE})
    async with opened(config, engine, media=stick.media) as driver:
        await to_bundles(driver)
        await driver.press("plus", "right", "enter")
        await driver.sees("[Run]", "this machine", "Esc to Bundles", "c cancel")
        await driver.press("escape")
        await driver.sees("[Bundles]", "3 bundles")
        await driver.press("escape", "escape", "escape", "escape")
        await driver.sees("[Start]", "is at work since", "> Watch the run")


async def test_a_bundle_that_cannot_be_taken(config: Path, stick: TestStick) -> None:
    def refused(request: RunRequest, _: Config) -> list[TaskRow]:
        error = BundleExists("/imgs/release-5.3.tar.gz: is there already, with other content")
        rows = [failed("du", "bundle.take:release-5.3.tar.gz", error)]
        return rows if request.kind is RunKind.TAKE else []

    async with opened(config, FakeEngine(refused), media=stick.media) as driver:
        await to_bundles(driver)
        await driver.press("plus", "right", "enter")
        await driver.sees("E-BUNDLE-EXISTS", "Delete or rename", "> Retry the run", "To Bundles")
        await driver.press("right", "enter")
        await driver.sees("[Bundles]", "1 new bundle")


async def test_a_take_while_a_run_is_at_work(config: Path, stick: TestStick) -> None:
    engine = FakeEngine(taking)
    async with opened(config, engine, media=stick.media) as driver:
        await to_bundles(driver)
        engine.refusal = BusyError("run 7 (process 5) is at work")
        await driver.press("plus", "right", "enter")
        await driver.sees("run 7 (process 5) is at work", "> Close")
        await driver.press("enter")
        await driver.sees("[Bundles]")


async def test_without_room_it_cannot_be_started(
    config: Path, engine: FakeEngine, stick: TestStick, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room is faked: no disk here is small enough."""
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    async with opened(config, engine, media=stick.media) as driver:
        await to_bundles(driver)
        await driver.sees("! stick", "1.0 MB free")
        await driver.press("plus")
        await driver.sees("There is no room: 2.0 MB are needed, 1.0 MB are free there.", "> Close")
        await driver.press("right", "enter")
        await driver.sees("[Bundles]")
        assert [] == [r for r in engine.requests if r.kind is RunKind.TAKE]


async def test_the_bundle_under_the_cursor_and_its_images(
    config: Path, engine: FakeEngine, stick: TestStick
) -> None:
    other = write_bundle(stick.path / "zz.tar", sample_images()[:1])
    async with opened(config, engine, media=stick.media) as driver:
        await to_bundles(driver)
        await driver.sees("2 new bundles")
        await driver.press("up", "end")
        await driver.sees("> . zz.tar")
        await driver.press("enter")
        await driver.sees("quay.io/calico/node:v3.20.0", "linux/amd64")
        await driver.press("escape", "plus")
        await driver.sees("Take this bundle", "zz.tar")
        await driver.press("right", "enter")
        await driver.until(lambda: engine.requests[-1].bundles == (other,))


async def test_enter_on_a_stick_takes_all_of_it(
    config: Path, engine: FakeEngine, stick: TestStick
) -> None:
    write_bundle(stick.path / "zz.tar", sample_images()[:1])
    async with opened(config, engine, media=stick.media) as driver:
        await to_bundles(driver)
        await driver.press("up", "end", "up", "up")
        await driver.sees("> + stick", "Enter take")
        await driver.press("enter")
        await driver.sees("Take these 2 bundles from the stick?")


async def test_parts_that_are_missing_are_not_taken(
    config: Path, engine: FakeEngine, stick: TestStick
) -> None:
    parts = split(stick.new.read_bytes(), stick.path / "big.tar.gz", 4)
    parts[1].unlink()
    async with opened(config, engine, media=stick.media) as driver:
        await to_bundles(driver)
        await driver.sees("big.tar.gz (3 parts)", "part .01 is missing", "1 new bundle")
        await driver.press("up", "end", "up")
        await driver.sees("> x big.tar.gz")
        assert "+ take" not in driver.text


async def test_a_stick_that_is_put_in_later_or_pulled(
    config: Path, engine: FakeEngine, stick: TestStick
) -> None:
    away = stick.path.rename(stick.path.with_name("away"))
    async with opened(config, engine, media=stick.media) as driver:
        await to_bundles(driver)
        await driver.sees("x stick", "cannot be read: No such file")
        away.rename(stick.path)
        await driver.press("r")
        await driver.sees("1 new bundle")


async def test_a_stick_that_hangs_does_not_hold_up_the_rest(
    config: Path, engine: FakeEngine, stick: TestStick, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake, because no file system here can be made to hang in a listing."""
    go_on = threading.Event()

    def hanging(found: Stick) -> OnStick:
        go_on.wait()
        return OnStick(found)

    monkeypatch.setattr(media_module, "_looked", hanging)
    media = stick.media
    media.answer_s = 0.05
    async with opened(config, engine, media=media) as driver:
        await to_bundles(driver)
        await driver.sees("extra.tar", "does not answer", "imgs-v-1.tar.gz")
    go_on.set()


async def test_imagesdir_is_made_by_the_first_take(config: Path, stick: TestStick) -> None:
    async with opened(config, FakeEngine(), media=stick.media) as driver:
        await driver.press("down")
        await walk_to(driver, "Hosts")
        shutil.rmtree(config.parent / "imgs")
        await driver.press("n")
        await driver.sees("imagesDir is not there yet", "1 new bundle")
        await driver.press("plus")
        await driver.sees("Take this bundle")


async def test_hostile_names_on_a_stick(config: Path, engine: FakeEngine, tmp_path: Path) -> None:
    stick = TestStick(tmp_path)
    evil = os.fsdecode(b"[red]\x1b[2J\xff\n\t" + "界".encode() * 20 + b"[].tar")
    write_bundle(stick.path / evil, sample_images()[:1])
    (stick.path / f"{evil}.txt").write_text("no bundle")
    folder = stick.path / "[bold]\x1b[31m folder"
    folder.mkdir()
    write_bundle(folder / "b.tar", sample_images()[1:2])
    for size in ((80, 24), (130, 40)):
        async with opened(config, engine, media=stick.media, size=size) as driver:
            await to_bundles(driver)
            await driver.sees("4 new bundles", "[red]?[2J")
            for key in ("up", "home", *["down"] * 6):
                await driver.press(key)
                assert "\x1b" not in driver.text
            await driver.press("plus")
            await driver.sees("from the stick?")
            assert "\x1b" not in driver.text


async def test_filter(config: Path, engine: FakeEngine, stick: TestStick) -> None:
    async with opened(config, engine, media=stick.media) as driver:
        await to_bundles(driver)
        await driver.press("up", "slash", *"extra")
        await driver.sees("1 of 3", "extra.tar")
        await driver.until(lambda: "release-5.3" not in driver.text)
        await driver.press("escape")
        await driver.sees("release-5.3")


def test_the_stick_s_bundle_has_the_identity_of_its_copy(stick: TestStick, tmp_path: Path) -> None:
    copy = tmp_path / stick.new.name
    shutil.copy2(stick.new, copy)
    assert bundle_file(stick.new).key == bundle_file(copy).key
