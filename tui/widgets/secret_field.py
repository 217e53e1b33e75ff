"""A field for a password: nothing of it reaches the screen or the clipboard."""

from __future__ import annotations

from rich.text import Text

from tui.widgets.text_field import TextField

MASK = "*"


class SecretField(TextField):
    """One line that shows a star for each character; Textual's own bullet is not ASCII.

    Args:
        value: What stands in it at first.
    """

    def __init__(self, value: str = "", *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(value, id=id)
        self.password = True

    @property
    def _value(self) -> Text:
        return Text(MASK * len(self.value), no_wrap=True, overflow="ignore", end="")

    def action_copy(self) -> None:
        """Copy nothing: a clipboard is read by every program, and by terminals over the line."""

    def action_cut(self) -> None:
        """Cut nothing, for the same reason."""
