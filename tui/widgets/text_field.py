"""A field to type into: Textual's Input without what a slow or plain terminal suffers from."""

from __future__ import annotations

from rich.text import Text
from textual.geometry import Offset
from textual.widgets import Input

from tui.terminal.text import same_length


class TextField(Input):
    """One line of text; no blinking, no border, and only safe characters are drawn.

    Args:
        value: What stands in it at first.
    """

    def __init__(self, value: str = "", *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(value, id=id, compact=True, select_on_focus=False)
        self.cursor_blink = False

    def cursor_place(self) -> Offset:
        """Return where on the terminal the hardware cursor belongs."""
        return self.cursor_screen_offset

    @property
    def _value(self) -> Text:
        """The value as it is drawn: what it holds may come from a file."""
        return Text(same_length(self.value), no_wrap=True, overflow="ignore", end="")
