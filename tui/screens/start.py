"""Start: what was found, and the next thing to do."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from core.engine.report import count
from core.engine.request import RunKind, RunRequest
from core.errors import AirferryError
from tui.findings import Finding, Findings, gather
from tui.screens.base import HouseScreen
from tui.screens.config import ConfigScreen
from tui.screens.mode import ModeScreen
from tui.screens.review import ReviewScreen
from tui.screens.run import RunScreen
from tui.text import fit, names, signed, when
from tui.widgets.line_list import LineList, Row


class StartScreen(HouseScreen[None]):
    """The first screen; everything else comes back to it."""

    STEP: ClassVar[str] = "Start"
    ENTER: ClassVar[str] = "choose"
    HELP: ClassVar[str] = (
        "What Airferry found on this machine, and what can be done next. "
        "Nothing is changed on any machine before you have confirmed it on Review."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave", "leave", key_display="q"),
        Binding("escape", "back", "back", show=False),
    ]

    class Found(Message):
        """The look around is complete."""

        def __init__(self, findings: Findings) -> None:
            super().__init__()
            self.findings = findings

    def body(self) -> ComposeResult:
        yield Static(Text("Found", "bold"), classes="line")
        yield Static(Text("  looking around.."), id="found", classes="lines")
        yield Static(Text("\nNext", "bold"), id="next", classes="lines")
        yield LineList(id="menu")

    def on_screen_resume(self) -> None:
        self.run_worker(self._look(), exclusive=True)

    async def _look(self) -> None:
        try:
            self.site.reload()
        except AirferryError as error:
            self.ferry.say(f"{error.what}\n{error.remedy}")
        self.post_message(self.Found(await asyncio.to_thread(gather, self.site)))

    @on(Found)
    def _show(self, message: Found) -> None:
        findings = message.findings
        shown = Text("\n").join(_finding_line(line) for line in findings.lines)
        self.query_one("#found", Static).update(shown)
        menu = self.query_one("#menu", LineList)
        rows = self._at_work_rows(findings) or self._rows(findings)
        same = [row.key for row in rows] == [row.key for row in menu.rows]
        menu.show(rows, cursor=menu.key if same else rows[0].key)
        self.ferry.first_paint()

    def _at_work_rows(self, findings: Findings) -> list[Row]:
        run = findings.at_work
        if run is None:
            return []
        since = f"run {run.id}, since {when(run.started)}, {findings.percent} %"
        return [
            _item(f"watch:{run.id}", "Watch the run that is at work", since),
            _item("leave", "Leave it alone", "it goes on without the screens"),
        ]

    def _rows(self, findings: Findings) -> list[Row]:
        rows = []
        if self.site.problems:
            number = count(len(self.site.problems), "problem")
            rows.append(_item("mend", "Mend the config", number))
        elif findings.failed_hosts:
            number = count(len(findings.failed_hosts), "host")
            listed = f"({names(findings.failed_hosts, 34)})"
            rows.append(_item("retry", f"Retry {number} not ready", listed))
        if not self.site.problems:
            words = "mode, config, hosts, bundles, then review"
            rows.append(_item("setup", "Set up or change this site", words))
        if findings.last_run:
            rows.append(_item(f"watch:{findings.last_run.id}", "Look at the last run"))
            if not self.site.problems:
                rows.append(
                    _item("verify", "Verify the site", "is every image there? Changes nothing")
                )
        return [*rows, _item("leave", "Leave")]

    @on(LineList.Chosen)
    def _chosen(self, event: LineList.Chosen) -> None:
        word, _, rest = event.key.partition(":")
        if word == "watch":
            self.ferry.open(RunScreen(self.site, int(rest)))
        elif word == "retry":
            self.run_worker(self._retry(), exclusive=True)
        elif word == "setup":
            self.ferry.open(ModeScreen(self.site))
        elif word == "mend":
            self.ferry.open(ConfigScreen(self.site))
        elif word == "verify":
            self.run_worker(self._verify(), exclusive=True)
        else:
            self.action_leave()

    async def _retry(self) -> None:
        findings = await asyncio.to_thread(gather, self.site)
        request = RunRequest(RunKind.CONFIGURE_HOSTS, self.site.path, hosts=findings.failed_hosts)
        self.ferry.open(ReviewScreen(self.site, request))

    async def _verify(self) -> None:
        request = RunRequest(RunKind.VERIFY, self.site.path)
        try:
            run = await asyncio.to_thread(self.site.launcher.start, request)
        except AirferryError as error:
            self.ferry.say(f"{error.what}\n{error.remedy}")
            return
        self.ferry.open(RunScreen(self.site, run))

    def action_back(self) -> None:
        """Stay: who presses Esc once too often does not want to leave."""

    def action_leave(self) -> None:
        """Close the screens; unsaved typing is asked about first."""
        if self.site.draft.is_dirty:
            self.ferry.action_ask_leave()
        else:
            self.app.exit()


def _finding_line(line: Finding) -> Text:
    return Text("  ") + signed(
        line.sign, f"{fit(line.subject, 9)} {fit(line.where, 36)} {fit(line.what, 26)}"
    )


def _item(key: str, words: str, note: str = "") -> Row:
    return Row(key, Text(f"{fit(words, 32)} {fit(note, 42)}" if note else words))
