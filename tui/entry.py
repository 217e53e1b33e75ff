"""The program `airferry`: a command runs headless; without one the screens open."""

from __future__ import annotations

import sys

from core.cli import main as run_command

_SCREEN_OPTIONS = ("--config", "--ascii", "--unicode", "--slow")


def main() -> int:
    """Choose between the screens and a headless command."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0].partition("=")[0] in _SCREEN_OPTIONS:
        from tui.start import open_screens  # textual takes 0.3 s to import: not for a command

        return open_screens(arguments)
    return run_command(arguments)
