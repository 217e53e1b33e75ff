"""From an empty machine to Done in all three modes, with keys only, on what real runs wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config import load_config
from core.engine.request import RunKind, RunRequest
from tests.tui.driving import Driver, opened, to_key
from tests.tui.recording import Recording, read_recording
from tests.tui.replay import RecordedEngine, recorded_site, site_files

EMPTY = "imagesDir: imgs\nstateDir: state\nregistryDir: registry\n"
PASTED = "worker-01 10.20.0.11\n10.20.0.12, worker-02\nworker-03 10.20.0.13\n"
SIZES = ((120, 40), (60, 20), (80, 24))
TOO_SMALL = "The screens need 80 columns"


async def resized(driver: Driver, *words: str) -> None:
    """Make the terminal larger, too small, and as before: these words are there when they fit."""
    for size in SIZES:
        await driver.pilot.resize_terminal(*size)
        if size < (80, 24):
            await driver.sees(TOO_SMALL)
        else:
            await driver.until(lambda: TOO_SMALL not in driver.text)
            await driver.sees(*words)


async def choose_mode(driver: Driver, mode: str) -> None:
    """Choose a mode on Mode, and fill in what it needs on Config."""
    await driver.press("enter")
    await driver.sees("[Mode]", "> none")
    await driver.press(*["down"] * ["none", "du", "custom"].index(mode))
    await driver.sees(f"> {mode}")
    await resized(driver, f"> {mode}")
    await driver.press("enter")
    await driver.sees("[Config]", "mode")
    if mode == "custom":
        await driver.sees("is needed in mode custom")
        await to_key(driver, "registry")
        await driver.press("enter")
        await driver.paste("registry.site:5000/site")
        await resized(driver, "registry.site:5000/site", "Esc stop typing")
        await driver.press("enter")
    await driver.press("n")
    if mode != "none":
        await driver.sees("Save these changes?", f"+privateRegistryType: {mode}")
        await driver.press("enter")
    await driver.sees("[Hosts]", "No hosts yet")


async def paste_hosts(driver: Driver) -> None:
    """Paste the hosts, look at what was understood, and have them tested."""
    await driver.press("p")
    await driver.sees("Paste or type hosts")
    await driver.paste(PASTED)
    await driver.sees("3 hosts understood")
    await driver.press("ctrl+o")
    await driver.sees("3 hosts: 3 ok", "Debian 12, no Docker")


@pytest.mark.parametrize("mode", ["du", "none", "custom"])
async def test_from_an_empty_machine_to_done(tmp_path: Path, mode: str) -> None:
    recording = read_recording(mode)
    config = site_files(tmp_path / "site", recording)
    config.write_text(EMPTY)
    engine = RecordedEngine(recording)
    engine.holds = frozenset({RunKind.INSTALL})
    async with opened(config, engine) as driver:
        await driver.sees("mode none, 0 hosts", "2 bundles")
        await choose_mode(driver, mode)
        await paste_hosts(driver)
        await driver.press("n")
        await driver.sees("[Bundles]", "docker-imgs-v-5.2.0-1549281.tar.gz", "extra-calico.tar")
        await driver.press("n")
        await driver.sees("[Review]", "3 can be done", "install Docker", "Start?   > No")
        assert RunKind.INSTALL not in [request.kind for request in engine.requests]
        await driver.press("right", "enter")
        await driver.sees("[Run]", "3 hosts:  3 at work")
        await resized(driver, "worker-02", "3 at work")
        await driver.press("slash")
        await driver.paste("worker-02")
        await driver.sees("1 of 4")
        await resized(driver, "worker-02", "1 of 4")
        assert "worker-03" not in driver.text
        await driver.press("enter", "d")
    assert driver.app.return_value is not None
    await reattached(config, engine)


async def reattached(config: Path, engine: RecordedEngine) -> None:
    """Open the screens anew on a run at work, and see it end."""
    state_dir = load_config(config).state_dir
    async with opened(config, engine) as driver:
        await driver.sees("> Watch the run that is at work")
        await driver.press("enter")
        await driver.sees("[Run]", "3 hosts:  3 at work")
        run = engine.at_work(state_dir)
        assert run is not None
        engine.go_on(state_dir, run.id)
        await driver.sees("All hosts are ready.", "3 of 3 ready")
        await driver.press("escape")
        await driver.sees("100 %", "3 done")
        await driver.press("escape")
        await driver.sees("[Start]", "3 of 3 hosts ready")
        await driver.press("q")
    assert 0 == driver.app.return_code


@pytest.fixture
def broken() -> Recording:
    """The recording in which worker-03 was switched off until its retry."""
    return read_recording("failed")


async def test_a_host_that_was_off_is_retried_alone(tmp_path: Path, broken: Recording) -> None:
    config, engine = recorded_site(tmp_path / "site", broken), RecordedEngine(broken)
    async with opened(config, engine) as driver:
        await driver.press("enter", "enter", "n")
        await driver.sees("[Hosts]", "x worker-03", "2 ok", "E-SSH-ROUTE")
        await driver.press("n", "n")
        await driver.sees("[Review]", "2 can be done, 1 cannot", "x worker-03", "no route to host")
        await resized(driver, "2 can be done, 1 cannot", "> No")
        await driver.press("right", "enter")
        await driver.sees("2 of 3 hosts ready.  1 not.", "[E-SSH-ROUTE]", "> Retry worker-03")
        await resized(driver, "2 of 3 hosts ready", "> Retry worker-03")
        await driver.press("escape")
        await driver.sees("1 failed", "> x worker-03")
        await driver.press("enter")
        await driver.sees("worker-03   run 3", "1 connect", "not tried, because connect failed")
        await resized(driver, "worker-03   run 3", "not tried, because connect failed")
        await driver.press("r")
        await driver.sees("The host is ready.", "run 4, configure-hosts")
    retry = RunRequest(RunKind.CONFIGURE_HOSTS, config, hosts=("worker-03",))
    assert retry == engine.requests[-1]


async def test_a_host_that_was_off_is_retried_from_start(tmp_path: Path, broken: Recording) -> None:
    config, engine = recorded_site(tmp_path / "site", broken), RecordedEngine(broken)
    engine.start(RunRequest(RunKind.INSTALL, config))
    async with opened(config, engine) as driver:
        await driver.sees("> Retry 1 host not ready", "(worker-03)", "2 of 3 hosts ready, 1 not")
        await driver.press("enter")
        await driver.sees("[Review]", "1 host", "1 can be done", "Start?")
        await driver.press("right", "enter")
        await driver.sees("The host is ready.")
        await driver.press("escape", "escape")
        await driver.sees("[Start]", "1 of 1 host ready")
        assert "Retry" not in driver.text
