"""One line of a list, before it is drawn."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text


class Row:
    """One line.

    Args:
        key: What it stands for; empty for a line that cannot be chosen.
        text: What it says; of hundreds of lines, how to find that out once it comes into view.
    """

    def __init__(self, key: str, text: Text | Callable[[], Text]) -> None:
        self.key = key
        self._text = text

    @property
    def text(self) -> Text:
        """What it says."""
        if not isinstance(self._text, Text):
            self._text = self._text()
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Row) and (self.key, self.text) == (other.key, other.text)

    def __hash__(self) -> int:
        return hash(self.key)
