"""The one gate for text that did not come from us: host answers, file names, logs, bundles.

What passes is safe to draw: no control or escape characters, no line breaks, no tabs, no
half-decoded bytes, no characters that reorder others, and not endless. It is always drawn as a
Rich `Text`, never as markup.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable
from datetime import datetime

from rich.cells import cell_len, set_cell_size
from rich.text import Text

MAX_CHARACTERS = 2000
CUT = ".."
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
STYLES = {"x": "bold red", "!": "bold yellow", ">": "cyan", "=": "green", "+": "yellow"}
"""The style of each sign of state; the sign itself comes first, its colour second."""


class _Safe(dict[int, str]):
    """A table for `str.translate` that decides about a character when it first meets it."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in "\t\n\r\v\f\x85":
            shown = " "
        elif unicodedata.category(character) in _HIDDEN:
            shown = "?"
        else:
            shown = character
        self[code] = shown
        return shown


_SAFE = _Safe()


def safe(value: str | bytes, limit: int = MAX_CHARACTERS) -> str:
    """Return text that can be drawn on one line.

    Args:
        value: Text from anywhere; bytes are taken as UTF-8.
        limit: Greatest number of characters; what is beyond is cut off and marked.
    """
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if len(text) > limit:
        text = text[: limit - len(CUT)] + CUT
    return text.translate(_SAFE)


def same_length(value: str) -> str:
    """Return editable text as it may be drawn: each character replaced by exactly one."""
    return value.translate(_SAFE)


def safe_lines(value: str, limit: int = 200) -> list[str]:
    """Return text of several lines, each safe, at most `limit` of them."""
    found = [safe(line) for line in value[: MAX_CHARACTERS * limit].splitlines()[:limit]]
    return found or [""]


def fit(value: str, width: int) -> str:
    """Return safe text that takes exactly `width` cells: filled up, or cut and marked."""
    text = safe(value, max(width * 2, len(CUT) + 1))
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, max(width - len(CUT), 0)) + CUT[:width]


def wrapped(value: str, width: int, indent: str = "") -> list[str]:
    """Return text folded to `width` cells, continued lines indented."""
    lines: list[str] = []
    for line in safe_lines(value):
        lines += textwrap.wrap(line, width, subsequent_indent=indent) or [""]
    return lines


def signed(sign: str, rest: str = "", style: str = "") -> Text:
    """Return a line that begins with a sign of state in its colour."""
    return Text.assemble((sign, STYLES.get(sign, "")), (f" {rest}" if rest else "", style))


def bar(fraction: float, width: int) -> str:
    """Return a bar of progress: `[####....]`."""
    inner = width - 2
    filled = round(max(0.0, min(1.0, fraction)) * inner)
    return f"[{'#' * filled}{'.' * (inner - filled)}]"


def when(epoch_s: float) -> str:
    """Return a moment in the local time: `20 Nov 14:02`."""
    return f"{datetime.fromtimestamp(epoch_s).astimezone():%d %b %H:%M}"


def time_of_day(epoch_s: float) -> str:
    """Return a time of the day: `14:05:02`."""
    return f"{datetime.fromtimestamp(epoch_s).astimezone():%H:%M:%S}"


def names(found: Iterable[str], width: int = 60) -> str:
    """Return names in one line, and how many more there are: `a, b and 7 more`."""
    every = [safe(name, 64) for name in found]
    shown = ""
    for index, name in enumerate(every):
        longer = f"{shown}, {name}" if shown else name
        rest = len(every) - index
        if shown and cell_len(longer) > width:
            return f"{shown} and {rest} more"
        shown = longer
    return shown
