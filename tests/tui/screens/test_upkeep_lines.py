"""Maintenance looks after what the registry has stored: check, repair, clear, give room back."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.bundle.catalogue import Catalogue
from core.bundle.discovery import bundle_file
from core.bundle.listing import list_bundle
from core.config import Config, load_config
from core.engine.journal import LogLine, State, TaskRow
from core.engine.request import RunKind, RunRequest
from core.errors import RegistryDamaged
from core.telling import PARTICULAR, Detail, particulars_text
from tests.support.archives import ImageSpec, layer_tar, write_bundle
from tests.tui.conftest import CONFIG
from tests.tui.driving import opened
from tests.tui.fake_engine import FakeEngine, failed, task
from tests.tui.screens.test_maintenance import to_line
from tests.tui.walks.test_hostile_text import EVIL, see_it_safe

DIGEST = f"sha256:{'ab' * 32}"
ROTTEN = RegistryDamaged("1 damaged part in 1 image: calico/node:v3.20.0")


def script(request: RunRequest, config: Config) -> list[TaskRow]:  # noqa: ARG001
    match request.kind:
        case RunKind.REGISTRY_VERIFY:
            return [failed("du", "registry.scan", ROTTEN)]
        case RunKind.PLAN_REPAIR:
            words = "1 damaged part in 1 image: calico/node:v3.20.0; 1 of 1 can be mended"
            return [task("du", "registry.repair", State.MISSING, words, 10**8)]
        case RunKind.REPAIR:
            words = "6 names, every part of them is whole; 1 mended"
            return [task("du", "registry.repair", State.DONE, words)]
        case RunKind.PLAN_KEEP:
            return [
                task("du", "registry.keep", State.MISSING, "2 names of release 5.2.0: a:1, b:1"),
                task("du", "registry.gc", State.MISSING, "1.2 GB that no name needs", 12 * 10**8),
            ]
        case RunKind.PLAN_GC:
            return [task("du", "registry.gc", State.MISSING, "1.2 GB that no name needs")]
        case _:
            return [task("du", "registry.gc", State.DONE, "1.2 GB given back; 2.0 GB left")]


def told(step: str, *found: Detail) -> list[LogLine]:
    return [LogLine(0, 0.0, "du", step, PARTICULAR, particulars_text(found))]


@pytest.fixture
def keeper() -> FakeEngine:
    return FakeEngine(script)


async def test_a_check_finds_rot_and_offers_to_mend_it(config: Path, keeper: FakeEngine) -> None:
    names = ("calico/node:v3.20.0",)
    keeper.log = told(
        "registry.scan", Detail("damaged", DIGEST, 81_000_000, names, f"bundle {EVIL}")
    )
    async with opened(config, keeper) as driver:
        await to_line(driver, "Check the registry")
        await driver.sees("is all that it stores whole? Never done yet")
        await driver.press("enter")
        await see_it_safe(
            driver,
            "The registry is not whole.",
            "E-REG-DAMAGED",
            "x damaged      81.0 MB  calico/node:v3.20.0",
            "Press r: Review shows what can be mended",
            "> Repair",
        )
        assert RunRequest(RunKind.REGISTRY_VERIFY, config) == keeper.requests[-1]
        await driver.press("enter")
        await driver.sees("[Review]", "mend: 1 damaged part", "mended (100.0 MB to read)", "> No")
        assert RunRequest(RunKind.PLAN_REPAIR, config) == keeper.requests[-1]
        await driver.press("right", "enter")
        await driver.sees("Done.", "is whole again", "; 1 mended", "= mended")
        assert RunRequest(RunKind.REPAIR, config) == keeper.requests[-1]
        await driver.press("escape", "escape")
        await to_line(driver, "Check the registry")
        await driver.sees("= Check the registry", "all well")


async def test_another_registry_was_never_checked(config: Path, keeper: FakeEngine) -> None:
    keeper.start(RunRequest(RunKind.REGISTRY_VERIFY, config))
    text = config.read_text(encoding="utf-8")
    base = "custom\nprivateRegistryBase: registry.example.com"
    config.write_text(text.replace("Type: du", f"Type: {base}"), encoding="utf-8")
    async with opened(config, keeper) as driver:
        await to_line(driver, "Check the registry")
        await driver.sees("is all that it stores whole? Never done yet")


async def test_old_bundles_are_cleared_after_review(config: Path, keeper: FakeEngine) -> None:
    keeper.log = told(
        "registry.keep",
        Detail("goes", "a:1", 81_000_000, note="release 5.2.0"),
        Detail("comes back", "b:1", note="with docker-imgs-v-5.2.0-1.tar"),
    )
    async with opened(config, keeper) as driver:
        await to_line(driver, "Clear old bundles")
        await driver.sees("no bundle known")
        await driver.press("enter")
        await driver.sees("How many generations (releases) of bundles stay?")
        await driver.press("enter")
        await driver.sees(
            "[Review]",
            "delete 2 names of release 5.2.0: a:1, b:1",
            "give back 1.2 GB",
            "- goes         81.0 MB  a:1  (release 5.2.0)",
            "! comes back            b:1  (with docker-imgs-v-5.2.0-1.tar)",
            "> No",
        )
        assert RunRequest(RunKind.PLAN_KEEP, config, generations=2) == keeper.requests[-1]
        await driver.press("right", "enter")
        await driver.sees("Done.", "holds the newest bundles only", "1.2 GB given back")
        assert RunRequest(RunKind.KEEP, config, generations=2) == keeper.requests[-1]


async def test_a_number_that_is_none(config: Path, keeper: FakeEngine) -> None:
    async with opened(config, keeper) as driver:
        await to_line(driver, "Clear old bundles")
        await driver.press("enter", "ctrl+u")
        await driver.paste("0")
        await driver.press("enter")
        await driver.sees("0 is no number of generations: 1 or more stay.")
    assert [] == keeper.requests


async def test_how_many_generations_there_are(config: Path, keeper: FakeEngine) -> None:
    site = load_config(config)
    for release in ("5.2.0", "5.3.0"):
        path = site.images_dir / f"docker-imgs-v-{release}-1.tar"
        file = bundle_file(write_bundle(path, [ImageSpec(["a:1"], [layer_tar(1, 1000)])]))
        listed = list_bundle(file)
        Catalogue(site.state_dir).keep(
            file, type(listed)(listed.name, listed.size_bytes, listed.images, imported=True)
        )
    async with opened(config, keeper) as driver:
        await to_line(driver, "Clear old bundles")
        await driver.sees("2 generations")


async def test_room_is_given_back_from_what_the_registry_holds(
    config: Path, keeper: FakeEngine
) -> None:
    async with opened(config, keeper) as driver:
        await to_line(driver, "What the registry holds")
        await driver.press("enter", "g")
        await driver.sees("[Review]", "give back 1.2 GB that no name needs", "> No")
        assert RunRequest(RunKind.PLAN_GC, config) == keeper.requests[-1]
        await driver.press("right", "enter")
        await driver.sees("Done.", "the registry holds nothing that no image needs")


@pytest.mark.parametrize(
    ("mode", "standing", "said"),
    [
        ("custom", "the site's own: cleared up where it runs", "The registry is not Airferry's"),
        ("none", "mode none has no registry", "In mode none there is no registry to look after"),
    ],
)
async def test_registries_that_are_not_ours(
    config: Path, keeper: FakeEngine, mode: str, standing: str, said: str
) -> None:
    base = "privateRegistryBase: 'registry.site:443/x'\n"
    config.write_text(CONFIG.replace("Type: du", f"Type: {mode}") + base)
    async with opened(config, keeper) as driver:
        await to_line(driver, "Clear old bundles")
        await driver.sees(standing)
        await driver.press("enter")
        await driver.sees(said)
    assert [] == keeper.requests
