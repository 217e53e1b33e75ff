"""A text to read and scroll: a difference, a bundle's images, what the dry run found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from tui.model.site import Site
from tui.presenters.row import Row
from tui.screens.base import AppScreen
from tui.terminal.text import safe
from tui.widgets.line_list import LineList


class ViewScreen(AppScreen[None]):
    """Lines to read.

    Args:
        site: The site.
        step: The place in the trail from which it was opened.
        title: What it shows.
        lines: The lines.
    """

    HELP: ClassVar[str] = "Arrows, Page up, Page down, Home and End move through the text."

    def __init__(self, site: Site, step: str, title: str, lines: Sequence[Text]) -> None:
        super().__init__(site)
        self.STEP = step  # type: ignore[misc]
        self._title = title
        self._lines = lines

    def body(self) -> ComposeResult:
        yield Static(Text(safe(self._title, 76), "bold"), classes="line")
        lines = LineList()
        lines.show([Row("", line) for line in self._lines])
        yield lines
