"""A list of lines with a cursor: every table and menu of the program.

It draws only the lines that changed (about 150 bytes each), where Textual's DataTable sends the
whole table again. The cursor is told by `>` and by reverse video, and the hardware cursor follows
it, so that braille and speech read the right line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Offset, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from tui.presenters.row import Row

_REVERSE = Style(reverse=True)


class LineList(ScrollView, can_focus=True):
    """Lines of which one is under the cursor; without any to choose it only scrolls."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "end(-1)", "First", show=False),
        Binding("end", "end(1)", "Last", show=False),
        Binding("enter", "choose", "Choose", show=False),
    ]

    class Chosen(Message):
        """Enter was pressed on a row."""

        def __init__(self, lines: LineList, key: str) -> None:
            super().__init__()
            self.lines = lines
            self.key = key

        @property
        def control(self) -> LineList:
            """The list, for `@on` selectors."""
            return self.lines

    class Moved(Message):
        """The cursor stands on another row."""

        def __init__(self, lines: LineList, key: str) -> None:
            super().__init__()
            self.lines = lines
            self.key = key

        @property
        def control(self) -> LineList:
            """The list, for `@on` selectors."""
            return self.lines

    class Left(Message):
        """The cursor was moved beyond the last row: the next widget may take the focus."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._rows: list[Row] = []
        self._at = -1

    @property
    def rows(self) -> Sequence[Row]:
        """What is shown."""
        return self._rows

    @property
    def key(self) -> str:
        """The key of the row under the cursor; empty if there is none."""
        return self._rows[self._at].key if 0 <= self._at < len(self._rows) else ""

    @property
    def index(self) -> int:
        """Which row is under the cursor, from 0; -1 if none is."""
        return self._at

    @property
    def at_end(self) -> bool:
        """Whether the last line is in view."""
        return bool(self.scroll_offset.y >= self.max_scroll_y)

    def show(self, rows: Sequence[Row], cursor: str = "") -> None:
        """Show other rows; only those in view that differ are drawn again.

        Args:
            rows: The rows.
            cursor: Where the cursor shall stand; empty to leave it on its row.
        """
        before, wanted = self._rows, cursor or self.key
        self._rows = list(rows)
        self._at = self._index_of(wanted)
        if len(before) != len(self._rows):
            self.virtual_size = Size(0, len(self._rows))
            self.refresh()
        else:
            for y in self._in_view():
                if before[y] != self._rows[y]:
                    self.refresh_line(y)
        if self.key != wanted or cursor:
            self._follow_cursor()

    def _in_view(self) -> range:
        top = max(0, round(self.scroll_offset.y))
        return range(top, min(len(self._rows), top + max(1, self.size.height)))

    def put_cursor(self, key: str) -> None:
        """Move the cursor to a row."""
        self._go(self._index_of(key))

    def _index_of(self, key: str) -> int:
        """Return where a key is; else the nearest row that can be chosen, or -1."""
        for index, row in enumerate(self._rows):
            if row.key and row.key == key:
                return index
        start = max(0, min(self._at, len(self._rows) - 1))
        nearest = [*range(start, len(self._rows)), *range(start - 1, -1, -1)]
        return next((index for index in nearest if self._rows[index].key), -1)

    def action_move(self, step: int) -> None:
        """Move the cursor to the next row that can be chosen; scroll where there is none."""
        index = self._at + step
        while 0 <= index < len(self._rows) and not self._rows[index].key:
            index += step
        if self._at < 0:
            self.scroll_relative(y=step, animate=False)
            if step > 0 and self.at_end:
                self.post_message(self.Left())
        elif 0 <= index < len(self._rows):
            self._go(index)
        elif step > 0:
            self.post_message(self.Left())
        else:
            self.scroll_home(animate=False)

    def action_page(self, direction: int) -> None:
        """Move by what fits on the screen."""
        height = max(1, self.scrollable_content_region.height - 1)
        if self._at < 0:
            self.scroll_relative(y=direction * height, animate=False)
            return
        target = max(0, min(len(self._rows) - 1, self._at + direction * height))
        while 0 <= target < len(self._rows) and not self._rows[target].key:
            target -= direction
        self._go(target)

    def action_end(self, direction: int) -> None:
        """Move to the first or last row."""
        choices = [index for index, row in enumerate(self._rows) if row.key]
        if choices:
            self._go(choices[0] if direction < 0 else choices[-1])
        elif direction < 0:
            self.scroll_home(animate=False)
        else:
            self.scroll_end(animate=False)

    def action_choose(self) -> None:
        """Tell that the row under the cursor was chosen."""
        if self.key:
            self.post_message(self.Chosen(self, self.key))

    def _go(self, index: int) -> None:
        if not 0 <= index < len(self._rows) or index == self._at:
            return
        before, self._at = self._at, index
        self.refresh_line(before)
        self.refresh_line(index)
        self._follow_cursor()
        self.post_message(self.Moved(self, self.key))

    def _follow_cursor(self) -> None:
        """Scroll so that the cursor's row is in view."""
        if self._at < 0:
            return
        top, height = round(self.scroll_offset.y), self.scrollable_content_region.height
        if self._at < top:
            above = self._at if any(row.key for row in self._rows[: self._at]) else 0
            self.scroll_to(y=above, animate=False)
        elif height and self._last_of_row >= top + height:
            self.scroll_to(y=self._last_of_row - height + 1, animate=False)

    @property
    def _last_of_row(self) -> int:
        """The line under the cursor's row, if that cannot be chosen: it says more of the row."""
        below = self._at + 1
        return below if below < len(self._rows) and not self._rows[below].key else self._at

    def on_focus(self, event: events.Focus) -> None:
        """Take the focus and draw one line; Textual's own handler would draw all of them."""
        event.prevent_default()
        self.has_focus = True
        self.refresh_line(self._at)
        if isinstance(self.parent, Widget):
            self.parent.post_message(events.DescendantFocus(self))

    def on_blur(self, event: events.Blur) -> None:
        """Give up the focus and draw one line."""
        event.prevent_default()
        self.has_focus = False
        self.refresh_line(self._at)
        if isinstance(self.parent, Widget):
            self.parent.post_message(events.DescendantBlur(self))

    def on_resize(self) -> None:
        self._follow_cursor()

    def on_click(self, event: events.Click) -> None:
        index = event.y + round(self.scroll_offset.y)
        if 0 <= index < len(self._rows) and self._rows[index].key:
            if index == self._at:
                self.action_choose()
            else:
                self._go(index)

    def cursor_place(self) -> Offset:
        """Return where on the terminal the hardware cursor belongs."""
        y = max(0, self._at) - round(self.scroll_offset.y)
        return self.content_region.offset + Offset(0, y)

    def render_line(self, y: int) -> Strip:
        index, width = y + round(self.scroll_offset.y), self.size.width
        base = self.rich_style
        if not 0 <= index < len(self._rows):
            return Strip.blank(width, base)
        under_cursor = index == self._at and self.has_focus
        mark = ">" if under_cursor else " "
        segments = [Segment(f"{mark} "), *self._rows[index].text.render(self.app.console)]
        strip = Strip(segments).crop(0, width).adjust_cell_length(width).apply_style(base)
        if not under_cursor:
            return strip
        return Strip([Segment(s.text, (s.style or base) + _REVERSE) for s in strip])
