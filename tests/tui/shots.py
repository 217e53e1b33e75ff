"""Pictures of every screen: while a run is at work, and when it has ended.

Taken by `python -m tests.tui.shots live|ended CONFIG DIR`. Nothing is started for it: where a
screen would start a run, the newest run of that kind in the journal is shown instead (one that
ended well, if there is any). A site without a dry run is asked what is missing: that changes
nothing.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import resvg_py

from core.engine.journal import JournalReader, RunRow, State
from core.engine.launcher import start_run, true_state
from core.engine.request import CHANGING, RunKind, RunRequest
from core.errors import UsageError
from core.secrets import Secrets
from tests.tui.stops import AT_WORK, ENDED, FAILED, Stop, go
from tui.model.launch import EngineLauncher, Launcher
from tui.model.site import Site
from tui.terminal.capabilities import Terminal, prepare

if TYPE_CHECKING:
    from tests.tui.driving import Driver

# The exported SVG fetches its font from the net, which a site does not have.
_FONT_FACE = re.compile(r"@font-face\s*\{.*?\}", re.DOTALL)
FONT = "DejaVu Sans Mono"
FONT_DIRECTORY = Path("/usr/share/fonts")
PNG_WIDTH = 1100


class ReplayLauncher:
    """Starts no work: answers with the newest run of the kind that is asked for."""

    def start(self, request: RunRequest, secrets: Secrets) -> int:
        state_dir = Site(request.config).config.state_dir
        kinds = CHANGING if request.kind in CHANGING else (request.kind,)
        runs = [run for run in JournalReader(state_dir).runs() if run.kind in kinds]
        for run in (*(run for run in runs if run.state is State.DONE), *runs):
            return run.id
        if request.kind.changes_things:
            raise UsageError(f"no run of kind {request.kind} in the journal to show")
        return start_run(request, secrets)

    def at_work(self, state_dir: Path) -> RunRow | None:  # noqa: ARG002
        return None

    def true_state(self, run: RunRow, state_dir: Path) -> State:
        return true_state(run, state_dir)

    def cancel(self, run: RunRow, state_dir: Path) -> bool:  # noqa: ARG002
        return False

    def pause(self, run: RunRow, state_dir: Path) -> bool:  # noqa: ARG002
        return False

    def resume(self, run: RunRow, state_dir: Path) -> bool:  # noqa: ARG002
        return False

    def try_again(self, run: RunRow, state_dir: Path, hosts: Sequence[str]) -> bool:  # noqa: ARG002
        return False


async def take(config: Path, directory: Path, size: tuple[int, int] = (80, 24)) -> list[Path]:
    """Write one SVG for each screen of a site whose run has ended, and return them.

    Args:
        config: The site.
        directory: Where they go; made if it is not there.
        size: Columns and lines of the terminal.
    """
    return await _take(config.absolute(), ReplayLauncher(), ENDED, directory, size)


async def take_live(config: Path, directory: Path, size: tuple[int, int] = (80, 24)) -> list[Path]:
    """Write pictures of the run that is at work on a site; it goes on undisturbed."""
    return await _take(config.absolute(), EngineLauncher(), AT_WORK, directory, size)


async def take_failed(directory: Path, size: tuple[int, int] = (80, 24)) -> list[Path]:
    """Write pictures of a run that failed on one host; it was recorded on the lab."""
    prepare(os.environ, Terminal())
    from tests.tui.recording import read_recording
    from tests.tui.replay import RecordedEngine, recorded_site

    recording, base = read_recording("failed"), Path(tempfile.gettempdir(), "airferry-pictures")
    base.mkdir()
    try:
        config, engine = recorded_site(base, recording), RecordedEngine(recording)
        engine.start(RunRequest(RunKind.INSTALL, config))
        return await _take(config, engine, FAILED, directory, size)
    finally:
        shutil.rmtree(base)


async def _take(
    config: Path,
    launcher: Launcher,
    stops: Sequence[Stop],
    directory: Path,
    size: tuple[int, int],
) -> list[Path]:
    prepare(os.environ, Terminal())
    from tests.tui.driving import opened
    from tests.tui.snapshot import at_rest

    directory.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    async with opened(config, launcher, size=size) as driver:
        for stop in stops:
            await go(driver, stop)
            if stop.name:
                await at_rest(driver)
                written.append(_write(driver, directory / f"{stop.name}.svg"))
    return written


def _write(driver: Driver, path: Path) -> Path:
    svg = driver.app.export_screenshot(title="Airferry", simplify=True)
    svg = _FONT_FACE.sub("", svg).replace("Fira Code", FONT)
    path.write_text(svg, encoding="utf-8")
    return path


def _write_png(path: Path) -> None:
    """Write the picture beside an SVG, for viewers that show no SVG."""
    svg = path.read_text(encoding="utf-8")
    png = resvg_py.svg_to_bytes(svg_string=svg, font_files=_font_files(), width=PNG_WIDTH)
    path.with_suffix(".png").write_bytes(bytes(png))


def _font_files() -> list[str]:
    """Return the files of the font; without any the PNGs would show no text.

    Raises:
        UsageError: the font is not installed.
    """
    found = sorted(str(path) for path in FONT_DIRECTORY.rglob(FONT.replace(" ", "") + "*.ttf"))
    if not found:
        raise UsageError(f"the font {FONT} is missing", remedy="Install fonts-dejavu-core.")
    return found


def main(arguments: Sequence[str]) -> int:
    """Take the pictures and print where they are."""
    if len(arguments) != 3 or arguments[0] not in ("live", "ended"):
        print("usage: python -m tests.tui.shots live|ended CONFIG DIR", file=sys.stderr)
        return 2
    config, directory = (Path(argument) for argument in arguments[1:])
    if arguments[0] == "live":
        written = asyncio.run(take_live(config, directory))
    else:
        written = [*asyncio.run(take(config, directory)), *asyncio.run(take_failed(directory))]
    for path in written:
        _write_png(path)
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
