"""Pictures of every screen of a site whose last run has ended.

Taken by `python -m tests.tui.shots CONFIG DIR`. Nothing is started for it: where a screen would
start a run, the newest run of that kind in the journal is shown instead (one that ended well, if
there is any). A site without a dry run is asked what is missing: that changes nothing.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import resvg_py

from core.engine.journal import JournalReader, RunRow, State
from core.engine.launcher import start_run, true_state
from core.engine.request import CHANGING, RunRequest
from core.errors import UsageError
from tui.site import Site
from tui.terminal import Terminal, prepare

if TYPE_CHECKING:
    from tests.tui.driving import Driver

# Keys, what the screen shows when it is there, and the picture's name (none: only a way).
Stop = tuple[Sequence[str], Sequence[str], str]
STOPS: Sequence[Stop] = (
    ((), ("Found", "Leave"), "01-start"),
    (("enter",), ("[Mode]", "choose it when"), "02-mode"),
    (("enter",), ("[Config]", "Next: Hosts"), "03-config"),
    (("up", "enter"), ("stop typing",), "04-config-typing"),
    (("escape", "t"), ("back to the form",), "05-config-text"),
    (("escape", "n"), ("[Hosts]", "Next: Bundles"), "06-hosts"),
    (("a",), ("Add a host",), "07-host-form"),
    (("escape", "n"), ("[Bundles]", "free in"), "08-bundles"),
    (("up", "home", "enter"), ("platform",), "09-bundle"),
    (("escape", "n"), ("[Review]", "No"), "10-review"),
    (("right", "enter"), ("[Run]", "Save report"), "11-done"),
    (("escape",), ("o outcome",), "12-run"),
    (("end", "enter"), ("l whole log",), "13-host"),
    (("f1",), ("The steps of one host",), "14-help"),
)


# The exported SVG fetches its font from the net, which a site does not have.
_FONT_FACE = re.compile(r"@font-face\s*\{.*?\}", re.DOTALL)
FONT = "DejaVu Sans Mono"
FONT_DIRECTORY = Path("/usr/share/fonts")
PNG_WIDTH = 1100


class ReplayLauncher:
    """Starts no work: answers with the newest run of the kind that is asked for."""

    def start(self, request: RunRequest) -> int:
        state_dir = Site(request.config).config.state_dir
        kinds = CHANGING if request.kind in CHANGING else (request.kind,)
        runs = [run for run in JournalReader(state_dir).runs() if run.kind in kinds]
        for run in (*(run for run in runs if run.state is State.DONE), *runs):
            return run.id
        if request.kind.changes_things:
            raise UsageError(f"no run of kind {request.kind} in the journal to show")
        return start_run(request)

    def at_work(self, state_dir: Path) -> RunRow | None:  # noqa: ARG002
        return None

    def true_state(self, run: RunRow, state_dir: Path) -> State:
        return true_state(run, state_dir)

    def cancel(self, run: RunRow, state_dir: Path) -> bool:  # noqa: ARG002
        return False


async def take(config: Path, directory: Path, size: tuple[int, int] = (80, 24)) -> list[Path]:
    """Write one SVG for each screen and return them.

    Args:
        config: The site.
        directory: Where they go; made if it is not there.
        size: Columns and lines of the terminal.
    """
    prepare(os.environ, Terminal())
    from tests.tui.driving import opened

    directory.mkdir(parents=True, exist_ok=True)
    written = []
    async with opened(config.absolute(), ReplayLauncher(), size=size) as driver:
        for keys, words, name in STOPS:
            await driver.press(*keys)
            await driver.sees(*words)
            await driver.until(lambda: "testing.." not in driver.text)
            written.append(_write(driver, directory / f"{name}.svg"))
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
    if len(arguments) != 2:
        print("usage: python -m tests.tui.shots CONFIG DIR", file=sys.stderr)
        return 2
    for path in asyncio.run(take(Path(arguments[0]), Path(arguments[1]))):
        _write_png(path)
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
