"""A question with its answers on one line: `Start?    > No      Yes`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Offset
from textual.message import Message
from textual.screen import ModalScreen
from textual.widget import Widget

from tui.terminal.text import safe

GAP = "   "


class ChoiceBar(Widget, can_focus=True):
    """Answers side by side; the first one is the default, and never the dangerous one.

    Args:
        question: What stands before the answers.
        choices: Key and words of each.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "Left", show=False),
        Binding("right", "move(1)", "Right", show=False),
        Binding("up,k", "app.focus_previous", "Up", show=False),
        Binding("down,j", "app.focus_next", "Down", show=False),
        Binding("enter", "choose", "Choose", show=False),
        Binding("tab", "turn(1)", "other answer", key_display="Tab"),
        Binding("shift+tab", "turn(-1)", "other answer", show=False),
    ]

    class Chosen(Message):
        """Enter was pressed on an answer."""

        def __init__(self, bar: ChoiceBar, key: str) -> None:
            super().__init__()
            self.bar = bar
            self.key = key

        @property
        def control(self) -> ChoiceBar:
            """The bar, for `@on` selectors."""
            return self.bar

    def __init__(
        self,
        question: str,
        choices: Sequence[tuple[str, str]],
        *,
        id: str | None = None,  # noqa: A002 - Textual's own name
    ) -> None:
        super().__init__(id=id)
        self._question = safe(question)
        self._choices = list(choices)
        self._at = 0

    @property
    def key(self) -> str:
        """The answer under the cursor."""
        return self._choices[self._at][0]

    def show(self, question: str, choices: Sequence[tuple[str, str]]) -> None:
        """Show another question."""
        self._question, self._choices, self._at = safe(question), list(choices), 0
        self.refresh()

    def action_move(self, step: int) -> None:
        """Move to the answer beside."""
        self._at = max(0, min(len(self._choices) - 1, self._at + step))
        self.refresh()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """In a box Tab moves between the answers; on a screen it goes to what is next there."""
        if action == "turn":
            return isinstance(self.screen, ModalScreen) and len(self._choices) > 1
        return True

    def action_turn(self, step: int) -> None:
        """Move to the answer beside, and around."""
        self._at = (self._at + step) % len(self._choices)
        self.refresh()

    def action_choose(self) -> None:
        """Give the answer."""
        self.post_message(self.Chosen(self, self.key))

    def on_click(self, event: events.Click) -> None:
        for index, start in enumerate(self._starts()):
            words = self._choices[index][1]
            if start <= event.x < start + len(words) + 4:
                self._at = index
                self.action_choose()

    def render(self) -> Text:
        shown = Text(f" {self._question}", no_wrap=True, overflow="ellipsis")
        for index, (_, words) in enumerate(self._choices):
            here = index == self._at and self.has_focus
            shown.append(GAP if self._question or index else "")
            shown.append(f"{'>' if here else ' '} {safe(words)} ", "reverse" if here else "")
        return shown

    def cursor_place(self) -> Offset:
        """Return where on the terminal the hardware cursor belongs."""
        return self.region.offset + Offset(self._starts()[self._at], 0)

    def _starts(self) -> list[int]:
        starts, x = [], 1 + len(self._question)
        for index, (_, words) in enumerate(self._choices):
            x += len(GAP) if self._question or index else 0
            starts.append(x)
            x += len(safe(words)) + 3
        return starts
