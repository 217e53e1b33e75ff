"""Some of many, picked with `[x]`: hosts to clean, backups to restore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from tui.model.site import Site
from tui.presenters.filtering import HELP as FILTER_HELP
from tui.presenters.filtering import matches
from tui.presenters.row import Row
from tui.screens.filtered import FilteredScreen
from tui.terminal.text import fit, safe
from tui.widgets.choice_bar import ChoiceBar
from tui.widgets.filter_line import FilterLine
from tui.widgets.line_list import LineList


@dataclass(frozen=True)
class Picked:
    """What was picked, and whether the option was."""

    keys: tuple[str, ...]
    option: bool = False


@dataclass(frozen=True)
class Menu:
    """What is offered.

    Args:
        title: What is picked, and what for.
        choices: Key and words of each.
        go_on: What comes next, in a few words.
        option: One more thing that may be wanted, switched with `o`; empty for none.
        help: More of it.
        nothing: What to say where there is nothing to pick.
    """

    title: str
    choices: Sequence[tuple[str, str]]
    go_on: str
    option: str = ""
    help: str = ""
    nothing: str = "There is nothing to pick."


class PickScreen(FilteredScreen[Picked]):
    """The result is what was picked, or None.

    Args:
        site: The site.
        step: The place in the trail from which it was opened.
        menu: What is offered.
    """

    ROWS: ClassVar[str] = "#choices"
    ABOUT: ClassVar[str] = (
        f"Enter or Space picks the line under the cursor, or lets it go. {FILTER_HELP}"
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "turn", "pick", key_display="Space", show=False),
        Binding("a", "all", "all shown", key_display="a"),
        Binding("o", "option", "option", key_display="o"),
        Binding("n", "next", "next", key_display="n"),
    ]

    def __init__(self, site: Site, step: str, menu: Menu) -> None:
        super().__init__(site)
        self.STEP = step  # type: ignore[misc]
        self.HELP = f"{menu.help} {self.ABOUT}".strip()  # type: ignore[misc]
        self._menu = menu
        self._picked: set[str] = set()
        self._option = False

    def body(self) -> ComposeResult:
        yield Static(Text(safe(self._menu.title, 76), "bold"), classes="line")
        yield FilterLine()
        yield LineList(id="choices")
        yield Static(id="option", classes="line")
        yield ChoiceBar("", [("next", self._menu.go_on)], id="next")

    def on_mount(self) -> None:
        self.set_focus(self.query_one("#choices", LineList))
        self.show_rows()

    def enter_does(self) -> str:
        return "go on" if isinstance(self.focused, ChoiceBar) else "pick"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """There is not always an option, or something to go on with."""
        if self.is_filtering:
            return action == "back"
        if action == "option":
            return bool(self._menu.option)
        if action in ("turn", "all"):
            return bool(self._menu.choices) and not isinstance(self.focused, ChoiceBar)
        return action != "next" or bool(self._picked)

    def _shown(self) -> list[tuple[str, str]]:
        words = self.filter_text
        return [choice for choice in self._menu.choices if matches(words, choice)]

    def show_rows(self) -> None:
        shown = self._shown()
        rows = [
            Row(key, Text(f"[{'x' if key in self._picked else ' '}] {fit(words, 70).rstrip()}"))
            for key, words in shown
        ]
        self.query_one("#choices", LineList).show(rows or [Row("", Text(self._menu.nothing))])
        self.query_one(FilterLine).found(len(shown), len(self._menu.choices))
        option = f"o: [{'x' if self._option else ' '}] {self._menu.option}"
        self.query_one("#option", Static).update(Text(option if self._menu.option else ""))
        self.query_one("#next", ChoiceBar).show(
            f"{len(self._picked)} picked.", [("next", self._menu.go_on)]
        )
        self.refresh_bindings()

    @on(LineList.Chosen)
    def action_turn(self) -> None:
        """Pick the line under the cursor, or let it go."""
        key = self.query_one("#choices", LineList).key
        if key:
            self._picked ^= {key}
            self.show_rows()

    def action_all(self) -> None:
        """Pick all that are shown; where they are, let them go."""
        shown = {key for key, _ in self._shown()}
        self._picked = self._picked - shown if shown <= self._picked else self._picked | shown
        self.show_rows()

    def action_option(self) -> None:
        """Switch the option."""
        self._option = not self._option
        self.show_rows()

    @on(LineList.Left)
    def _left(self) -> None:
        self.set_focus(self.query_one("#next", ChoiceBar))

    @on(ChoiceBar.Chosen)
    def action_next(self) -> None:
        """Go on with what was picked."""
        if self._picked:
            keys = tuple(key for key, _ in self._menu.choices if key in self._picked)
            self.dismiss(Picked(keys, self._option))
        else:
            self.set_focus(self.query_one("#choices", LineList))
