"""The one gate for text that did not come from us: host answers, file names, logs, bundles.

What passes is safe to draw: no control or escape characters, no line breaks, no tabs, no
half-decoded bytes, no characters that reorder others, and not endless. It is always drawn as a
Rich `Text`, never as markup.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from core.printable import printable

MAX_CHARACTERS = 2000
CUT = ".."
_STEPS = "▁▂▃▄▅▆▇█"
STYLES = {"x": "bold red", "!": "bold yellow", ">": "cyan", "=": "green", "+": "yellow"}
"""The style of each sign of state; the sign itself comes first, its colour second."""


def safe(value: str | bytes, limit: int = MAX_CHARACTERS) -> str:
    """Return text that can be drawn on one line.

    Args:
        value: Text from anywhere; bytes are taken as UTF-8.
        limit: Greatest number of characters; what is beyond is cut off and marked.
    """
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if len(text) > limit:
        text = text[: limit - len(CUT)] + CUT
    return printable(text)


def same_length(value: str) -> str:
    """Return editable text as it may be drawn: each character replaced by exactly one."""
    return printable(value)


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


def end_of(value: str, width: int) -> str:
    """Return safe text in at most `width` cells; of a longer one its end: that of a path says most.

    Args:
        value: Text from anywhere.
        width: Greatest number of cells.
    """
    text = safe(value)
    if cell_len(text) <= width:
        return text
    while cell_len(text) > width - len(CUT):
        text = text[1:]
    return CUT + text


def wrapped(value: str, width: int, indent: str = "") -> list[str]:
    """Return text folded to `width` cells, continued lines indented; names of files stay whole."""
    lines: list[str] = []
    for line in safe_lines(value):
        lines += textwrap.wrap(line, width, subsequent_indent=indent, break_on_hyphens=False) or [
            ""
        ]
    return lines


def signed(sign: str, rest: str = "", style: str = "") -> Text:
    """Return a line that begins with a sign of state in its colour."""
    return Text.assemble((sign, STYLES.get(sign, "")), (f" {rest}" if rest else "", style))


def bar(fraction: float, width: int) -> str:
    """Return a bar of progress; `[####....]` where only ASCII may be sent (see plain.py)."""
    inner = width - 2
    filled = round(max(0.0, min(1.0, fraction)) * inner)
    return f"[{'█' * filled}{'░' * (inner - filled)}]"


def sparkline(values: Sequence[float]) -> str:
    """Return a curve of a line's height; nothing but ASCII consoles lack its characters."""
    top = max(values, default=0.0) or 1.0
    return "".join(_STEPS[min(len(_STEPS) - 1, int(value / top * len(_STEPS)))] for value in values)


def when(epoch_s: float) -> str:
    """Return a moment in the local time: `20 Nov 14:02`."""
    return f"{datetime.fromtimestamp(epoch_s).astimezone():%d %b %H:%M}"


def day(epoch_s: float) -> str:
    """Return a day in the local time: `20 Nov`."""
    return f"{datetime.fromtimestamp(epoch_s).astimezone():%d %b}"


def time_of_day(epoch_s: float) -> str:
    """Return a time of the day: `14:05:02`."""
    return f"{datetime.fromtimestamp(epoch_s).astimezone():%H:%M:%S}"


def names(found: Iterable[str], width: int = 60) -> str:
    """Return names in one line, and how many more there are: `a, b and 7 more`.

    Args:
        found: The names.
        width: Cells for all of it; one name is there, whatever its length.
    """
    every = [safe(name, 64) for name in found]
    if sum(map(len, every)) <= width and cell_len(", ".join(every)) <= width:
        return ", ".join(every)
    shown = 1
    while shown < len(every) and cell_len(_some(every, shown + 1)) <= width:
        shown += 1
    return _some(every, shown)


def _some(every: Sequence[str], shown: int) -> str:
    rest = len(every) - shown
    more = f" and {rest} more" if rest > 0 else ""
    return ", ".join(every[:shown]) + more


def sendable(typed: str) -> str:
    """Return what was typed without what no login can take: NUL, halves of characters."""
    return typed.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")
