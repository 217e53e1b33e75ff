"""Review: what the dry run found missing; nothing is changed before this is confirmed."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from core.engine.causes import warnings_of
from core.engine.changes import NOTHING
from core.engine.journal import ENDED_WELL, LogLine, State, TaskRow
from core.engine.report import nothing_words, particulars_of
from core.engine.request import RunKind, RunRequest
from core.errors import AirferryError
from core.telling import PARTICULAR
from tui.model.follow import follow
from tui.model.logins import asking_hosts
from tui.model.site import RunSnapshot, Site
from tui.presenters.changing import change_lines, leaves_registry, option_line
from tui.presenters.costview import Cost, cost_of
from tui.presenters.planview import has_bad_bundle, keep_going_lines, nothing_to_do, plan_lines
from tui.presenters.row import Row
from tui.presenters.verdict import particular_lines
from tui.screens.base import AppScreen
from tui.screens.passwords import PASSWORDS, ask_passwords
from tui.screens.plan_table import PlanTableScreen
from tui.screens.run import RunScreen
from tui.terminal.text import wrapped
from tui.widgets.choice_bar import ChoiceBar
from tui.widgets.line_list import LineList


class ReviewScreen(AppScreen[None]):
    """The plan of one request.

    Args:
        site: The site.
        request: What would be started.
    """

    STEP: ClassVar[str] = "Review"
    AUTO_FOCUS = "#start"
    HELP: ClassVar[str] = (
        "A dry run asks this machine and every host what is missing. Only Yes starts the work. "
        "It can be cancelled at any time, and started again: what is done is not done twice. "
        "Where a host asks for a password, w types it, and the dry run is asked again. "
        "Where a bundle is not whole, d leaves out what is bad of it and imports the rest."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "ask", "ask again", key_display="r"),
        Binding("l", "details", "host by host", key_display="l"),
        PASSWORDS,
        Binding("o", "option", "remove content", key_display="o"),
        Binding("d", "keep_going", "leave out bad", key_display="d"),
        Binding("tab", "app.focus_next", "to the answers", key_display="Tab", show=False),
    ]

    class Looked(Message):
        """The dry run has come so far."""

        def __init__(
            self,
            snapshot: RunSnapshot,
            particulars: list[LogLine],
            facts: list[LogLine],
            cost: Cost | None,
        ) -> None:
            super().__init__()
            self.snapshot = snapshot
            self.particulars = particulars
            self.facts = facts
            self.cost = cost

    class Refused(Message):
        """A run could not begin."""

        def __init__(self, error: AirferryError) -> None:
            super().__init__()
            self.error = error

    def __init__(self, site: Site, request: RunRequest) -> None:
        super().__init__(site)
        self._request = request
        self._snapshot: RunSnapshot | None = None

    def body(self) -> ComposeResult:
        yield Static(id="headline", classes="line")
        yield LineList(id="plan")
        yield ChoiceBar("", [("no", "No")], id="start")

    def on_mount(self) -> None:
        self.action_ask()

    def enter_does(self) -> str:
        return "answer" if isinstance(self.focused, ChoiceBar) else ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """There is nothing to list, and nobody asks, before the dry run has answered."""
        if action == "passwords":
            return bool(self._asking())
        if action == "option":
            return self._changes and leaves_registry(self._tasks())
        if action == "keep_going":
            return self._may_keep_going()
        return not (action == "details" and self._snapshot is None)

    @property
    def _changes(self) -> bool:
        return self._request.kind is RunKind.RECONFIGURE

    def _tasks(self) -> tuple[TaskRow, ...]:
        return self._snapshot.tasks if self._snapshot else ()

    def urgent_action(self) -> str:
        return "passwords"

    def _asking(self) -> dict[str, str]:
        return asking_hosts(self._snapshot.tasks) if self._snapshot else {}

    def action_passwords(self) -> None:
        """Type what the hosts ask for, and look again."""
        ask_passwords(self.shell, self._asking(), lambda _: self.action_ask())

    def action_option(self) -> None:
        """Have the registry's content removed as well, or not; and look again."""
        removes = not self._request.remove_registry
        self._request = replace(self._request, remove_registry=removes)
        self.action_ask()

    def _may_keep_going(self) -> bool:
        """Whether there is something wrong with a bundle, or it was chosen to leave that out."""
        imports = self._request.kind in (RunKind.INSTALL, RunKind.IMPORT, RunKind.RECONFIGURE)
        return imports and (self._request.keep_going or has_bad_bundle(self._tasks()))

    def action_keep_going(self) -> None:
        """Leave out what is wrong with bundles, or not; and look again."""
        self._request = replace(self._request, keep_going=not self._request.keep_going)
        self.action_ask()

    def action_ask(self) -> None:
        """Ask this machine and every host again."""
        self._headline("Asking this machine and every host what is missing..")
        self.query_one("#start", ChoiceBar).show("Not ready yet.", [("no", "Back")])
        self.run_worker(self._ask(), exclusive=True)

    async def _ask(self) -> None:
        try:
            run = await asyncio.to_thread(self.site.start, self._request.as_plan())
        except AirferryError as error:
            self.post_message(self.Refused(error))
            return
        async for snapshot in follow(self.site, run, self.shell.pace_s):
            told = await asyncio.to_thread(self.site.reader.log, run, level=PARTICULAR)
            facts, cost = [], None
            if snapshot.ended:
                facts = await asyncio.to_thread(self.site.reader.log, run, level="fact")
                cost = await asyncio.to_thread(cost_of, self.site, snapshot)
            self.post_message(self.Looked(snapshot, told, facts, cost))

    @on(Looked)
    def _looked(self, message: Looked) -> None:
        snapshot = message.snapshot
        if not snapshot.ended:
            asked = sum(t.state not in (State.WAITING, State.RUNNING) for t in snapshot.tasks)
            self._headline(f"Asking what is missing: {asked} of {len(snapshot.tasks)} answers..")
            return
        self._snapshot = snapshot
        cost = None if nothing_to_do(snapshot.tasks) else message.cost
        lines = plan_lines(
            snapshot.tasks,
            warnings_of(snapshot.tasks, snapshot.run),
            socket.gethostname(),
            cost,
            with_hosts=self._request.kind is RunKind.INSTALL,
            changes=self._change_lines(message) if self._changes else None,
        )
        if self._may_keep_going():
            lines += keep_going_lines(keeps_going=self._request.keep_going)
        told = particular_lines(particulars_of(message.particulars))
        lines += [Text(), *told] if told else []
        self.query_one("#plan", LineList).show([Row("", line) for line in lines])
        self._offer(snapshot)
        self.refresh_bindings()

    def _change_lines(self, message: Looked) -> list[Text]:
        tasks = message.snapshot.tasks
        removes = self._request.remove_registry
        return [*change_lines(tasks, message.facts), *option_line(tasks, removes=removes)]

    def _offer(self, snapshot: RunSnapshot) -> None:
        bar = self.query_one("#start", ChoiceBar)
        answers = [("no", "No"), ("yes", "Yes")]
        if not snapshot.state.went_well and snapshot.state is not State.FAILED:
            self._headline(f"The dry run was {snapshot.state}: press r to ask again.")
        elif not any(task.state in ENDED_WELL for task in snapshot.tasks):
            self._headline("Nothing can be done as things are.")
            bar.show("Start all the same?", answers)
        elif nothing_to_do(snapshot.tasks):
            nothing = f"Nothing to do: {nothing_words(self._request.kind)}."
            self._headline(NOTHING if self._changes else nothing)
            bar.show("Check everything once more?", answers)
        else:
            self._headline(f"{'This is what will be done.':<49}Nothing is done yet.")
            bar.show("Start?", answers)

    def _headline(self, words: str) -> None:
        self.query_one("#headline", Static).update(Text(words, "bold"))

    @on(Refused)
    def _refused(self, message: Refused) -> None:
        self._headline("This cannot be started.")
        error = message.error
        lines = [f"x {error.what} [{error.code}]", "", error.remedy]
        rows = [Row("", Text(part)) for line in lines for part in wrapped(line, 76, "  ")]
        self.query_one("#plan", LineList).show(rows)
        self.query_one("#start", ChoiceBar).show("", [("no", "Back")])

    @on(ChoiceBar.Chosen)
    def _answered(self, event: ChoiceBar.Chosen) -> None:
        if event.key == "yes":
            self._headline("Starting..")
            self.query_one("#start", ChoiceBar).show("Starting..", [("wait", "")])
            self.run_worker(self._start(), exclusive=True)
        elif event.key == "no":
            self.dismiss()

    async def _start(self) -> None:
        try:
            run = await asyncio.to_thread(self.site.start, self._request)
        except AirferryError as error:
            self.post_message(self.Refused(error))
            return
        self.post_message(self.Started(run))

    class Started(Message):
        """The run has begun."""

        def __init__(self, run: int) -> None:
            super().__init__()
            self.run = run

    @on(Started)
    def _started(self, message: Started) -> None:
        shell, site = self.shell, self.site
        shell.home()
        shell.open(RunScreen(site, message.run))

    def action_details(self) -> None:
        """Show what every target lacks."""
        if self._snapshot:
            self.shell.open(PlanTableScreen(self.site, self._snapshot))
