"""What the registry holds, on the screen; the registry is a real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.bundle.catalogue import Catalogue
from core.bundle.discovery import bundle_file
from core.config import load_config
from core.engine.lock import engine_lock
from core.registry.api.client import RegistryClient
from tests.support.archives import ImageSpec, layer_tar, sample_images, write_bundle
from tests.support.importing import Importer
from tests.support.ports import free_port
from tests.support.registry import site_registry
from tests.tui.driving import Driver, opened, walk_to
from tests.tui.fake_engine import FakeEngine
from tests.tui.sticks import TestStick

SMALL = ImageSpec(["quay.io/a/small:1", "quay.io/a/small:stable"], [layer_tar(8, 4000)])


@pytest.fixture
def filled(registry_program: None, config: Path, tmp_path: Path) -> Iterator[Path]:
    """The site, whose registry holds a bundle that is in imagesDir and one that is not."""
    assert registry_program is None
    config.write_text(config.read_text().replace("5990", str(free_port())))
    storage = tmp_path / "storage"
    storage.mkdir()
    site = load_config(config)
    gone = write_bundle(tmp_path / "old.tar", [SMALL])
    with site_registry(site, storage) as client:
        for path in (site.images_dir / "docker-imgs-v-1.tar.gz", gone):
            put(client, path, site.state_dir)
        yield config


def put(client: RegistryClient, path: Path, state_dir: Path) -> None:
    state_dir.mkdir(exist_ok=True)
    done = Importer(client, state_dir).put(path)
    Catalogue(state_dir).keep(bundle_file(path), done.bundle)


async def to_holdings(driver: Driver) -> None:
    await walk_to(driver, "Bundles")
    await driver.press("g")
    await driver.sees("in the registry 127.0.0.1:")


async def test_names_sizes_and_where_they_came_from(filled: Path, engine: FakeEngine) -> None:
    async with opened(filled, engine) as driver:
        await to_holdings(driver)
        await driver.sees("6 names", "> = a/small:1", "amd64", "old.tar", "docker-imgs-v-1.ta..")
        await driver.press("s")
        await driver.sees("by size")
        await driver.press("home")
        await driver.sees("> = nginx-like:1.21")
        await driver.press("enter")
        await driver.sees("localhost:5991/nginx-like:1.21", "sha256:", "linux/amd64")


async def test_filter(filled: Path, engine: FakeEngine) -> None:
    async with opened(filled, engine) as driver:
        await to_holdings(driver)
        await driver.press("slash", *"old")
        await driver.sees("2 of 6")
        await driver.press("enter")
        await driver.sees("a/small:stable")
        assert "pause" not in driver.text


async def test_delete_is_asked_with_no_first(filled: Path, engine: FakeEngine) -> None:
    async with opened(filled, engine) as driver:
        await to_holdings(driver)
        await driver.press("home", "delete")
        await driver.sees("Delete from the registry?", "> No", "It came with old.tar")
        await driver.press("enter")
        await driver.sees("6 names")
        await driver.press("delete", "right", "enter")
        await driver.sees("Deleted: a/small:1")
        await driver.press("r")
        await driver.sees("5 names", "> = a/small:stable")


async def test_what_imagesdir_would_bring_back_is_said(filled: Path, engine: FakeEngine) -> None:
    async with opened(filled, engine) as driver:
        await to_holdings(driver)
        await driver.press("end", "delete")
        await driver.sees("docker-imgs-v-1.tar.gz in imagesDir has this name")
        await driver.press("right", "enter")
        await driver.sees("Deleted: pause:latest")
        await driver.press("escape")
        await driver.sees("! docker-imgs-v-1.tar.gz", "registry lacks 1 of 3")


async def test_nothing_is_deleted_while_a_run_is_at_work(filled: Path, engine: FakeEngine) -> None:
    state_dir = load_config(filled).state_dir
    async with opened(filled, engine) as driver:
        await to_holdings(driver)
        with engine_lock(state_dir):
            await driver.press("delete", "right", "enter")
            await driver.sees("is at work", "> Close")
        await driver.press("enter", "r")
        await driver.sees("6 names")


async def test_a_registry_that_does_not_run(config: Path, engine: FakeEngine) -> None:
    config.write_text(config.read_text().replace("5990", str(free_port())))
    async with opened(config, engine) as driver:
        await walk_to(driver, "Bundles")
        await driver.press("g")
        await driver.sees("x The registry cannot be asked.", "does not answer", "Esc, then i")
        assert "Del delete" not in driver.text


async def test_images_of_a_stick_are_new_or_here(
    filled: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    stick = TestStick(tmp_path)
    stick.new.unlink()
    write_bundle(stick.path / "next.tar", [SMALL, *sample_images()[:1], sample_images()[2]])
    other = ImageSpec(["quay.io/a/small:1"], [layer_tar(9, 4000)])
    write_bundle(stick.path / "other.tar", [other])
    async with opened(filled, engine, media=stick.media) as driver:
        await driver.press("down")
        await walk_to(driver, "Bundles")
        await driver.sees("2 new bundles")
        await driver.press("up", "end", "enter")
        await driver.sees("1 image, 20 kB")
        await driver.press("escape", "up", "enter")
        await driver.sees("3 images")
        await driver.press("escape")
        await driver.sees("0 new, 3 here already", "1 new, 0 here already")
        await driver.press("enter")
        await driver.sees("3 images", "0 new, 3 in the registry already")
