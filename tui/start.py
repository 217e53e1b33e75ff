"""Opening the screens: the command line, what the terminal can do, and only then Textual."""

from __future__ import annotations

import argparse
import locale
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.bundle.media import Media
from core.config import find_config, new_config_path
from core.errors import AirferryError, ConfigError
from tui.model.launch import Launcher
from tui.model.site import Site
from tui.terminal.capabilities import (
    MIN_HEIGHT,
    MIN_WIDTH,
    examine,
    is_slow_line,
    prepare,
    size_of,
    too_small,
)
from tui.terminal.remembered import Remembered, device_of, terminal_name

HEADLESS = "The same without screens: airferry plan, airferry install, airferry --help"


def open_screens(
    arguments: Sequence[str], launcher: Launcher | None = None, media: Media | None = None
) -> int:
    """Open the screens and return the exit code.

    Args:
        arguments: The command line without the program.
        launcher: What starts runs; the engine where none is given.
        media: The sticks; those of this machine where none are given.
    """
    options = _parser().parse_args(arguments)
    try:
        site = Site(config_path(options.config), launcher, media)
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
    remembered = Remembered(site.config)
    name = terminal_name(os.environ, device_of(sys.stdout.fileno()))
    plain = remembered.is_plain(name) and options.ascii_only is not False
    slow = terminal.slow or plain
    prepare(os.environ, replace(terminal, slow=slow))
    from tui.app import AirferryApp  # after prepare(): Textual reads the environment on import

    app = AirferryApp(
        site, terminal, plain=plain, keep_plain=lambda chosen: remembered.keep(name, plain=chosen)
    )
    words = app.run(mouse=not slow)
    _say_last(words or "")
    return app.return_code or 0


def _say_last(words: str) -> None:
    """Print what is left to say; a terminal that has hung up takes nothing, which is no failure.

    What stays in a stream would be sent when Python ends, and make its exit status 120.
    """
    for stream, text in ((sys.stderr, ""), (sys.stdout, f"{words}\n" if words else "")):
        try:
            stream.write(text)
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def config_path(explicit: str | None) -> Path:
    """Return the config to open; where there is none at all, that of a new site.

    Raises:
        ConfigError: one was named that is not there.
    """
    try:
        return find_config(explicit)
    except ConfigError:
        if explicit:
            raise
        return new_config_path()


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
