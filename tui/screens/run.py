"""Run: how a run fares, for as many hosts as there are; the run goes on without this screen."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from tui.model.follow import follow
from tui.model.progress import planned_bytes
from tui.model.site import Site
from tui.presenters.filtering import HELP as FILTER_HELP
from tui.presenters.filtering import next_sort
from tui.presenters.hosttable import ORDERS, RunView, arranged, pinned, view_of
from tui.presenters.row import Row
from tui.presenters.runview import (
    bar_line,
    beside_lines,
    heading,
    tally_line,
    target_line,
    top_line,
)
from tui.presenters.upkeep import services_words
from tui.screens.done import DoneScreen
from tui.screens.host import HostScreen
from tui.screens.run_controls import RunControls
from tui.widgets.filter_line import FilterLine
from tui.widgets.line_list import LineList
from tui.widgets.panes import Panes, SidePane, is_wide

SORT_EVERY_S = 5.0
CURVE_LENGTH = 10


class RunScreen(RunControls):
    """One run, followed in the journal.

    Args:
        site: The site.
        run: The run.
    """

    STEP: ClassVar[str] = "Run"
    ENTER: ClassVar[str] = "open"
    ROWS: ClassVar[str] = "#hosts"
    HELP: ClassVar[str] = (
        "Problems are on top, then the slowest hosts, then the rest; s sorts otherwise. The order "
        "changes every few seconds, and never under the cursor. The run goes on without this "
        "screen: d leaves it alone, and airferry shows it again. p holds it at its next stop, "
        "until p lets it go on. c ends it; what is done stays, and is not done twice. r tries a "
        "host again that failed, R all of them, also while others are at work. Where a host asked "
        f"for a password, w types it and retries. {FILTER_HELP} Try /failed, /!done or a part of "
        "a name."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "outcome", "outcome", key_display="o"),
        Binding("s", "sort", "sort", key_display="s"),
    ]

    class Looked(Message):
        """The journal was read."""

        def __init__(self, view: RunView) -> None:
            super().__init__()
            self.view = view

    def __init__(self, site: Site, run: int) -> None:
        super().__init__(site)
        self._run = run
        self._view: RunView | None = None
        self._order = next(iter(ORDERS))
        self._names: list[str] = []
        self._sorted_at = 0.0
        self._touched = False
        self._services = ""
        self._offers: tuple[object, ...] = ()
        self._rates: deque[float] = deque(maxlen=CURVE_LENGTH)

    def body(self) -> ComposeResult:
        yield Static(Text("reading the journal.."), id="top", classes="line")
        yield Static(id="bar", classes="line")
        yield Static(id="tally", classes="line")
        yield FilterLine()
        yield Static(Text(heading(self._order), "bold"), id="heading", classes="line")
        with Panes():
            yield LineList(id="hosts")
            yield SidePane()

    def on_mount(self) -> None:
        self.query_one("#hosts", LineList).focus()
        self.watch_run(self._run)

    @property
    def view(self) -> RunView | None:
        return self._view

    @property
    def here(self) -> str:
        return self.query_one("#hosts", LineList).key

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The outcome is there when it has ended."""
        if action == "outcome":
            return self._view is not None and self._view.ended
        return super().check_action(action, parameters)

    def watch_run(self, run: int) -> None:
        self._run = run
        self._view = None
        self._names.clear()
        self._rates.clear()
        self._touched = False
        self.run_worker(self._follow(run), group="follow", exclusive=True)

    async def _follow(self, run: int) -> None:
        planned = await asyncio.to_thread(planned_bytes, self.site, run)
        async for snapshot in follow(self.site, run, self.shell.pace_s):
            self.post_message(self.Looked(await asyncio.to_thread(view_of, snapshot, planned)))

    async def _look_at_services(self) -> None:
        """Ask registry and tunnels now and then; one that is silent holds up nothing else."""
        while self._view is not None and not self._view.ended:
            self._services = await asyncio.to_thread(services_words, self.site.config)
            await asyncio.sleep(SORT_EVERY_S)

    @on(Looked)
    def _looked(self, message: Looked) -> None:
        view = message.view
        if view.snapshot.run.id != self._run:
            return
        before, self._view = self._view, view
        self._rates.append(view.progress.rate)
        if before is None and not view.ended:
            self.run_worker(self._look_at_services(), group="services", exclusive=True)
        if before is None or view.ended or time.monotonic() - self._sorted_at > SORT_EVERY_S:
            self._arrange()
        self._show()
        offers = (*view.offers, self.here)
        if self._offers != offers:
            self._offers = offers
            self.refresh_bindings()
        if view.ended and self.app.screen is self:
            self.action_outcome()

    def show_rows(self) -> None:
        self._arrange()
        self._show()

    def _arrange(self) -> None:
        """Sort and filter; the row under the cursor keeps its place once somebody moved it."""
        if self._view is None:
            return
        hosts = self.query_one("#hosts", LineList)
        self._sorted_at = time.monotonic()
        self._names = arranged(self._view, self._order, self.filter_text)
        if self._touched:
            self._names = pinned(self._names, hosts.key, hosts.index)

    def _show(self) -> None:
        view = self._view
        if view is None:
            return
        rates = () if self.shell.is_plain else tuple(self._rates)
        self._say("#top", top_line(view.snapshot, view.progress), "bold")
        self._say("#bar", bar_line(view.snapshot, view.progress, rates))
        self._say("#tally", tally_line(view.snapshot, self._services))
        self._say("#heading", heading(self._order), "bold")
        found = [view.targets[name] for name in self._names]
        rows = [Row(target.name, partial(target_line, target)) for target in found]
        hosts = self.query_one("#hosts", LineList)
        first = self._names[0] if self._names and not self._touched else ""
        hosts.show(rows or [Row("", Text("no host has all of these words"))], cursor=first)
        self.query_one(FilterLine).found(len(rows), len(view.targets))
        self._show_beside()

    def _show_beside(self) -> None:
        """Show the host under the cursor, where there is room for it."""
        target = self._view and self._view.targets.get(self.here)
        if target and is_wide(self):
            self.query_one(SidePane).tell(partial(beside_lines, target))

    def _say(self, where: str, words: str, style: str = "") -> None:
        """Change a line only if it says something else: what is the same is not sent again."""
        line = self.query_one(where, Static)
        if str(line.content) != words:
            line.update(Text(words, style))

    @on(LineList.Moved)
    def _moved(self) -> None:
        self._touched = True
        self._show_beside()
        self.refresh_bindings()

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        self._show_beside()

    def action_sort(self) -> None:
        """Sort by the next order, and look at it from the top."""
        self._order = next_sort(ORDERS, self._order)
        self._touched = False
        self.show_rows()

    @on(LineList.Chosen)
    def _open(self, event: LineList.Chosen) -> None:
        screen = HostScreen(self.site, self._run, event.key)
        self.shell.open(screen, self._host_closed)

    def _host_closed(self, answer: str | None) -> None:
        if answer == "retry":
            self.action_retry_one()

    def action_outcome(self) -> None:
        """Show how it ended, in plain words."""
        if self.snapshot:
            self.shell.open(DoneScreen(self.site, self.snapshot), self._outcome_closed)

    def _outcome_closed(self, answer: str | None) -> None:
        if answer == "retry":
            self.action_retry()
        elif answer == "start":
            self.action_back()

    def action_back(self) -> None:
        """Go to the first screen; the run goes on."""
        self.shell.home()
