"""An editor for the config's text that draws no character which a terminal would obey."""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.strip import Strip
from textual.widgets import TextArea

from tui.terminal.text import STYLES, same_length

MARK = "x "


class YamlArea(TextArea):
    """The text with line numbers.

    Args:
        text: What is edited.
    """

    def __init__(self, text: str, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(
            text, id=id, soft_wrap=False, show_line_numbers=True, compact=True, theme="css"
        )
        self.cursor_blink = False
        self._marked: frozenset[int] = frozenset()

    def mark(self, lines: Iterable[int]) -> None:
        """Put a sign beside the numbers of these lines (from 1)."""
        marked = frozenset(lines)
        if marked != self._marked:
            self._marked = marked
            self.refresh()

    def render_line(self, y: int) -> Strip:
        strip, row = super().render_line(y), y + self.scroll_offset.y
        if row + 1 not in self._marked or row >= self.document.line_count:
            return strip
        width = self.gutter_width
        mark = Strip([Segment(MARK, Style.parse(STYLES["x"]))])
        return Strip.join([strip.crop(0, width - len(MARK)), mark, strip.crop(width)])

    def get_line(self, line_index: int) -> Text:
        return Text(same_length(self.document.get_line(line_index)), end="", no_wrap=True)
