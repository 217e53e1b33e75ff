"""Bundles: what lies there, what is in each, and what cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

from core.bundle.catalogue import Catalogue
from core.bundle.discovery import bundle_file
from core.config import load_config
from core.engine.request import RunKind, RunRequest
from tests.support.archives import docker_archive, sample_images
from tests.support.platforms import split
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
        await driver.sees("! imagesDir is not there yet", "Esc, to Config")
        away.rename(images)
        await driver.press("r")
        await driver.sees("2 bundles", "extra.tar")


async def test_check_tells_how_it_ended_and_the_result_stays(
    config: Path, engine: FakeEngine
) -> None:
    extra = config.parent / "imgs" / "extra.tar"
    data = bytearray(extra.read_bytes())
    data[1_000_000] ^= 1  # within a layer: only a check sees that
    extra.write_bytes(data)
    async with opened(config, engine) as driver:
        await walk_to(driver, "Bundles")
        await driver.press("up", "home", "c", "down", "c")
        await driver.sees("= docker-imgs-v-1.tar.gz", "checked, whole", "x extra.tar")
        await driver.sees("layer 1 of 2 is damaged")
        await driver.press("r")
        await driver.sees("checked, whole", ". extra.tar")
    async with opened(config, engine) as driver:
        await walk_to(driver, "Bundles")
        await driver.sees("= docker-imgs-v-1.tar.gz", "checked, whole")


async def test_esc_stops_reading_and_only_then_goes_back(config: Path, engine: FakeEngine) -> None:
    parts = split(b"x" * 3000, config.parent / "imgs" / "slow.tar", 3)
    parts[1].unlink()
    os.mkfifo(parts[1])  # nobody writes into it: reading it never comes to an end
    data = docker_archive(sample_images())
    parts[0].write_bytes(data[:1_000_000])
    async with opened(config, engine) as driver:
        await walk_to(driver, "Bundles")
        await driver.press("up", "end")
        await driver.sees("> . slow.tar (3 parts)")
        await driver.press("enter")
        await driver.sees("> > slow.tar (3 parts)", "reading", "Esc stop reading")
        await driver.sees("1.0 MB of 1.0 MB", "Esc stops it")
        await driver.press("escape")
        await driver.sees("> . slow.tar (3 parts)", "not read yet", "Esc back")
        await driver.press("escape")
        await driver.sees("[Hosts]")


async def test_import_alone_is_reviewed_without_the_hosts(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await walk_to(driver, "Bundles")
        await driver.press("i")
        await driver.sees("[Review]", "Start?")
        assert RunRequest(RunKind.PLAN, config, here_only=True) == engine.requests[-1]
        await driver.press("right", "enter")
        await driver.sees("[Run]")
        assert RunRequest(RunKind.IMPORT, config) == engine.requests[-1]


async def test_without_a_registry_nothing_is_imported_alone(
    config: Path, engine: FakeEngine
) -> None:
    config.write_text("privateRegistryType: none\nimagesDir: imgs\nstateDir: state\n")
    async with opened(config, engine) as driver:
        await walk_to(driver, "Bundles")
        assert "i import" not in driver.text
        assert "g registry" not in driver.text
        await driver.press("i", "g")
        await driver.sees("[Bundles]", "extra.tar")


async def test_a_bundle_beside_the_list_where_there_is_room(
    config: Path, engine: FakeEngine
) -> None:
    async with opened(config, engine, size=(130, 40)) as driver:
        await walk_to(driver, "Bundles")
        await driver.press("up", "home", "down", "enter")
        await driver.sees("linux/amd64")
        await driver.press("escape")
        await driver.sees(
            "|   extra.tar", "|   . read, not imported", "quay.io/calico/node:v3.20.0"
        )
