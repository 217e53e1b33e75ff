"""A list, and on wide terminals beside it what is known of the row under the cursor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text
from textual.containers import Horizontal
from textual.widget import Widget

from tui.presenters.row import Row
from tui.widgets.line_list import LineList

WIDE = 120
"""Columns from which there is room for both."""


class Panes(Horizontal):
    """Holds the list and its SidePane."""


class SidePane(LineList, can_focus=False):
    """Lines about the row under the cursor; only on wide terminals."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._draw: Callable[[int], Sequence[Text]] = lambda _: ()

    def tell(self, draw: Callable[[int], Sequence[Text]]) -> None:
        """Show other lines.

        Args:
            draw: Returns the lines for a width in cells; asked again when that changes.
        """
        self._draw = draw
        self._redraw()

    def on_resize(self) -> None:
        self._redraw()

    def _redraw(self) -> None:
        width = self.size.width - 2  # the place of the cursor, which is never here
        if width > 0:
            self.show([Row("", line) for line in self._draw(width)])


def is_wide(widget: Widget) -> bool:
    """Whether the side pane of a widget's screen can be seen."""
    return widget.app.size.width >= WIDE
