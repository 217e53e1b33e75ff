"""Start: what was found, and the next thing to do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from core.engine.request import RunKind, RunRequest
from core.errors import AirferryError
from core.words import count, size
from tui.model.overview import Findings, OverviewLine, gather
from tui.model.site import Site
from tui.model.stick_watch import EVERY_S, StickWatch
from tui.presenters.changing import differs
from tui.presenters.row import Row
from tui.screens.base import AppScreen
from tui.screens.bundles import BundlesScreen
from tui.screens.config import ConfigScreen
from tui.screens.maintenance import MaintenanceScreen
from tui.screens.mode import ModeScreen
from tui.screens.review import ReviewScreen
from tui.screens.run import RunScreen
from tui.terminal.text import end_of, fit, names, signed, when
from tui.widgets.line_list import LineList

QUICK_S = 0.5
"""How long the first look waits for a stick, in seconds."""
WALK = "mode, config, hosts, bundles, then review"


class StartScreen(AppScreen[None]):
    """The first screen; everything else comes back to it."""

    STEP: ClassVar[str] = "Start"
    ENTER: ClassVar[str] = "choose"
    HELP: ClassVar[str] = (
        "What Airferry found on this machine, and what can be done next. A stick with bundles may "
        "be put in at any time; mount it where you like, such as below /media or /mnt. "
        "Nothing is changed on any machine before you have confirmed it on Review."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave", "leave", key_display="q"),
        Binding("r", "look", "look again", key_display="r"),
        Binding("escape", "back", "back", show=False),
    ]

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._watch = StickWatch(site)
        self._arrived = True
        self._placed = ""
        self._findings: Findings | None = None
        self._differed: tuple[str, ...] = ()

    class Found(Message):
        """The look around has come so far; settled: but for slow sticks it is complete."""

        def __init__(self, findings: Findings, *, settled: bool = False) -> None:
            super().__init__()
            self.findings = findings
            self.settled = settled

    def body(self) -> ComposeResult:
        yield Static(Text("Found", "bold"), classes="line")
        yield Static(Text("  looking around.."), id="found", classes="lines")
        yield Static(Text("\nNext", "bold"), id="next", classes="lines")
        yield LineList(id="menu")

    def on_mount(self) -> None:
        self.set_interval(EVERY_S, self._ask_for_sticks)

    def on_screen_resume(self) -> None:
        self._arrived, self._placed = True, ""
        self.action_look()

    def action_look(self) -> None:
        """Look around again."""
        self.run_worker(self._look(), group="look", exclusive=True)

    async def _look(self) -> None:
        try:
            self.site.reload()
        except AirferryError as error:
            self.shell.tell(error)
        found = await asyncio.to_thread(gather, self.site, QUICK_S)
        self.post_message(self.Found(replace(found, differs=self._differed)))
        self._differed = await asyncio.to_thread(differs, self.site)
        self.post_message(self.Found(replace(found, differs=self._differed), settled=True))
        if found.waiting:
            found = await asyncio.to_thread(gather, self.site)
            self.post_message(self.Found(replace(found, differs=self._differed), settled=True))

    async def _ask_for_sticks(self) -> None:
        """Look again when a stick was put in or pulled out; that itself asks no stick."""
        if self.app.screen is self and await self._watch.has_changed():
            self.action_look()

    @on(Found)
    def _show(self, message: Found) -> None:
        findings = message.findings
        shown = Text("\n").join(_finding_line(line) for line in findings.lines)
        self.query_one("#found", Static).update(shown)
        self.query_one("#next", Static).update(Text(f"\n{_next(findings)}", "bold"))
        menu = self.query_one("#menu", LineList)
        rows = self._at_work_rows(findings) or self._rows(findings)
        same = [row.key for row in rows] == [row.key for row in menu.rows]
        untouched = self._arrived and menu.key == (self._placed or menu.key)
        menu.show(rows, cursor=rows[0].key if untouched and not same else menu.key)
        self._placed, self._findings = menu.key, findings
        self._arrived = untouched and not message.settled
        self.shell.first_paint()

    def _at_work_rows(self, findings: Findings) -> list[Row]:
        run = findings.at_work
        if run is None:
            return []
        return [
            _item(f"watch:{run.id}", "Watch the run that is at work"),
            _item("leave", "Leave it alone", "it goes on without the screens"),
        ]

    def _rows(self, findings: Findings) -> list[Row]:
        if self.site.problems:
            number = count(len(self.site.problems), "problem")
            rows = [_item("mend", "Mend the config", number)]
        elif self.site.is_new:
            rows = [_item("setup", "Set up this site", WALK)]
        else:
            rows = [
                *self._urgent_rows(findings),
                _item("setup", "Set up or change this site", WALK),
            ]
        if findings.last_run:
            run = findings.last_run
            what = f"run {run.id}, {when(run.started)}, {run.kind}"
            rows.append(_item(f"watch:{run.id}", "Look at the last run", what))
            if not self.site.problems:
                rows.append(
                    _item("verify", "Verify the site", "is every image there? Changes nothing")
                )
        if not self.site.problems and not self.site.is_new:
            rows.append(_item("upkeep", "Maintenance", "back up, restore, clean up, tunnels"))
        return [*rows, _item("leave", "Leave")]

    def _urgent_rows(self, findings: Findings) -> list[Row]:
        rows = []
        if findings.differs:
            rows.append(_item("change", "Change what runs to the config", findings.differs[0]))
        if findings.failed_hosts:
            number = count(len(findings.failed_hosts), "host")
            listed = f"({names(findings.failed_hosts, 34)})"
            rows.append(_item("retry", f"Retry {number} not ready", listed))
        if findings.new_files:
            total = size(sum(file.size_bytes for file in findings.new_files))
            what = f"{count(len(findings.new_files), 'bundle')}, {total}, into imagesDir"
            rows.append(_item("take", "Take the bundles from the stick", what))
        return rows

    @on(LineList.Chosen)
    def _chosen(self, event: LineList.Chosen) -> None:
        word, _, rest = event.key.partition(":")
        if word == "watch":
            self.shell.open(RunScreen(self.site, int(rest)))
        elif word == "retry":
            self._retry()
        elif word == "change":
            request = RunRequest(RunKind.RECONFIGURE, self.site.path)
            self.shell.open(ReviewScreen(self.site, request))
        elif word == "setup":
            self.shell.open(ModeScreen(self.site))
        elif word == "mend":
            self.shell.open(ConfigScreen(self.site))
        elif word == "upkeep":
            self.shell.open(MaintenanceScreen(self.site))
        elif word == "take":
            self.shell.open(BundlesScreen(self.site, take=True))
        elif word == "verify":
            self.run_worker(self._verify(), exclusive=True)
        else:
            self.action_leave()

    def _retry(self) -> None:
        hosts = self._findings.failed_hosts if self._findings else ()
        request = RunRequest(RunKind.CONFIGURE_HOSTS, self.site.path, hosts=hosts)
        self.shell.open(ReviewScreen(self.site, request))

    async def _verify(self) -> None:
        request = RunRequest(RunKind.VERIFY, self.site.path)
        try:
            run = await asyncio.to_thread(self.site.start, request)
        except AirferryError as error:
            self.shell.tell(error)
            return
        self.shell.open(RunScreen(self.site, run))

    def action_back(self) -> None:
        """Stay: who presses Esc once too often does not want to leave."""

    def action_leave(self) -> None:
        """Close the screens; unsaved typing is asked about first."""
        if self.site.draft.is_dirty:
            self.shell.action_ask_leave()
        else:
            self.app.exit()


def _next(findings: Findings) -> str:
    """Return the line above the choices."""
    run = findings.at_work
    if run:
        return f"Run {run.id} is at work since {when(run.started)}, {findings.percent} %."
    if findings.no_bundles and not findings.new_files and not findings.waiting:
        return "Next (there is no bundle yet: a stick with bundles can be put in at any time)"
    return "Next"


def _finding_line(line: OverviewLine) -> Text:
    return Text("  ") + signed(
        line.sign, f"{fit(line.subject, 9)} {fit(end_of(line.where, 36), 36)} {fit(line.what, 26)}"
    )


def _item(key: str, words: str, note: str = "") -> Row:
    return Row(key, Text(f"{fit(words, 32)} {fit(note, 42)}" if note else words))
