"""The line that `/` opens: what is typed there is what the rows below must have."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from tui.widgets.text_field import TextField


class _Words(TextField):
    """Goes to the rows at once; Textual's message comes after keys that were typed ahead."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "keep", "to the rows", show=False)]

    def action_keep(self) -> None:
        """Go to the rows."""
        if isinstance(self.parent, FilterLine):
            self.parent.action_keep()


class FilterLine(Horizontal):
    """A field of one line, out of the way until it is opened.

    Enter keeps what was typed and goes back to the rows; Esc shows all of them again.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "show all again", key_display="Esc"),
        Binding("down", "keep", "to the rows", show=False),
    ]

    class Changed(Message):
        """Other words were typed."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: Widget | None = None
        self._apply: Callable[[], None] = lambda: None

    @property
    def text(self) -> str:
        """What was typed; empty while it is closed."""
        return self.query_one(TextField).value.strip() if self.is_mounted else ""

    @property
    def is_typing(self) -> bool:
        """Whether the field has the focus."""
        return self.query_one(TextField).has_focus

    def compose(self) -> ComposeResult:
        yield Static(Text("/"), classes="label")
        yield _Words()
        yield Static(id="found", classes="label")

    def on_mount(self) -> None:
        self.display = False

    def open(self, rows: Widget, apply: Callable[[], None]) -> None:
        """Show it and let words be typed.

        Args:
            rows: What gets the focus afterwards.
            apply: Shows the rows that pass; called before they get the focus.
        """
        self._rows, self._apply = rows, apply
        self.display = True
        # At once: focus() waits its turn, and letters typed meanwhile would be commands.
        self.screen.set_focus(self.query_one(TextField))

    def found(self, shown: int, total: int) -> None:
        """Tell how many rows are shown of how many there are."""
        words = f"  {shown} of {total}"
        line = self.query_one("#found", Static)
        if str(line.content) != words:
            line.update(Text(words))

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed())

    def action_keep(self) -> None:
        """Go to the rows; with nothing typed there is nothing to show here."""
        self.display = bool(self.text)
        self._apply()
        self.screen.set_focus(self._rows)

    def action_clear(self) -> None:
        """Show all rows again."""
        self.query_one(TextField).value = ""
        self.action_keep()
