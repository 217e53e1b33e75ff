"""What the terminal can do, and what has to be set for it before Textual is imported."""

from __future__ import annotations

import os
import termios
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

MIN_WIDTH, MIN_HEIGHT = 80, 24
SLOW_BAUD = 19200
_ASCII_TERMS = frozenset({"", "linux", "vt100", "vt102", "vt220", "ansi"})
_COLOURLESS_TERMS = frozenset({"vt100", "vt102", "vt220"})
_SLOW_BAUDS = frozenset(
    getattr(termios, f"B{baud}")
    for baud in (50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, SLOW_BAUD)
)


@dataclass(frozen=True)
class Terminal:
    """How to draw.

    Args:
        ascii_only: No character outside ASCII may be sent.
        slow: A slow line: fewer repaints.
    """

    ascii_only: bool = False
    slow: bool = False


def examine(
    environ: Mapping[str, str],
    encoding: str,
    *,
    ascii_only: bool | None = None,
    slow: bool = False,
) -> Terminal:
    """Decide how to draw.

    Args:
        environ: The environment.
        encoding: The locale's encoding.
        ascii_only: What the command line says; None if it says nothing.
        slow: Whether a slow line was asked for or measured.
    """
    if ascii_only is None:
        utf8 = encoding.lower().replace("-", "") == "utf8"
        ascii_only = environ.get("TERM", "") in _ASCII_TERMS or not utf8
    return Terminal(ascii_only, slow)


def prepare(environ: MutableMapping[str, str], terminal: Terminal) -> None:
    """Set what Textual reads while it is imported."""
    environ["TEXTUAL_THEME"] = "ansi-dark"
    environ["TEXTUAL_ANIMATIONS"] = "none"
    environ["TEXTUAL_SMOOTH_SCROLL"] = "0"
    environ["TEXTUAL_DISABLE_KITTY_KEY"] = "1"
    if terminal.slow:
        environ["TEXTUAL_FPS"] = "10"
        environ.setdefault("ESCDELAY", "300")
    if environ.get("TERM", "") in _COLOURLESS_TERMS:
        environ["NO_COLOR"] = "1"


def is_slow_line(descriptor: int) -> bool:
    """Whether a terminal is a serial line of at most 19200 baud."""
    try:
        speed = termios.tcgetattr(descriptor)[5]
    except termios.error:
        return False
    return speed in _SLOW_BAUDS


def too_small(columns: int, lines: int) -> str:
    """Return what to say of a terminal that is too small, or nothing.

    Args:
        columns: Its width; 0 where it does not know (serial consoles).
        lines: Its height; 0 where it does not know.
    """
    if (columns or MIN_WIDTH) >= MIN_WIDTH and (lines or MIN_HEIGHT) >= MIN_HEIGHT:
        return ""
    return (
        f"This terminal has {columns} columns and {lines} lines; "
        f"the screens need {MIN_WIDTH} by {MIN_HEIGHT}."
    )


def size_of(descriptor: int) -> tuple[int, int]:
    """Return columns and lines of a terminal; 0, 0 where it does not know."""
    try:
        found = os.get_terminal_size(descriptor)
    except OSError:
        return 0, 0
    return found.columns, found.lines
