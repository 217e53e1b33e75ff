"""Opening the screens: the command line, what the terminal can do, and only then Textual."""

from __future__ import annotations

import argparse
import locale
import os
import sys
from collections.abc import Sequence

from core.config import find_config
from core.errors import AirferryError
from tui.launch import Launcher
from tui.site import Site
from tui.terminal import MIN_HEIGHT, MIN_WIDTH, examine, is_slow_line, prepare, size_of, too_small

HEADLESS = "The same without screens: airferry plan, airferry install, airferry --help"


def open_screens(arguments: Sequence[str], launcher: Launcher | None = None) -> int:
    """Open the screens and return the exit code.

    Args:
        arguments: The command line without the program.
        launcher: What starts runs; the engine where none is given.
    """
    options = _parser().parse_args(arguments)
    try:
        site = Site(find_config(options.config), launcher)
        site.reader.runs()
    except AirferryError as error:
        return _refuse(f"{error.what} [{error.code}]\n  {error.remedy}")
    except PermissionError as error:
        return _refuse(f"{error.filename}: {error.strerror}\n  Run it as the user that owns it.")
    reason = _unfit()
    if reason:
        return _refuse(f"{reason}\n  {HEADLESS}")
    terminal = examine(
        os.environ,
        locale.getpreferredencoding(do_setlocale=False),
        ascii_only=options.ascii_only,
        slow=options.slow or is_slow_line(sys.stdout.fileno()),
    )
    prepare(os.environ, terminal)
    from tui.app import AirferryApp  # after prepare(): Textual reads the environment on import

    app = AirferryApp(site, terminal)
    words = app.run(mouse=not terminal.slow)
    if words:
        print(words)
    return app.return_code or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="airferry",
        description="Opens the screens. For work without them, see: airferry --help",
    )
    parser.add_argument("--config", metavar="FILE", help="the config (default: airctl-config.yaml)")
    characters = parser.add_mutually_exclusive_group()
    characters.add_argument(
        "--ascii",
        dest="ascii_only",
        action="store_true",
        default=None,
        help="no character outside ASCII",
    )
    characters.add_argument(
        "--unicode", dest="ascii_only", action="store_false", help="all characters"
    )
    parser.add_argument("--slow", action="store_true", help="few repaints, for slow lines")
    return parser


def _unfit() -> str:
    """Return why no screens can be opened here, or nothing."""
    # Textual draws on standard error, so that standard output can be redirected.
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        return "The screens need a terminal."
    if os.environ.get("TERM", "") == "dumb":
        return "TERM=dumb: this terminal cannot show screens."
    columns, lines = size_of(sys.stdout.fileno())
    if not columns or not lines:
        # A serial console does not know its size; Textual would take 80x25 and lose a line.
        os.environ.setdefault("COLUMNS", str(MIN_WIDTH))
        os.environ.setdefault("LINES", str(MIN_HEIGHT))
    return too_small(columns, lines)


def _refuse(words: str) -> int:
    print(f"airferry: {words}", file=sys.stderr)
    return 2
