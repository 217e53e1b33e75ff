"""Start: what was found, and that the first thing offered is the next thing to do."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from core.bundle import media as media_module
from core.bundle.media import OnStick, Stick
from core.config import Config, load_config
from core.engine.journal import State, TaskRow
from core.engine.request import RunKind, RunRequest
from core.errors import HostUnreachable
from tests.tui.driving import Driver, opened
from tests.tui.fake_engine import FakeEngine, failed, hosts_of, task, well
from tests.tui.sticks import TestStick
from tui.widgets.line_list import LineList


@pytest.fixture
def stick(tmp_path: Path) -> TestStick:
    return TestStick(tmp_path)


def menu(driver: Driver) -> list[str]:
    """Return the words of the choices."""
    lines = driver.text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(" Next"))
    shown = [line.strip(" >") for line in lines[start + 1 : -2]]
    return [line.split("  ")[0] for line in shown if line]


async def test_bundles_of_a_stick_are_the_next_thing(
    config: Path, engine: FakeEngine, stick: TestStick
) -> None:
    async with opened(config, engine, media=stick.media) as driver:
        await driver.sees("+ stick", "AIR FERRY", "1 new bundle, 2.0 MB")
        await driver.sees("> Take the bundles from the stick", "1 bundle, 2.0 MB, into imagesDir")
        assert ["Take the bundles from the stick", "Set up or change this site"] == menu(driver)[:2]
        await driver.press("enter")
        await driver.sees("Take this bundle from the stick?", "> No")
        await driver.press("right", "enter")
        await driver.sees("[Run]")
        assert RunRequest(RunKind.TAKE, config, bundles=(stick.new,)) == engine.requests[-1]


async def test_a_copy_that_went_well_hides_no_failed_hosts(config: Path) -> None:
    def one_fails(request: RunRequest, site: Config) -> list[TaskRow]:
        if request.kind is RunKind.TAKE:
            return [task("du", "bundle.take:x", State.DONE)]
        host = hosts_of(request, site)[0]
        rows = [row for row in well(request, site) if row.target != host]
        return [*rows, failed(host, "connect", HostUnreachable(f"{host}: no route"))]

    engine = FakeEngine(one_fails)
    engine.start(RunRequest(RunKind.INSTALL, config))
    engine.start(RunRequest(RunKind.TAKE, config, bundles=(config,)))
    engine.start(RunRequest(RunKind.PLAN, config))
    async with opened(config, engine) as driver:
        await driver.sees("> Retry 1 host not ready", "2 of 3 hosts ready, 1 not")
        await driver.sees("Look at the last run", "run 1, ", "install")


async def test_a_copy_that_failed_is_the_last_run(config: Path) -> None:
    def fails(_: RunRequest, __: Config) -> list[TaskRow]:
        return [failed("du", "bundle.take:x", HostUnreachable("x"))]

    engine = FakeEngine(fails)
    engine.start(RunRequest(RunKind.TAKE, config, bundles=(config,)))
    async with opened(config, engine) as driver:
        await driver.sees("x last run", "take", "failed", "run 1, ")


async def test_a_run_at_work_comes_before_everything(
    config: Path, engine: FakeEngine, stick: TestStick
) -> None:
    engine.holds = frozenset({RunKind.INSTALL})
    run = engine.start(RunRequest(RunKind.INSTALL, config))
    rows = well(RunRequest(RunKind.INSTALL, config), load_config(config))
    engine.write(load_config(config).state_dir, run, rows[:2])
    async with opened(config, engine, media=stick.media) as driver:
        await driver.sees("Run 1 is at work since", " %.", "> Watch the run", "Leave it alone")
        assert "Take the bundles" not in driver.text


async def test_a_stick_is_noticed_when_it_is_put_in_and_pulled_out(
    config: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    stick = TestStick(tmp_path, is_in=False)
    async with opened(config, engine, media=stick.media) as driver:
        assert "AIR FERRY" not in driver.text
        stick.put_in()
        await driver.sees("Take the bundles from the stick", "> Set up or change this site")
        stick.pull_out()
        await driver.until(lambda: "AIR FERRY" not in driver.text)
        await driver.sees("> Set up or change this site")


async def test_what_stands_under_the_cursor_stays_there(
    config: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    """Who is about to press Enter on one line shall not press it on another."""
    stick = TestStick(tmp_path, is_in=False)
    async with opened(config, engine, media=stick.media) as driver:
        await driver.press("end")
        await driver.sees("> Leave")
        stick.put_in()
        await driver.sees("Take the bundles from the stick")
        await driver.sees("> Leave")


async def test_a_stick_that_hangs_does_not_hold_up_the_start(
    config: Path, engine: FakeEngine, stick: TestStick, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake, because no file system here can be made to hang in a listing."""
    go_on = threading.Event()

    def hanging(found: Stick) -> OnStick:
        go_on.wait()
        return OnStick(found)

    monkeypatch.setattr(media_module, "_looked", hanging)
    async with opened(config, engine, media=stick.media) as driver:
        await driver.sees("> stick", "does not answer", "> Set up or change this site")
        go_on.set()
        await driver.sees("no bundle on it")


async def test_many_sticks_leave_room_for_the_choices(
    config: Path, engine: FakeEngine, stick: TestStick
) -> None:
    for number in range(4):
        stick.also_in(f"other-{number}")
    async with opened(config, engine, media=stick.media) as driver:
        await driver.sees("and 3 more sticks", "Leave")


async def test_a_site_without_any_bundle(config: Path, engine: FakeEngine) -> None:
    config.write_text("imagesDir: nowhere\nstateDir: state\n")
    async with opened(config, engine) as driver:
        await driver.sees("! bundles", "not there yet", "a stick with bundles can be put in")


async def test_nothing_is_there_at_all(tmp_path: Path, engine: FakeEngine) -> None:
    stick = TestStick(tmp_path)
    async with opened(tmp_path / "new.yaml", engine, media=stick.media) as driver:
        await driver.sees("! config", "not there yet", "> Set up this site", "1 new bundle")
        assert "Take" not in driver.text


async def test_the_cursor_is_in_the_box_and_back_when_it_has_closed(
    config: Path, engine: FakeEngine
) -> None:
    async with opened(config, engine) as driver:
        await driver.sees("> Set up or change this site")
        await driver.press("down")
        app = driver.app
        in_menu = app.screen.query_one("#menu", LineList).cursor_place
        await driver.until(lambda: in_menu() == app.cursor_position)
        await driver.press("ctrl+p")
        await driver.sees("Commands")
        in_box = app.screen.query_one(LineList).cursor_place
        await driver.until(lambda: in_menu() != in_box() == app.cursor_position)
        await driver.press("escape")
        await driver.until(lambda: in_menu() == app.cursor_position)
