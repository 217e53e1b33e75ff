"""Config: a form of the keys that matter, checked while typing; saving writes one file only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from core.config import Key, keys_for
from core.engine.request import RunKind, RunRequest
from core.errors import AirferryError, ConfigError
from tui.model.draft import ConfigDraft
from tui.model.site import Site, where_and_what
from tui.model.value_hints import Found, mode_of, quick, slow
from tui.presenters.configview import Checked, checked, field_rows, status_line
from tui.screens.base import AppScreen
from tui.screens.dialogs import Question
from tui.screens.hosts import HostsScreen
from tui.screens.meanwhile import Meanwhile
from tui.screens.review import ReviewScreen
from tui.screens.view import ViewScreen
from tui.screens.yaml_text import SAVE, YamlScreen
from tui.terminal.text import fit, signed
from tui.widgets.choice_bar import ChoiceBar
from tui.widgets.line_list import LineList
from tui.widgets.text_field import TextField

CHECK_AFTER_S, LOOK_AFTER_S = 0.1, 0.2
_MODE = "privateRegistryType"
_ON_ROWS = ("next", "view", "text", "undo")
_NO_FORM = "The text is not YAML: above are the defaults. Mend it as text: t."


class ConfigScreen(AppScreen[None]):
    """The form; what is typed lives in the site's draft and survives going back.

    Args:
        site: The site.
        change: The site runs; what comes next is the change itself.
    """

    STEP: ClassVar[str] = "Config"
    ABOUT: ClassVar[str] = (
        "The keys of airctl-config.yaml. Enter opens a key for typing; Enter again takes what was "
        "typed, Tab goes on to the next key, and Esc stops typing and keeps it, too. Space picks "
        "where there is a choice. Saving writes the config file and nothing else; the old file "
        "stays beside it as .bak, comments and unknown keys stay in it."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "turn(1)", "pick", show=False),
        Binding("right", "turn(1)", "pick", show=False),
        Binding("left", "turn(-1)", "pick", show=False),
        Binding("tab", "field(1)", "next key", key_display="Tab", show=False),
        Binding("shift+tab", "field(-1)", "key before", show=False),
        Binding("v", "view", "changes", key_display="v"),
        Binding("ctrl+o", "save", "save", key_display="Ctrl+O"),
        Binding("t,f6", "text", "text", key_display="t"),
        Binding("n", "next", "next", key_display="n"),
        Binding("u", "undo", "undo", key_display="u"),
    ]

    class Settled(Message):
        """What was typed was looked at, or cannot be taken."""

        def __init__(self, found: Checked | None, error: ConfigError | None = None) -> None:
            super().__init__()
            self.found = found
            self.error = error

    class Looked(Message):
        """What the values lead to was looked at."""

        def __init__(self, text: str, found: Mapping[str, Found]) -> None:
            super().__init__()
            self.text = text
            self.found = found

    def __init__(self, site: Site, *, change: bool = False) -> None:
        super().__init__(site)
        self._change = change

    def body(self) -> ComposeResult:
        yield LineList(id="keys")
        yield Static(id="about", classes="line")
        with Horizontal(id="edit"):
            yield Static(id="label", classes="label")
            yield TextField(id="typed")
            yield Static("]", classes="label", markup=False)
        yield Static(id="status", classes="line")
        yield ChoiceBar(
            "", [("next", "Next: Review" if self._change else "Next: Hosts")], id="next"
        )

    def on_mount(self) -> None:
        self._found: dict[str, Found] = {}
        self._looked_at = ""
        self._checking: ConfigDraft | None = None
        self._meanwhile = Meanwhile(self, self._show)
        self.query_one("#edit").display = False
        if self.site.is_new:
            self._begin_file()
        self._now = checked(self.site.draft, self.site.path)
        self._show()
        wrong = [p.key for p in self._now.problems if p.key]
        if self._now.problems:
            self.set_focus(self._keys)
            self._keys.put_cursor(wrong[0] if wrong else "")
        else:
            self.set_focus(self.query_one("#next", ChoiceBar))

    def _begin_file(self) -> None:
        """Write down the mode: a file that says nothing would be an odd one to save."""
        if not self.site.draft.value(_MODE):
            self.site.draft.set(_MODE, self.site.config.mode.value)

    def on_screen_resume(self) -> None:
        if not self._editing:
            self._meanwhile.is_asked()
        self._show()

    def enter_does(self) -> str:
        if self._editing:
            return "take it"
        if isinstance(self.focused, ChoiceBar):
            return "go on"
        return "take it" if self._offer() else "change"

    def escape_does(self) -> str:
        return "stop typing" if self._editing else "back"

    @property
    def _keys(self) -> LineList:
        return self.query_one("#keys", LineList)

    @property
    def _editing(self) -> bool:
        return isinstance(self.focused, TextField)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Letters are text while a field is open; there is not everywhere something to pick."""
        if action == "turn":
            return not self._editing and bool(self._field.choices)
        if action == "undo" and not self.site.draft.is_changed(self._field.path):
            return False
        if action in ("view", "save") and not (self.site.draft.is_dirty or self.site.is_new):
            return False
        return not (self._editing and action in _ON_ROWS)

    @property
    def _field(self) -> Key:
        """The key under the cursor."""
        fields = self._fields()
        key = self._keys.key if self.is_mounted else ""
        return next((field for field in fields if field.path == key), fields[0])

    def _fields(self) -> list[Key]:
        return keys_for(mode_of(self.site.draft.value(_MODE)))

    def _offer(self) -> str:
        """Return what Enter takes for the key under the cursor, instead of a file that is not."""
        found = self._found.get(self._field.path) if self.is_mounted else None
        return found.offer if found else ""

    def _show(self) -> None:
        now, found, draft = self._now, self._found, self.site.draft
        rows = [
            row
            for f in self._fields()
            for row in field_rows(f, draft, now.config, now.problem(f.path), found.get(f.path))
        ]
        self._keys.show(rows)
        status = status_line(now.changed_lines, now.problems, is_new=self.site.is_new)
        self.query_one("#status", Static).update(status)
        self._describe()
        if not draft.says_the_same_as(self._checking or now.draft):
            self._checking = draft.copy()
            check: Callable[[], Awaitable[None]] = partial(self._check, self._checking)
            self.run_worker(check, group="check", exclusive=True)
        elif now.text != self._looked_at and self._checking is None:
            self._looked_at = now.text
            look: Callable[[], Awaitable[None]] = partial(self._look, now)
            self.run_worker(look, group="look", exclusive=True)

    async def _check(self, draft: ConfigDraft) -> None:
        """Look at what was typed, once typing pauses."""
        if self._editing:
            await asyncio.sleep(CHECK_AFTER_S)
        try:
            found = await asyncio.to_thread(checked, draft, self.site.path)
        except ConfigError as error:
            self.post_message(self.Settled(None, error))
            return
        self.post_message(self.Settled(found))

    @on(Settled)
    def _settled(self, message: Settled) -> None:
        if message.found is None:
            self._checking = None
            if message.error:
                self._refuse(message.error)
        elif message.found.draft.says_the_same_as(self.site.draft):
            self._now, self._checking = message.found, None
            self._show()

    def _is_settled(self) -> bool:
        """Look at what was typed at once, before something is done with it."""
        try:
            self._now, self._checking = checked(self.site.draft, self.site.path), None
        except ConfigError as error:
            self._refuse(error)
            return False
        self._show()
        return True

    def _refuse(self, error: ConfigError) -> None:
        self.site.draft.undo(self._keys.key)
        self._close()
        self.shell.say(f"{error.what}\nChange it as text instead: t.")

    async def _look(self, now: Checked) -> None:
        """Look at what the values lead to, once typing pauses."""
        if self._editing:
            await asyncio.sleep(LOOK_AFTER_S)
        text, config = now.text, now.config
        problems = {problem.key: problem for problem in reversed(now.problems)}
        found = await asyncio.to_thread(quick, config, problems)
        known = {k: f for k, f in self._found.items() if k == "dockerRepo" and k not in problems}
        self.post_message(self.Looked(text, known | found))
        more = await asyncio.to_thread(slow, config) if "dockerRepo" not in problems else {}
        self.post_message(self.Looked(text, found | more))

    @on(Looked)
    def _looked(self, message: Looked) -> None:
        if message.text == self._looked_at:
            self._found = dict(message.found)
            self._show()

    @on(LineList.Moved)
    def _describe(self) -> None:
        field = self._field
        problem = self._now.problem(field.path)
        words = f"{field.form_help}{'  Space picks.' if field.choices else ''}"
        if problem:
            words = f"{problem.what} (allowed: {problem.allowed})"
        if any(found.what.startswith("not YAML") for found in self._now.problems):
            problem, words = problem or self._now.problems[0], _NO_FORM
        about = signed("!" if problem else " ", fit(words, 74))
        self.query_one("#about", Static).update(about)
        self.HELP = f"{field.name} ({field.path}): {field.form_help}\n\n{self.ABOUT}"  # type: ignore[misc]
        self.refresh_bindings()

    @on(LineList.Left)
    def _left(self) -> None:
        self.set_focus(self.query_one("#next", ChoiceBar))

    @on(LineList.Chosen)
    def _open(self) -> None:
        field, draft = self._field, self.site.draft
        if field.choices:
            self.action_turn(1)
        elif offer := self._offer():
            self._set(offer)
        elif draft.items(field.path):
            self.action_text()
        else:
            self._type(field)

    def _type(self, field: Key) -> None:
        try:  # whether this key can be typed at all; what is typed is looked at as it comes
            self.site.draft.copy().set(field.path, "0")
        except ConfigError as error:
            self._refuse(error)
            return
        self.query_one("#label", Static).update(Text(f"> {fit(field.name, 14)} ["))
        typed = self.query_one("#typed", TextField)
        with self.prevent(Input.Changed):
            typed.value = self.site.draft.value(field.path)
        typed.cursor_position = len(typed.value)
        self.query_one("#edit").display = True
        self.set_focus(typed)

    def action_turn(self, step: int) -> None:
        """Pick the next choice, or the one before."""
        field = self._field
        value = self.site.draft.value(field.path) or field.shown(self._now.config)
        now = field.picked(value)
        at = field.choices.index(now) + step if now else 0
        self._set(field.choices[at % len(field.choices)])

    def action_field(self, step: int) -> None:
        """Go to the next key; while one is typed, open the next one for typing as well."""
        typing = self._editing
        if isinstance(self.focused, ChoiceBar):
            self.set_focus(self._keys)
            self._keys.action_end(-step)
            return
        self._close()
        self._keys.action_move(step)
        field = self._field
        if typing and not field.choices and not self.site.draft.items(field.path):
            self._type(field)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self.site.draft.note(self._keys.key, event.value)
        self._show()

    def _set(self, value: str) -> None:
        try:
            self.site.draft.set(self._keys.key, value)
        except ConfigError as error:
            self._refuse(error)
            return
        self._show()

    @on(Input.Submitted)
    def _take(self) -> None:
        self._close()
        self._keys.action_move(1)

    def _close(self) -> None:
        self.set_focus(self._keys)
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
        self.site.draft.undo(self._keys.key)
        self._show()

    def action_view(self) -> None:
        """Show what would be written."""
        if not self._is_settled():
            return
        lines = [Text(fit(line, 76).rstrip()) for line in self.site.draft.diff()]
        title = "What saving would change in the config file"
        shown = lines or [Text("Nothing: it is as in the file.")]
        self.shell.open(ViewScreen(self.site, self.STEP, title, shown))

    def action_text(self) -> None:
        """Open the whole text, at the key under the cursor."""
        if not self._is_settled():
            return
        line = self._now.config.lines.get(self._keys.key, 1)
        self.shell.open(YamlScreen(self.site, line), self._text_closed)

    def _text_closed(self, answer: str | None) -> None:
        if answer == SAVE:
            self.action_save()

    def action_save(self) -> None:
        """Write the file."""
        self._save(then_go_on=False)

    @on(ChoiceBar.Chosen)
    def action_next(self) -> None:
        """Go on to the hosts; what is not saved is shown and saved first."""
        if not self._is_settled() or self._meanwhile.is_asked(self.action_next):
            return
        if self._now.problems:
            wrong = map(where_and_what, self._now.problems)
            self.shell.say("\n".join(["Mend this first:", *wrong]))
        elif self.site.draft.is_dirty or self.site.is_new:
            choices = [("save", "Save and go on"), ("stay", "Stay here")]
            question = Question("Save these changes?", self.site.draft.diff(), choices)
            self.shell.open(question, self._answered)
        else:
            self._go_on()

    def _answered(self, answer: str | None) -> None:
        if answer == "save":
            self._save(then_go_on=True)

    def _save(self, *, then_go_on: bool) -> None:
        again = partial(self._save, then_go_on=then_go_on)
        if not self._is_settled() or self._meanwhile.is_asked(again):
            return
        try:
            self.site.save(self.site.draft.text)
        except AirferryError as error:
            self.shell.tell(error)
            return
        self._is_settled()
        if then_go_on:
            self._go_on()

    def _go_on(self) -> None:
        if self._change:
            request = RunRequest(RunKind.RECONFIGURE, self.site.path)
            self.shell.open(ReviewScreen(self.site, request))
        else:
            self.shell.open(HostsScreen(self.site))
