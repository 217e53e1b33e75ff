"""The config as text, with the same checks as the form."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static, TextArea

from core.engine.report import count
from tui.screens.base import HouseScreen
from tui.site import problems_of, where_and_what
from tui.text import fit, signed
from tui.widgets.yaml_area import YamlArea


class YamlScreen(HouseScreen[None]):
    """The editor; what is typed goes into the site's draft as it is typed."""

    STEP: ClassVar[str] = "Config"
    HELP: ClassVar[str] = (
        "The whole config as text. What is typed is kept when you go back to the form; there "
        "Ctrl+O writes it to the file."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back to the form (keeps it)", key_display="Esc"),
        Binding("f8", "jump", "go to the problem", key_display="F8"),
    ]

    def body(self) -> ComposeResult:
        yield YamlArea(self.site.draft.text, id="text")
        yield Static(id="status", classes="line")

    def on_mount(self) -> None:
        self._check()
        self.action_jump()

    def action_jump(self) -> None:
        """Move to the line of the first problem."""
        area = self.query_one("#text", YamlArea)
        problems = problems_of(area.text, self.site.path)[1]
        if problems:
            last = area.document.line_count - 1
            area.move_cursor((max(0, min(problems[0].line - 1, last)), 0))

    @on(TextArea.Changed)
    def _changed(self) -> None:
        text = self.query_one("#text", YamlArea).text
        if text != self.site.draft.text:
            self.site.draft.replace(text)
        self._check()

    def _check(self) -> None:
        problems = problems_of(self.query_one("#text", YamlArea).text, self.site.path)[1]
        shown = Text("  No problem.")
        if problems:
            words = f"{count(len(problems), 'problem')}. {where_and_what(problems[0])}"
            shown = signed("x", fit(words, 74))
        self.query_one("#status", Static).update(shown)
