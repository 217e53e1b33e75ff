"""Bundles: what lies there, what is in each, and what cannot be read."""

from __future__ import annotations

from pathlib import Path

from core.bundle import Catalogue, bundle_file
from core.config import load_config
from tests.tui.driving import opened, walk_to
from tests.tui.fake_engine import FakeEngine


async def test_bundle_is_read_when_it_is_opened(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Bundles")
        await driver.press("up", "home")
        await driver.sees("> . docker-imgs-v-1.tar.gz", "not read yet")
        await driver.press("enter")
        await driver.sees("[Bundles]", "linux/amd64", "to send, about")
        await driver.press("escape")
        await driver.sees("read, not imported")
    file = bundle_file(config.parent / "imgs" / "docker-imgs-v-1.tar.gz")
    assert Catalogue(load_config(config).state_dir).find(file) is not None


async def test_broken_bundle_says_so(config: Path, engine: FakeEngine) -> None:
    path = config.parent / "imgs" / "extra.tar"
    path.write_bytes(path.read_bytes()[:5000])
    async with opened(config, engine) as driver:
        await walk_to(driver, "Bundles")
        await driver.press("up", "home", "down", "enter")
        await driver.sees("> x extra.tar")


async def test_missing_directory_is_told_and_looked_at_again(
    config: Path, engine: FakeEngine
) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Hosts")
        images = config.parent / "imgs"
        away = images.rename(config.parent / "away")
        await driver.press("n")
        await driver.sees("x cannot be listed", "No such file")
        away.rename(images)
        await driver.press("r")
        await driver.sees("2 bundles", "extra.tar")


async def test_start_tells_of_missing_bundles(config: Path, engine: FakeEngine) -> None:
    config.write_text("imagesDir: nowhere\nstateDir: state\n")
    async with opened(config, engine) as driver:
        await driver.sees("x bundles", "cannot be read")
