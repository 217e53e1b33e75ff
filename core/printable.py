"""Text from outside (hosts, file names, bundles) made safe to show on any terminal.

Nothing passes that a terminal would obey instead of show: no control or escape characters, no
half-decoded bytes, no characters that reorder others.
"""

from __future__ import annotations

import unicodedata
from typing import TextIO

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANK = frozenset("\t\n\r\v\f\x85")


class _Table(dict[int, str]):
    """A table for `str.translate` that decides about a character when it first meets it."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in _BLANK:
            shown = " "
        elif unicodedata.category(character) in _HIDDEN:
            shown = "?"
        else:
            shown = character
        self[code] = shown
        return shown


_TABLE = _Table()


def printable(text: str) -> str:
    """Return text that can be shown on one line, each character replaced by exactly one."""
    return text.translate(_TABLE)


class PrintableStream:
    """A text stream that shows what it is given instead of having the terminal obey it.

    Lines stay lines; what the terminal's encoding lacks is shown by its number.

    Args:
        stream: The stream behind, such as standard output.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text, made printable."""
        shown = "\n".join(printable(line) for line in text.split("\n"))
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(shown.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
