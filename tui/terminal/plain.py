"""Nothing but ASCII: the last thing that happens to every line before it is sent.

Our own drawings are ASCII where the terminal asks for it; this filter takes care of all the rest,
be it Textual's borders or a host's greeting. It also stops control characters, should one get so
far.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_LINES = dict.fromkeys("─━═╌╴╶▁▔▂▃", "-") | dict.fromkeys("│┃║╎▏▎▍▌▐▕", "|")
_BLOCKS = dict.fromkeys("█▇▆▅▄▓▉▊▋", "#") | dict.fromkeys("░▒", ".") | dict.fromkeys("•●", "*")
_OTHERS = dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╯╰╔╗╚╝", "+") | {"…": ".", "–": "-", "—": "-", "’": "'"}  # noqa: RUF001
_KNOWN = _LINES | _BLOCKS | _OTHERS


class _Ascii(dict[int, str]):
    """A table for `str.translate`; a wide character becomes two, so that columns stay."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if 32 <= code < 127 or character == "\n":
            shown = character
        else:
            shown = _KNOWN.get(character, "?" * max(cell_len(character), 0) or "")
        self[code] = shown
        return shown


_ASCII = _Ascii()


class AsciiFilter(LineFilter):
    """Replaces every character that is not printable ASCII."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        return [
            segment
            if segment.control or (segment.text.isascii() and segment.text.isprintable())
            else Segment(segment.text.translate(_ASCII), segment.style)
            for segment in segments
        ]
