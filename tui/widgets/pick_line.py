"""One of a few, side by side on a line: `[x] all 12 hosts   [ ] only worker-03`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Offset
from textual.message import Message
from textual.widget import Widget

from tui.terminal.text import safe

GAP = "   "


class PickLine(Widget, can_focus=True):
    """A choice that is told by a sign and not by a colour; the first one is picked at first.

    Args:
        label: What is chosen; with the two characters of the cursor before it.
        choices: Key and words of each.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "Left", show=False),
        Binding("right", "move(1)", "Right", show=False),
        Binding("space", "turn", "change", key_display="Space"),
        Binding("enter", "take", "Take", show=False),
    ]

    class Taken(Message):
        """Enter was pressed."""

    def __init__(
        self,
        label: str,
        choices: Sequence[tuple[str, str]],
        *,
        id: str | None = None,  # noqa: A002 - Textual's own name
    ) -> None:
        super().__init__(id=id)
        self._label = label
        self._choices = [(key, f"[ ] {safe(words)}") for key, words in choices]
        self._at = 0

    @property
    def key(self) -> str:
        """What is picked."""
        return self._choices[self._at][0]

    def action_move(self, step: int) -> None:
        """Pick the one beside."""
        self._at = max(0, min(len(self._choices) - 1, self._at + step))
        self.refresh()

    def action_turn(self) -> None:
        """Pick the next one, after the last one the first."""
        self._at = (self._at + 1) % len(self._choices)
        self.refresh()

    def action_take(self) -> None:
        """Tell that the choice is made."""
        self.post_message(self.Taken())

    def on_click(self, event: events.Click) -> None:
        for index, start in enumerate(self._starts()):
            if start <= event.x < start + len(self._choices[index][1]):
                self._at = index
                self.refresh()

    def render(self) -> Text:
        shown = Text(
            f"{'>' if self.has_focus else ' '} {self._label}", no_wrap=True, overflow="ellipsis"
        )
        for index, (_, words) in enumerate(self._choices):
            here = index == self._at
            shown.append(GAP if index else "")
            shown.append(
                words.replace("[ ]", "[x]", 1) if here else words,
                "reverse" if here and self.has_focus else "",
            )
        return shown

    def cursor_place(self) -> Offset:
        """Return where on the terminal the hardware cursor belongs."""
        return self.region.offset + Offset(self._starts()[self._at] + 1, 0)

    def _starts(self) -> list[int]:
        starts, x = [], 2 + len(self._label)
        for _, words in self._choices:
            starts.append(x)
            x += len(words) + len(GAP)
        return starts
