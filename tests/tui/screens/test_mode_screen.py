"""Mode: what each way needs, and on a site that runs already what a change really does."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
from rich.cells import cell_len

from core.config import Config, Mode, Warm, load_config
from core.engine.journal import State, TaskRow
from core.engine.request import RunKind, RunRequest
from tests.tui.conftest import CONFIG
from tests.tui.driving import opened, walk_to
from tests.tui.fake_engine import FakeEngine, task, well
from tui.model.site import Site
from tui.presenters.modeview import SiteNow, change_words, look_at_site, mode_lines
from tui.terminal.text import day

HERE = Config(Path("/site/config.yaml"))


async def test_new_site_says_that_nothing_is_there(config: Path, engine: FakeEngine) -> None:
    async with opened(config, engine) as driver:
        await driver.press("enter")
        await driver.sees("On this site now  nothing yet; 3 hosts in the config", "5.1 MB here")
        await driver.press("up")
        await driver.sees("none ---")
        assert "Changing to" not in driver.text


async def test_change_is_told_from_what_runs_and_not_from_the_config(
    config: Path, engine: FakeEngine
) -> None:
    engine.start(RunRequest(RunKind.INSTALL, config))
    started = engine_time(config)
    config.write_text(CONFIG.replace("Type: du", "Type: none"))
    async with opened(config, engine) as driver:
        await driver.sees("> Change what runs to the config")
        await driver.press("down")
        await walk_to(driver, "Mode")
        await driver.sees(f"On this site now  du, 3 hosts warmed, last on {started}")
        await driver.sees("Changing to none", "images on hosts stay", "the registry here end")
        await driver.press("down")
        await driver.sees("du ---")
        assert "Changing to" not in driver.text
        await driver.press("down")
        await driver.sees("Changing to custom", "sends the bundles", "what it stores stays")


def engine_time(config: Path) -> str:
    return day(Site(config).reader.runs()[0].started)


def test_hosts_that_failed_or_were_cleaned_are_not_warm(config: Path) -> None:
    def script(request: RunRequest, config: Config) -> list[TaskRow]:
        rows = well(request, config)
        if request.kind is RunKind.INSTALL:
            rows.append(task("worker-03", "images.verify", State.FAILED))
        return rows

    engine, site = FakeEngine(script), load_config(config)
    engine.start(RunRequest(RunKind.INSTALL, config))
    reader = Site(config).reader
    now = look_at_site(reader, site)
    assert (Mode.DU, 2) == (now.mode, now.warmed)
    engine.start(RunRequest(RunKind.CLEAN, config, hosts=("worker-01",)))
    now = look_at_site(reader, site)
    assert (Mode.DU, 1) == (now.mode, now.warmed)


@pytest.mark.parametrize(("before", "after"), list(permutations(Mode, 2)))
@pytest.mark.parametrize("warm", list(Warm))
def test_every_change_fits_the_screen(before: Mode, after: Mode, warm: Warm) -> None:
    config = Config(Path("/site/config.yaml"), registry_base="r" * 90, warm=warm)
    now = SiteNow(before, 500, 0.0, 10**12, 10**13)
    lines = mode_lines(after, config, now)
    assert len(lines) <= 12
    assert [line for line in lines if cell_len(line) > 78] == []
    words = change_words(before, after)
    assert ("tunnels" in words) == (before is Mode.DU)
    assert ("Docker's settings" in words) == (before is Mode.CUSTOM)


def test_needs_of_each_mode() -> None:
    now = SiteNow(bundle_bytes=2_000_000_000, free_bytes=38_000_000_000)
    shown = {mode: mode_lines(mode, HERE, now)[2] for mode in Mode}
    assert shown[Mode.DU].endswith("2.0 GB here (38.0 GB free); port 5100 here, 5001 on hosts")
    assert shown[Mode.NONE].endswith("2.0 GB here (38.0 GB free); room on each host")
    assert "its CA where it has TLS" in shown[Mode.CUSTOM]
