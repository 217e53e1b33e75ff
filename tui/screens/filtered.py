"""A screen with rows that `/` filters and `s` sorts."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType

from tui.screens.base import AppScreen, Result
from tui.widgets.filter_line import FilterLine
from tui.widgets.line_list import LineList


class FilteredScreen(AppScreen[Result]):
    """Has a FilterLine above the LineList named by ROWS; `show_rows` shows what passes it."""

    ROWS: ClassVar[str] = ""
    """The selector of the list."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter", key_display="/"),
    ]

    def show_rows(self) -> None:
        """Show the rows that pass the filter, in their order."""
        raise NotImplementedError

    @property
    def filter_text(self) -> str:
        """What the rows must have."""
        return self.query_one(FilterLine).text

    @property
    def is_filtering(self) -> bool:
        """Whether words for the filter are being typed: letters are no commands then."""
        return self.is_mounted and self.query_one(FilterLine).is_typing

    def action_filter(self) -> None:
        """Let words be typed."""
        rows = self.query_one(self.ROWS, LineList)
        self.query_one(FilterLine).open(rows, self.show_rows)

    @on(FilterLine.Changed)
    def _filter_changed(self) -> None:
        self.show_rows()
