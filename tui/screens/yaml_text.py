"""The config as text, with the same checks as the form."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static, TextArea

from core.config import Problem
from core.words import count
from tui.model.site import Site, problems_of, where_and_what
from tui.screens.base import AppScreen
from tui.terminal.text import fit, signed
from tui.widgets.yaml_area import YamlArea

SAVE = "save"
CHECK_AFTER_S = 0.1


class YamlScreen(AppScreen[str]):
    """The editor; what is typed goes into the site's draft as it is typed.

    The result is `save`, or None.

    Args:
        site: The site.
        line: Where the cursor stands at first, from 1; a problem goes before it.
    """

    STEP: ClassVar[str] = "Config"
    HELP: ClassVar[str] = (
        "The whole config as text. An x beside a line's number marks a problem; F8 goes from one "
        "to the next. What is typed is kept when you go back to the form. Ctrl+O writes it to the "
        "file; the old file stays beside it as .bak."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back to the form (keeps it)", key_display="Esc"),
        Binding("f6", "back", "form", show=False, priority=True),
        Binding("ctrl+o", "save", "save", key_display="Ctrl+O"),
        Binding("f8", "jump", "next problem", key_display="F8"),
    ]

    class Checked(Message):
        """The text was looked at."""

        def __init__(self, text: str, problems: list[Problem]) -> None:
            super().__init__()
            self.text = text
            self.problems = problems

    def __init__(self, site: Site, line: int = 1) -> None:
        super().__init__(site)
        self._line = line
        self._problems: list[Problem] = []

    def body(self) -> ComposeResult:
        yield YamlArea(self.site.draft.text, id="text")
        yield Static(id="status", classes="line")

    def on_mount(self) -> None:
        self._problems = problems_of(self._area.text, self.site.path)[1]
        self._tell()
        self._go_to(self._problems[0].line if self._problems else self._line)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """There may be no problem to go to."""
        return action != "jump" or bool(self._problems)

    @property
    def _area(self) -> YamlArea:
        return self.query_one("#text", YamlArea)

    def _go_to(self, line: int) -> None:
        last = self._area.document.line_count - 1
        self._area.move_cursor((max(0, min(line - 1, last)), 0))

    def action_jump(self) -> None:
        """Move to the line of the next problem, after the last one to the first."""
        lines = [problem.line for problem in self._problems]
        here = self._area.cursor_location[0] + 1
        if lines:
            self._go_to(next((line for line in lines if line > here), lines[0]))

    def action_save(self) -> None:
        """Go back to the form, and write the file there."""
        self.dismiss(SAVE)

    @on(TextArea.Changed)
    def _changed(self) -> None:
        text = self._area.text
        if text != self.site.draft.text:
            self.site.draft.replace(text)
            check: Callable[[], Awaitable[None]] = partial(self._check, text)
            self.run_worker(check, group="check", exclusive=True)

    async def _check(self, text: str) -> None:
        """Look at the text, once typing pauses: of hundreds of hosts that takes a while."""
        await asyncio.sleep(CHECK_AFTER_S)
        _, problems = await asyncio.to_thread(problems_of, text, self.site.path)
        self.post_message(self.Checked(text, problems))

    @on(Checked)
    def _checked(self, message: Checked) -> None:
        if message.text == self._area.text:
            self._problems = message.problems
            self._tell()

    @on(TextArea.SelectionChanged)
    def _tell(self) -> None:
        """Tell of the problem on the cursor's line, or else of the first one."""
        problems = self._problems
        self._area.mark(problem.line for problem in problems)
        shown = Text("  No problem.")
        if problems:
            here = self._area.cursor_location[0] + 1
            told = next((problem for problem in problems if problem.line == here), problems[0])
            words = f"{count(len(problems), 'problem')}. {where_and_what(told)}"
            shown = signed("x", fit(words, 74))
        self.query_one("#status", Static).update(shown)
        self.refresh_bindings()
