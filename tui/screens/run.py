"""Run: how a run fares, for as many hosts as there are; the run goes on without this screen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from core.engine.report import Target, targets_of
from core.engine.request import RunRequest
from core.errors import AirferryError
from tui.again import retry_of
from tui.follow import follow
from tui.progress import Planned, in_order, planned_bytes, progress_of
from tui.runview import HEADING, bar_line, tally_line, target_line, top_line
from tui.screens.base import HouseScreen
from tui.screens.dialogs import Question
from tui.screens.done import DoneScreen
from tui.screens.host import HostScreen
from tui.site import Site, Snapshot
from tui.widgets.line_list import LineList, Row

SORT_EVERY_S = 5.0


class RunScreen(HouseScreen[None]):
    """One run, followed in the journal.

    Args:
        site: The site.
        run: The run.
    """

    STEP: ClassVar[str] = "Run"
    ENTER: ClassVar[str] = "open"
    HELP: ClassVar[str] = (
        "Problems are on top, then the slowest hosts, then the rest. The run goes on without this "
        "screen: d leaves it alone, and airferry shows it again. c ends the run; what is done "
        "stays, and is not done twice."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "detach", "leave it alone", key_display="d"),
        Binding("c", "cancel", "cancel", key_display="c"),
        Binding("r", "retry_one", "retry host", key_display="r"),
        Binding("R,shift+r", "retry", "retry failed", key_display="R"),
        Binding("o", "outcome", "outcome", key_display="o"),
        Binding("escape", "back", "to Start", key_display="Esc"),
    ]

    class Looked(Message):
        """The journal was read."""

        def __init__(self, snapshot: Snapshot, planned: Planned) -> None:
            super().__init__()
            self.snapshot = snapshot
            self.planned = planned

    class Begun(Message):
        """A retry has begun, or was refused."""

        def __init__(self, run: int, error: AirferryError | None = None) -> None:
            super().__init__()
            self.run = run
            self.error = error

    def __init__(self, site: Site, run: int) -> None:
        super().__init__(site)
        self._run = run
        self._snapshot: Snapshot | None = None
        self._order: list[str] = []
        self._sorted_at = 0.0

    def body(self) -> ComposeResult:
        yield Static(Text("reading the journal.."), id="top", classes="line")
        yield Static(id="bar", classes="line")
        yield Static(id="tally", classes="line")
        yield Static(Text(HEADING, "bold"), classes="line")
        yield LineList(id="hosts")

    def on_mount(self) -> None:
        self._watch(self._run)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Cancelling is for a run at work, retrying for one that has ended."""
        ended = self._snapshot is not None and self._snapshot.ended
        if action in ("detach", "cancel"):
            return not ended
        if action == "outcome":
            return ended
        if action == "retry":
            return self._again() is not None
        if action == "retry_one":
            return bool(self._retriable_host())
        return True

    def _watch(self, run: int) -> None:
        self._run = run
        self._snapshot = None
        self._order.clear()
        self._sorted_at = 0.0
        self.run_worker(self._follow(run), group="follow", exclusive=True)

    async def _follow(self, run: int) -> None:
        planned = await asyncio.to_thread(planned_bytes, self.site, run)
        async for snapshot in follow(self.site, run, self.ferry.pace_s):
            self.post_message(self.Looked(snapshot, planned))

    @on(Looked)
    def _looked(self, message: Looked) -> None:
        snapshot = message.snapshot
        if snapshot.run.id != self._run:
            return
        before, self._snapshot = self._snapshot, snapshot
        progress = progress_of(snapshot.tasks, message.planned)
        self._say("#top", top_line(snapshot, progress), "bold")
        self._say("#bar", bar_line(snapshot, progress))
        self._say("#tally", tally_line(snapshot))
        targets = self._in_order(snapshot)
        rows = [Row(target.name, target_line(target)) for target in targets]
        self.query_one("#hosts", LineList).show(rows)
        if before is None or before.ended != snapshot.ended:
            self.refresh_bindings()
        if snapshot.ended and self.app.screen is self:
            self.action_outcome()

    def _say(self, where: str, words: str, style: str = "") -> None:
        """Change a line only if it says something else: what is the same is not sent again."""
        line = self.query_one(where, Static)
        if str(line.content) != words:
            line.update(Text(words, style))

    def _in_order(self, snapshot: Snapshot) -> Sequence[Target]:
        """Sort anew at most every few seconds, so that lines do not jump about."""
        now = time.monotonic()
        if now - self._sorted_at > SORT_EVERY_S or snapshot.ended:
            self._sorted_at = now
            self._order = [target.name for target in in_order(snapshot.tasks)]
        found = {target.name: target for target in targets_of(snapshot.tasks)}
        self._order += [name for name in found if name not in self._order]
        return [found[name] for name in self._order if name in found]

    @on(LineList.Moved)
    def _moved(self) -> None:
        self.refresh_bindings()

    @on(LineList.Chosen)
    def _open(self, event: LineList.Chosen) -> None:
        screen = HostScreen(self.site, self._run, event.key)
        self.ferry.open(screen, self._host_closed)

    def _host_closed(self, answer: str | None) -> None:
        if answer == "retry":
            self.action_retry_one()

    def action_outcome(self) -> None:
        """Show how it ended, in plain words."""
        if self._snapshot:
            self.ferry.open(DoneScreen(self.site, self._snapshot), self._outcome_closed)

    def _outcome_closed(self, answer: str | None) -> None:
        if answer == "retry":
            self.action_retry()
        elif answer == "start":
            self.action_back()

    def action_back(self) -> None:
        """Go to the first screen; the run goes on."""
        self.ferry.home()

    def action_detach(self) -> None:
        """Leave the screens; the run goes on."""
        self.app.exit(f"Run {self._run} goes on. Watch it: airferry, or airferry watch {self._run}")

    def action_cancel(self) -> None:
        """Ask twice, then end the run."""
        lines = ["What is done stays and is not done twice when it is started again."]
        choices = [("no", "No, let it go on"), ("yes", "Yes, cancel")]

        def sure(answer: str | None) -> None:
            if answer == "yes" and self._snapshot:
                self.run_worker(self._cancel(self._snapshot), group="cancel")

        def first(answer: str | None) -> None:
            if answer == "yes":
                more = ["Hosts at work are left as they are now: some images there, some not yet."]
                self.ferry.open(Question("Really cancel?", more, choices), sure)

        self.ferry.open(Question(f"Cancel run {self._run}?", lines, choices), first)

    async def _cancel(self, snapshot: Snapshot) -> None:
        state_dir = self.site.config.state_dir
        await asyncio.to_thread(self.site.launcher.cancel, snapshot.run, state_dir)

    def _again(self, host: str = "") -> RunRequest | None:
        if self._snapshot is None or not self._snapshot.ended:
            return None
        return retry_of(self._snapshot, self.site.config, host)

    def _retriable_host(self) -> str:
        again = self._again()
        name = self.query_one("#hosts", LineList).key if again else ""
        return name if again and name in again.hosts else ""

    def action_retry(self) -> None:
        """Do again what failed."""
        request = self._again()
        if request:
            self.run_worker(self._begin(request), group="begin", exclusive=True)

    def action_retry_one(self) -> None:
        """Do the host under the cursor again."""
        host = self._retriable_host()
        request = self._again(host) if host else None
        if request:
            self.run_worker(self._begin(request), group="begin", exclusive=True)

    async def _begin(self, request: RunRequest) -> None:
        try:
            run = await asyncio.to_thread(self.site.launcher.start, request)
        except AirferryError as error:
            self.post_message(self.Begun(0, error))
            return
        self.post_message(self.Begun(run))

    @on(Begun)
    def _begun(self, message: Begun) -> None:
        if message.error:
            self.ferry.say(f"{message.error.what}\n{message.error.remedy}")
        else:
            self._watch(message.run)
