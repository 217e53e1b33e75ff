"""Config: a form of the keys that matter, checked while typing; saving writes one file only."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Static

from core.config import Mode, Problem
from core.engine.report import count
from core.errors import AirferryError, ConfigError
from tui.fields import Field, default_of, fields_for
from tui.screens.base import HouseScreen
from tui.screens.dialogs import Question
from tui.screens.hosts import HostsScreen
from tui.screens.view import ViewScreen
from tui.screens.yaml_text import YamlScreen
from tui.site import problems_of, where_and_what
from tui.text import fit, signed
from tui.widgets.choice_bar import ChoiceBar
from tui.widgets.line_list import LineList, Row
from tui.widgets.text_field import TextField


class ConfigScreen(HouseScreen[None]):
    """The form; what is typed lives in the site's draft and survives going back."""

    STEP: ClassVar[str] = "Config"
    HELP: ClassVar[str] = (
        "The keys of airctl-config.yaml. Enter opens a key for typing; Enter again takes what was "
        "typed, and Esc stops typing and keeps it, too. Saving writes the config file and nothing "
        "else; the old file stays beside it as .bak, comments and unknown keys stay in it."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "next", "next", key_display="n"),
        Binding("v", "view", "changes", key_display="v"),
        Binding("ctrl+o", "save", "save", key_display="Ctrl+O"),
        Binding("t", "text", "text", key_display="t"),
        Binding("u", "undo", "undo", key_display="u"),
    ]

    def body(self) -> ComposeResult:
        yield LineList(id="keys")
        yield Static(id="about", classes="line")
        with Horizontal(id="edit"):
            yield Static(id="label", classes="label")
            yield TextField(id="typed")
            yield Static("]", classes="label", markup=False)
        yield Static(id="status", classes="line")
        yield ChoiceBar("", [("next", "Next: Hosts")], id="next")

    def on_mount(self) -> None:
        self.query_one("#edit").display = False
        self._show()
        wrong = [p.key for p in self._problems() if p.key]
        if self._problems():
            self.set_focus(self.query_one("#keys", LineList))
            self.query_one("#keys", LineList).put_cursor(wrong[0] if wrong else "")
        else:
            self.set_focus(self.query_one("#next", ChoiceBar))

    def on_screen_resume(self) -> None:
        self._show()

    def enter_does(self) -> str:
        if self._editing:
            return "take it"
        return "go on" if isinstance(self.focused, ChoiceBar) else "change"

    def escape_does(self) -> str:
        return "stop typing" if self._editing else "back"

    @property
    def _editing(self) -> bool:
        return isinstance(self.focused, TextField)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Letters are text while a field is open."""
        return not (self._editing and action in ("next", "view", "text", "undo"))

    def _fields(self) -> list[Field]:
        mode = self.site.draft.value("privateRegistryType").strip().lower()
        return fields_for(Mode(mode) if mode in tuple(Mode) else Mode.NONE)

    def _problems(self) -> list[Problem]:
        return problems_of(self.site.draft.text, self.site.path)[1]

    def _show(self) -> None:
        problems = {problem.key: problem for problem in reversed(self._problems())}
        rows = [Row(f.key, self._line(f, problems.get(f.key))) for f in self._fields()]
        self.query_one("#keys", LineList).show(rows)
        self.query_one("#status", Static).update(self._status(list(self._problems())))
        self._describe()

    def _line(self, field: Field, problem: Problem | None) -> Text:
        draft = self.site.draft
        value = draft.value(field.key)
        sign = "x" if problem else ("*" if draft.is_changed(field.key) else " ")
        shown = value or f"({default_of(field.key, self.site.config) or 'not set'})"
        note = problem.what if problem else ("changed" if sign == "*" else "")
        width = 34 if note else 58
        return signed(sign, f"{fit(field.label, 15)} {fit(shown, width)} {fit(note, 22)}".rstrip())

    def _status(self, problems: list[Problem]) -> Text:
        lines = self.site.draft.changed_lines
        saved = f"Not saved: {count(lines, 'changed line')} (v: view)" if lines else "Saved."
        if not problems:
            return Text(f"{fit('No problem.', 40)} {saved}")
        first = problems[0]
        words = f"{count(len(problems), 'problem')}. {where_and_what(first)}"
        return signed("x", f"{fit(words, 74 if not lines else 44)} {saved if lines else ''}")

    @on(LineList.Moved)
    def _describe(self) -> None:
        key = self.query_one("#keys", LineList).key
        field = next((field for field in self._fields() if field.key == key), None)
        problem = next((found for found in self._problems() if found.key == key), None)
        words = field.help if field else ""
        if problem:
            words = f"{problem.what} (allowed: {problem.allowed})"
        self.query_one("#about", Static).update(signed("!" if problem else " ", fit(words, 74)))

    @on(LineList.Left)
    def _left(self) -> None:
        self.query_one("#next", ChoiceBar).focus()

    @on(LineList.Chosen)
    def _open(self, event: LineList.Chosen) -> None:
        field = next(field for field in self._fields() if field.key == event.key)
        self.query_one("#label", Static).update(Text(f"> {fit(field.label, 15)} ["))
        typed = self.query_one("#typed", TextField)
        with self.prevent(Input.Changed):
            typed.value = self.site.draft.value(field.key)
        typed.cursor_position = len(typed.value)
        self.query_one("#edit").display = True
        typed.focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        try:
            self.site.draft.set(self.query_one("#keys", LineList).key, event.value)
        except ConfigError as error:
            self._close()
            self.ferry.say(f"{error.what}\nChange it as text instead: t.")
            return
        self._show()

    @on(Input.Submitted)
    def _take(self) -> None:
        self._close()
        self.query_one("#keys", LineList).action_move(1)

    def _close(self) -> None:
        self.query_one("#keys", LineList).focus()
        self.query_one("#edit").display = False
        self._show()

    def action_back(self) -> None:
        """Stop typing (what was typed stays), or go back."""
        if self._editing:
            self._close()
        else:
            self.dismiss()

    def action_undo(self) -> None:
        """Take the file's value for the key under the cursor."""
        self.site.draft.undo(self.query_one("#keys", LineList).key)
        self._show()

    def action_view(self) -> None:
        """Show what would be written."""
        lines = [Text(fit(line, 76).rstrip()) for line in self.site.draft.diff()]
        title = "What saving would change in the config file"
        shown = lines or [Text("Nothing: it is as in the file.")]
        self.ferry.open(ViewScreen(self.site, self.STEP, title, shown))

    def action_text(self) -> None:
        """Open the whole text."""
        self.ferry.open(YamlScreen(self.site))

    def action_save(self) -> None:
        """Write the file."""
        self._save(then_go_on=False)

    @on(ChoiceBar.Chosen)
    def action_next(self) -> None:
        """Go on to the hosts; what is not saved is shown and saved first."""
        problems = self._problems()
        if problems:
            self.ferry.say("\n".join(["Mend this first:", *map(where_and_what, problems)]))
        elif self.site.draft.is_dirty:
            choices = [("save", "Save and go on"), ("stay", "Stay here")]
            question = Question("Save these changes?", self.site.draft.diff(), choices)
            self.ferry.open(question, self._answered)
        else:
            self._go_on()

    def _answered(self, answer: str | None) -> None:
        if answer == "save":
            self._save(then_go_on=True)

    def _save(self, *, then_go_on: bool, although_changed: bool = False) -> None:
        try:
            if not although_changed and self.site.changed_underneath():
                self._ask_about_the_other(then_go_on)
                return
            self.site.save(self.site.draft.text)
        except AirferryError as error:
            self.ferry.say(f"{error.what}\n{error.remedy}")
            return
        self._show()
        if then_go_on:
            self._go_on()

    def _ask_about_the_other(self, then_go_on: bool) -> None:
        def answered(answer: str | None) -> None:
            if answer == "mine":
                self._save(then_go_on=then_go_on, although_changed=True)

        lines = [
            "Somebody else changed the file since it was read here. Saving replaces what they "
            "wrote; their text stays beside it as .bak."
        ]
        choices = [("stay", "Do not save"), ("mine", "Replace it")]
        self.ferry.open(Question("The file was changed meanwhile", lines, choices), answered)

    def _go_on(self) -> None:
        self.ferry.open(HostsScreen(self.site))
