"""Every screen and box as it was last looked at: 80x24 and 120x40, in colour, without, in ASCII.

After a change that is meant, have them written anew, and read the difference before it is kept:

    AIRFERRY_UPDATE_SNAPSHOTS=1 .venv/bin/pytest tests/tui/walks/test_snapshots.py && git diff
"""

from __future__ import annotations

import fcntl
import shutil
import socket
import time
from collections import namedtuple
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from core.engine.journal import LogLine
from core.engine.request import RunKind, RunRequest
from tests.tui.driving import opened
from tests.tui.fake_engine import FakeEngine
from tests.tui.recording import read_recording
from tests.tui.replay import RecordedEngine, recorded_site
from tests.tui.screens.test_changing import STAYS, changing
from tests.tui.shots import ReplayLauncher
from tests.tui.snapshot import NOW, SIZES, SNAPSHOTS, UPDATE, difference, snapshot
from tests.tui.stops import AT_WORK, CHANGING, ENDED, FAILED, Stop, go
from tui.model.launch import Launcher

Usage = namedtuple("Usage", ("total", "used", "free"))
ROOM = Usage(100_000_000_000, 62_000_000_000, 38_000_000_000)
BUSY = 0.07
"""The part of the recorded install after which most is at work at once."""
PORT = "registryPort: 5817"
"""A port that no lab and no site has: whether something answers there is on the screens."""


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a directory whose name is always the same, on a machine that is always the same."""
    base = Path("/tmp/airferry-screens")  # its name is on the screens; one test at a time has it
    with Path(f"{base}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(base, ignore_errors=True)
        base.mkdir()
        for name, value in (("HOME", str(base)), ("TZ", "UTC")):
            monkeypatch.setenv(name, value)
        time.tzset()
        monkeypatch.setattr(time, "time", lambda: NOW)
        monkeypatch.setattr(socket, "gethostname", lambda: "du-01")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: ROOM)
        monkeypatch.setattr("tui.widgets.frame.__version__", "1.0")
        yield base
        shutil.rmtree(base)
    monkeypatch.undo()
    time.tzset()


def site(directory: Path, name: str, *kinds: RunKind, held: bool = False) -> tuple[Path, Launcher]:
    """Return the config of a recorded site on which some runs were made, and their engine."""
    recording = read_recording(name)
    config = recorded_site(directory / "site", recording)
    config.write_text(recording.config.replace("registryPort: 5100", PORT))
    engine = RecordedEngine(recording, lambda: NOW, BUSY)
    if held:
        engine.holds = frozenset({RunKind.INSTALL})
    for kind in kinds:
        engine.start(RunRequest(kind, config))
    return config, engine


async def compare(config: Path, launcher: Launcher, stops: Sequence[Stop]) -> None:
    """Go from stop to stop and compare each with what is kept."""
    differences = []
    async with opened(config, launcher) as driver:
        for stop in stops:
            await go(driver, stop)
            for size in SIZES if stop.name else ():
                await driver.pilot.resize_terminal(*size)
                name = f"{stop.name}-{size[0]}x{size[1]}"
                differences.append(difference(name, await snapshot(driver)))
            await driver.pilot.resize_terminal(*SIZES[0])
    found = "\n".join(filter(None, differences))
    assert not found, f"the screens are others; if that is meant: {UPDATE}=1\n{found}"


async def test_a_site_whose_run_has_ended(directory: Path) -> None:
    config, _ = site(directory, "du", RunKind.CHECK, RunKind.PLAN, RunKind.INSTALL)
    await compare(config, ReplayLauncher(), ENDED)


async def test_a_run_at_work(directory: Path) -> None:
    config, engine = site(directory, "du", RunKind.PLAN, RunKind.INSTALL, held=True)
    await compare(config, engine, AT_WORK)


async def test_a_host_that_cannot_be_reached(directory: Path) -> None:
    config, engine = site(directory, "failed", RunKind.INSTALL)
    await compare(config, engine, FAILED)


async def test_a_site_that_differs_from_its_config(directory: Path) -> None:
    config, _ = site(directory, "du", RunKind.INSTALL)
    config.write_text(config.read_text().replace("Type: du", "Type: none"))
    engine = FakeEngine(changing)
    engine.log = [LogLine(0, NOW, "du", "registry.stop", "fact", f"stays: {STAYS}")]
    await compare(config, engine, CHANGING)


def test_no_snapshot_is_of_a_screen_that_is_gone() -> None:
    names = [stop.name for stop in (*ENDED, *AT_WORK, *FAILED, *CHANGING) if stop.name]
    wanted = {f"{name}-{width}x{height}.txt" for name in names for width, height in SIZES}
    assert wanted == {path.name for path in SNAPSHOTS.iterdir()}
