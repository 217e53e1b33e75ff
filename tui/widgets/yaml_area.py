"""An editor for the config's text that draws no character which a terminal would obey."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import TextArea

from tui.text import same_length


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

    def get_line(self, line_index: int) -> Text:
        return Text(same_length(self.document.get_line(line_index)), end="", no_wrap=True)
