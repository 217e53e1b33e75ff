"""Sends only the characters that differ from what the terminal shows.

Textual sends whole lines of whatever widget changed, blanks and all: about 150 bytes for a row of a
table in which one number is another, and everything when a box opens over it. A serial line of 9600
baud carries 960 bytes a second. Here every update goes through a memory of the screen, as curses
has it; what was there already is not sent again.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import cast

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console, RenderableType
from rich.segment import ControlType, Segment
from rich.style import Style
from textual._compositor import CompositorUpdate  # what App._display is given; there is no other
from textual.geometry import Size
from textual.strip import Strip

Cell = tuple[str, str]
"""A character and the codes of its style; no codes for the terminal's own look."""
_BLANK: Cell = (" ", "")
_CLEAR = "\x1b[0m\x1b[2J"
_GAP = 6
"""So many unchanged characters are sent again rather than moving the cursor across them."""


class Painter:
    """The memory of what the terminal shows."""

    def __init__(self) -> None:
        self._rows: list[list[Cell]] = []
        self._size = Size(0, 0)

    def forget(self) -> None:
        """Clear the terminal with the next update: what it shows is not known."""
        self._rows = []

    def only_changes(self, update: CompositorUpdate, size: Size) -> CompositorUpdate:
        """Return an update that sends what another one changes.

        Args:
            update: What Textual would send.
            size: The terminal's.
        """
        return _Changes(self, update, size)

    def paint(self, update: CompositorUpdate, console: Console, size: Size) -> str:
        """Return what has to be sent for an update, and take it for sent."""
        sent = []
        if not self._rows or size != self._size:
            self._size = size
            self._rows = [[_BLANK] * size.width for _ in range(size.height)]
            sent.append(_CLEAR)
        for y, x, cells in _pieces(cast(RenderableType, update), console):
            if y < size.height:
                sent.append(self._piece(y, x, cells[: size.width - x]))
        return "".join(sent)

    def _piece(self, y: int, x: int, cells: list[Cell]) -> str:
        """Return what has to be sent of a part of a line."""
        shown = self._rows[y][x : x + len(cells)]
        self._rows[y][x : x + len(cells)] = cells
        if shown == cells:
            return ""
        if any(len(character) != 1 for character, _ in (*shown, *cells)):
            runs = [(0, len(cells))]  # terminals disagree about the width of some characters
        else:
            runs = list(_runs(shown, cells))
        return "".join(
            f"\x1b[{y + 1};{x + start + 1}H{_text(cells[start:end])}" for start, end in runs
        )


class _Changes(CompositorUpdate):
    """An update of which only the changes are sent, worked out at the time of sending."""

    def __init__(self, painter: Painter, update: CompositorUpdate, size: Size) -> None:
        self._painter = painter
        self._update = update
        self._size = size

    def render_segments(self, console: Console) -> str:
        return self._painter.paint(self._update, console, self._size)


def _pieces(update: RenderableType, console: Console) -> Iterator[tuple[int, int, list[Cell]]]:
    """Yield the line, the column and the characters of each part of an update."""
    x = y = 0
    cells: list[Cell] = []
    for segment in console.render(update):
        if segment.control:
            if cells:
                yield y, x, cells
                cells = []
            for control in segment.control:
                if control[0] is ControlType.CURSOR_MOVE_TO:
                    x, y = int(control[1]), int(control[2])  # type: ignore[misc]
        elif segment.text != "\n":
            cells += _cells(segment, console)
    if cells:
        yield y, x, cells


def _cells(segment: Segment, console: Console) -> list[Cell]:
    """Return a segment's characters; a wide one is followed by an empty one."""
    system = console._color_system or ColorSystem.TRUECOLOR
    codes = _codes(segment.style, system) if segment.style else ""
    if segment.text.isascii():
        return [(character, codes) for character in segment.text]
    found: list[Cell] = []
    for character in segment.text:
        width = cell_len(character)
        if width or not found:
            found += [(character, codes), *[("", codes)] * (width - 1)]
        else:
            found[-1] = (found[-1][0] + character, codes)
    return found


@lru_cache(maxsize=1024)
def _codes(style: Style, system: ColorSystem) -> str:
    """Return the codes of a style, without those that say what a terminal does anyway."""
    codes = Strip.render_style(style, "\0", color_system=system).partition("\0")[0][2:-1]
    found, parts = [], iter(codes.split(";"))
    for part in parts:
        if part in ("38", "48"):
            more = [part, next(parts)]
            more += [next(parts) for _ in range(1 if more[1] == "5" else 3)]
            found += more
        elif part not in ("39", "49"):
            found.append(part)
    return ";".join(found)


def _runs(shown: list[Cell], cells: list[Cell]) -> Iterator[tuple[int, int]]:
    """Yield where characters differ, from and to; those close together as one."""
    start = end = -1
    for place, (old, new) in enumerate(zip(shown, cells, strict=True)):
        if old == new:
            continue
        if start >= 0 and place - end > _GAP:
            yield start, end
            start = -1
        start = place if start < 0 else start
        end = place + 1
    if start >= 0:
        yield start, end


def _text(cells: list[Cell]) -> str:
    """Return characters with the codes where they change; the terminal's own look at the end."""
    parts, now = [], ""
    for character, codes in cells:
        if codes != now:
            parts.append(f"\x1b[0;{codes}m" if codes and now else f"\x1b[{codes}m")
            now = codes
        parts.append(character)
    if now:
        parts.append("\x1b[m")
    return "".join(parts)
