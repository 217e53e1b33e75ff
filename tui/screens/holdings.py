"""What the registry holds: every name with its size and where it came from, and deleting one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from core.config import Mode
from core.engine.request import RunKind, RunRequest
from core.errors import AirferryError, RegistryUnreachable
from tui.model.logins import secret_asked_for
from tui.model.site import Site
from tui.presenters.filtering import HELP as FILTER_HELP
from tui.presenters.filtering import matches, next_sort
from tui.presenters.holdingview import (
    HEADING,
    ORDERS,
    fields_of,
    heading,
    held_line,
    held_lines,
    question_lines,
)
from tui.presenters.row import Row
from tui.screens.dialogs import Question
from tui.screens.filtered import FilteredScreen
from tui.screens.passwords import PASSWORDS
from tui.screens.registry_login import ask_registry_login
from tui.screens.review import ReviewScreen
from tui.screens.view import ViewScreen
from tui.terminal.text import wrapped
from tui.widgets.filter_line import FilterLine
from tui.widgets.line_list import LineList
from tui.widgets.panes import Panes, SidePane, is_wide

if TYPE_CHECKING:
    from core.engine.holdings import Held

NOT_RUNNING = (
    "It runs from the first import on. To start it: Esc, then i (import) or n (review); "
    "or without the screens: airferry registry start"
)


class HoldingsScreen(FilteredScreen[None]):
    """The names of the site's registry.

    Args:
        site: The site.
    """

    STEP: ClassVar[str] = "Bundles"
    ROWS: ClassVar[str] = "#held"
    ENTER: ClassVar[str] = "all of it"
    HELP: ClassVar[str] = (
        "Everything that hosts can pull from this site's registry. Del takes one name away, after "
        "asking; the images on the hosts stay. The room on the disk is given back by g, after "
        f"Review. {FILTER_HELP}"
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("delete,D", "delete", "delete", key_display="Del"),
        Binding("g", "gc", "give room back", key_display="g"),
        Binding("s", "sort", "sort", key_display="s"),
        Binding("r", "look", "look again", key_display="r"),
        PASSWORDS,
    ]

    class Looked(Message):
        """The registry was asked."""

        def __init__(
            self, found: Sequence[Held], error: AirferryError | None = None, gone: str = ""
        ) -> None:
            super().__init__()
            self.found = found
            self.error = error
            self.gone = gone

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._found: dict[str, Held] = {}
        self._asks_for_login = False
        self._order = next(iter(ORDERS))

    def body(self) -> ComposeResult:
        yield Static(Text("asking the registry.."), id="heading", classes="line")
        yield FilterLine()
        yield Static(Text(HEADING, "bold"), classes="line")
        with Panes():
            yield LineList(id="held")
            yield SidePane()

    def on_mount(self) -> None:
        self.query_one("#held", LineList).focus()
        self.action_look()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Of a registry that is not ours nothing is deleted."""
        if action == "gc":
            return self.site.config.mode is Mode.DU
        if action == "passwords":
            return self._asks_for_login
        if action == "delete":
            return self.site.config.mode is not Mode.CUSTOM and self._entry() is not None
        return True

    def enter_does(self) -> str:
        return self.ENTER if self._entry() else ""

    def action_passwords(self) -> None:
        """Type the login that the registry asks for, and look again."""
        ask_registry_login(self.shell, self.action_look)

    def action_look(self) -> None:
        """Ask the registry again."""
        self.run_worker(self._ask(lambda: _held(self.site)), group="ask", exclusive=True)

    async def _ask(self, ask: Callable[[], Sequence[Held]], gone: str = "") -> None:
        try:
            found = await asyncio.to_thread(ask)
        except AirferryError as error:
            self.post_message(self.Looked((), error))
            return
        self.post_message(self.Looked(found, gone=gone))

    @on(Looked)
    def _looked(self, message: Looked) -> None:
        error = message.error
        if error is not None and self._found:
            self.shell.tell(error)
            return
        self._found = {entry.name: entry for entry in message.found}
        self._asks_for_login = bool(error and secret_asked_for(error.code, error.what, ""))
        if error is None:
            self.show_rows()
            if message.gone:
                self._head(f"Deleted: {message.gone}")
        else:
            self._head("x The registry cannot be asked.")
            ours = self.site.config.mode is not Mode.CUSTOM
            gone = ours and isinstance(error, RegistryUnreachable)
            remedy = NOT_RUNNING if gone else error.remedy
            lines = [*wrapped(error.what, 74), "", *wrapped(remedy, 74)]
            self.query_one("#held", LineList).show([Row("", Text(line)) for line in lines])
        self.refresh_bindings()

    def _head(self, words: str) -> None:
        self.query_one("#heading", Static).update(Text(words, "bold"))

    def show_rows(self) -> None:
        entries = list(self._found.values())
        config = self.site.config
        own = f"127.0.0.1:{config.registry_port}"
        address = config.registry_base if config.mode is Mode.CUSTOM else own
        self.query_one("#heading", Static).update(heading(entries, address, self._order))
        shown = sorted(
            (entry for entry in entries if matches(self.filter_text, fields_of(entry))),
            key=ORDERS[self._order],  # type: ignore[arg-type]
        )
        empty = "no name has all of these words" if entries else "the registry is empty"
        rows = [Row(entry.name, partial(held_line, entry)) for entry in shown]
        self.query_one("#held", LineList).show(rows or [Row("", Text(empty))])
        self.query_one(FilterLine).found(len(shown), len(entries))
        self._show_beside()

    def _show_beside(self) -> None:
        entry = self._entry()
        if entry and is_wide(self):
            prefix = self.site.config.name_prefix
            self.query_one(SidePane).tell(lambda width: held_lines(entry, prefix, width))

    def on_resize(self, _event: events.Resize) -> None:
        self._show_beside()

    @on(LineList.Moved)
    def _moved(self) -> None:
        self.refresh_bindings()
        self._show_beside()

    def _entry(self) -> Held | None:
        return self._found.get(self.query_one("#held", LineList).key) if self.is_mounted else None

    def action_sort(self) -> None:
        """Sort by something else."""
        self._order = next_sort(ORDERS, self._order)
        self.show_rows()

    @on(LineList.Chosen)
    def _chosen(self) -> None:
        entry = self._entry()
        if entry:
            lines = held_lines(entry, self.site.config.name_prefix)
            self.shell.open(ViewScreen(self.site, self.STEP, entry.name, lines))

    def action_gc(self) -> None:
        """Review what could be given back."""
        self.shell.open(ReviewScreen(self.site, RunRequest(RunKind.GC, self.site.path)))

    def action_delete(self) -> None:
        """Ask, then take the name under the cursor away."""
        entry = self._entry()
        if entry is None:
            return

        def answered(key: str | None) -> None:
            if key == "yes":
                self._head("Deleting..")
                self.run_worker(self._delete(entry), group="ask", exclusive=True)

        choices = [("no", "No"), ("yes", "Yes, delete")]
        self.shell.open(
            Question("Delete from the registry?", question_lines(entry), choices), answered
        )

    async def _delete(self, entry: Held) -> None:
        site = self.site

        def delete_and_look() -> Sequence[Held]:
            from core.engine.holdings import delete_held

            delete_held(site.config, [entry.name])
            return _held(site)

        await self._ask(delete_and_look, entry.name)


def _held(site: Site) -> list[Held]:
    from core.engine.holdings import held  # takes a while to import: not for the first screen

    return held(site.config, site.secrets.registry)
