"""Snapshots of screens as text: what stands on them, and in which colours.

A file holds one screen at one size: the characters; below them, for each line, which columns have
another look than the terminal's own; and the lines that are others on a terminal of ASCII only.
What a screen says without colours is compared with the characters, and not kept.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import NoColor
from textual.strip import Strip

from tui.terminal.plain import AsciiFilter

if TYPE_CHECKING:
    from tests.tui.driving import Driver

SNAPSHOTS = Path(__file__).with_name("snapshots")
UPDATE = "AIRFERRY_UPDATE_SNAPSHOTS"
"""Set in the environment, this has the files written anew instead of compared."""
SIZES = ((80, 24), (120, 40))
AT_REST = 3
"""So many looks at a screen in which nothing changed are enough."""
NOW = 1_795_183_320.0
"""The time in all snapshots: 20 November 2026, 14:02 UTC."""


async def at_rest(driver: Driver) -> list[Strip]:
    """Return the lines of the screen, drawn anew, when they have come to rest."""
    driver.app.action_redraw()
    before: list[Strip] = []
    same = 0
    while same < AT_REST:
        await driver.pilot.pause()
        now = driver.app.screen._compositor.render_strips()
        same = same + 1 if now == before else 0
        before = now
    return before


async def snapshot(driver: Driver) -> str:
    """Return what is kept of the screen as it is now."""
    coloured = await at_rest(driver)
    nothing = Color(0, 0, 0)
    colourless = [strip.apply_filter(NoColor(), nothing) for strip in coloured]
    plain = [strip.apply_filter(AsciiFilter(enabled=True), nothing) for strip in coloured]
    assert _characters(coloured) == _characters(colourless)
    assert [] == [span for strip in colourless for span in _looks(strip) if _has_colour(span[1])]
    assert all(line.isascii() for line in _characters(plain))
    parts = [
        "\n".join(_characters(coloured)),
        "\n".join(_numbered(_spoken(strip) for strip in coloured)),
        "\n".join(_numbered(_ascii_lines(coloured, plain))),
    ]
    return "\n-- looks\n".join(parts[:2]) + f"\n-- in ASCII\n{parts[2]}\n"


def _characters(strips: Sequence[Strip]) -> list[str]:
    return [strip.text.rstrip() for strip in strips]


def _ascii_lines(coloured: Sequence[Strip], plain: Sequence[Strip]) -> Iterable[str]:
    """Yield each line in ASCII, or nothing where it is the same."""
    for before, after in zip(_characters(coloured), _characters(plain), strict=True):
        yield after if after != before else ""


def _numbered(lines: Iterable[str]) -> list[str]:
    """Return the lines that say something, with their numbers."""
    return [f"{number:>2} {line}" for number, line in enumerate(lines, 1) if line]


def _spoken(strip: Strip) -> str:
    """Return the looks of a line: from column to column, and what it looks like."""
    return ", ".join(f"{start}-{end} {look}" for (start, end), look in _spans(strip))


def _spans(strip: Strip) -> Iterable[tuple[tuple[int, int], str]]:
    """Yield pieces of a line with a look of their own; neighbours that look the same are one."""
    at = 0
    found: list[tuple[tuple[int, int], str]] = []
    for segment in strip:
        look = _look(segment)
        end = at + segment.cell_length
        if found and found[-1][1] == look and found[-1][0][1] == at:
            found[-1] = ((found[-1][0][0], end), look)
        elif look:
            found.append(((at, end), look))
        at = end
    return found


def _looks(strip: Strip) -> Iterable[tuple[tuple[int, int], Style]]:
    at = 0
    for segment in strip:
        end = at + segment.cell_length
        if segment.style:
            yield (at, end), segment.style
        at = end


def _has_colour(style: Style) -> bool:
    return any(color and not color.is_default for color in (style.color, style.bgcolor))


def _look(segment: Segment) -> str:
    """Return the look of a piece in words; nothing for the terminal's own."""
    style = segment.style
    if style is None:
        return ""
    words = [
        name for name in ("bold", "dim", "italic", "underline", "reverse") if getattr(style, name)
    ]
    if style.color and not style.color.is_default:
        words.append(style.color.name)
    if style.bgcolor and not style.bgcolor.is_default:
        words.append(f"on {style.bgcolor.name}")
    if not segment.text.strip() and not {"reverse", "underline"} & set(words):
        words = [word for word in words if word.startswith("on ")]
    return " ".join(words)


def difference(name: str, text: str) -> str:
    """Return how a screen differs from its snapshot; nothing if it does not, or is to be kept."""
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get(UPDATE):
        SNAPSHOTS.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return ""
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = difflib.unified_diff(
        kept.splitlines(), text.splitlines(), f"{name} kept", f"{name} now", lineterm="", n=1
    )
    return "\n".join(lines)
