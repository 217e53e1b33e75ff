"""The question whether many new host keys are the right ones, with every fingerprint in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from core.words import count
from tui.presenters.hostkeys import HOW_TO_COMPARE, ShownKey, key_lines
from tui.presenters.row import Row
from tui.screens.base import AppDialog
from tui.widgets.choice_bar import ChoiceBar
from tui.widgets.line_list import LineList


class AcceptKeys(AppDialog[str]):
    """Fingerprints to compare, No first; the result is `yes`, `no`, or None.

    Args:
        keys: The keys.
    """

    HELP: ClassVar[str] = (
        "A host shows its key when it is reached. Compare each fingerprint with what the host says "
        "on its own console. Accepted keys are noted, and a host that shows another one later is "
        "refused."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pagedown", "page(1)", "more", key_display="PgDn"),
        Binding("pageup", "page(-1)", "back", show=False),
    ]

    def __init__(self, keys: Sequence[ShownKey]) -> None:
        super().__init__()
        self._keys = keys

    def body(self) -> ComposeResult:
        title = f"Accept {count(len(self._keys), 'new host key')}?"
        yield Static(Text(title, "bold"), classes="line")
        lines = LineList(id="new-keys")
        lines.can_focus = False
        lines.show([Row("", line) for line in key_lines(self._keys)])
        yield lines
        yield Static(
            Text(
                f"\nCompare each with what the host itself says, on its own console:\n"
                f"{HOW_TO_COMPARE}\n"
            ),
            classes="lines",
        )
        yield ChoiceBar("", [("no", "No"), ("yes", f"Accept all {len(self._keys)}")])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is more to see only where the list does not fit."""
        if action == "page":
            return self.is_mounted and self.query_one(LineList).max_scroll_y > 0
        return super().check_action(action, parameters)

    def action_page(self, direction: int) -> None:
        """Show more of the keys."""
        self.query_one(LineList).action_page(direction)

    @on(ChoiceBar.Chosen)
    def _chosen(self, event: ChoiceBar.Chosen) -> None:
        self.dismiss(event.key)
