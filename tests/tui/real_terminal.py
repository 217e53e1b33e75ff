"""The program on a real pseudo-terminal, with a fake engine behind its screens."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from core.bundle.media import Media
from tests.support.console import COLUMNS, LINES, Console
from tui.model.launch import Launcher

ENGINE = "AIRFERRY_TEST_ENGINE"
"""Which fake engine: `replay`, `recorded:NAME`, or that of fake_engine where it says nothing."""


class RealTerminal(Console):
    """A terminal with the screens of a site in it, driven by a fake engine (see fake_engine).

    Args:
        config: The site.
        environ: What differs from this process's environment.
        arguments: More of the command line.
        size: Its columns and lines, as the kernel knows them; 0, 0 for a serial console.
    """

    def __init__(
        self,
        config: Path,
        environ: Mapping[str, str],
        *arguments: str,
        size: tuple[int, int] = (COLUMNS, LINES),
    ) -> None:
        argv = [sys.executable, "-m", "tests.tui.real_terminal", "--config", str(config)]
        super().__init__([*argv, *arguments], environ, size=size)


def main() -> int:
    """Open the screens with the engine that the environment names."""
    from tui.start import open_screens

    sticks = Media(mountinfo=Path(os.devnull))
    return open_screens(sys.argv[1:], _engine(os.environ.pop(ENGINE, "")), sticks)


def _engine(named: str) -> Launcher:
    # Imported here: some of these import Textual, which reads the environment that is set later.
    kind, _, name = named.partition(":")
    if kind == "replay":
        from tests.tui.shots import ReplayLauncher

        return ReplayLauncher()
    if kind == "recorded":
        from tests.tui.recording import read_recording
        from tests.tui.replay import RecordedEngine

        return RecordedEngine(read_recording(name))
    from tests.tui.fake_engine import FakeEngine

    return FakeEngine()


if __name__ == "__main__":
    sys.exit(main())
