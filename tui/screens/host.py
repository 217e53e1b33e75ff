"""One host: its steps, and its log as it is written."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from core.engine.journal import ENDED_WELL, LogLine
from core.engine.report import Target, targets_of
from tui.model.follow import follow
from tui.model.logins import asking_hosts
from tui.model.overview import THIS_MACHINE
from tui.model.retry import failed_so_far
from tui.model.site import RunSnapshot, Site
from tui.presenters.hostview import FACT, fact_lines
from tui.presenters.row import Row
from tui.presenters.runview import host_heading, log_rows, step_lines, warned_lines
from tui.screens.base import AppScreen
from tui.screens.passwords import PASSWORDS, ask_passwords
from tui.screens.view import ViewScreen
from tui.terminal.text import safe, wrapped
from tui.widgets.frame import Line
from tui.widgets.line_list import LineList


class HostScreen(AppScreen[str]):
    """One target of a run; the result is `retry`, or None.

    Args:
        site: The site.
        run: The run.
        name: The target.
    """

    STEP: ClassVar[str] = "Run"
    HELP: ClassVar[str] = (
        "The steps of one host, what went wrong and what to do, and its log. The log follows "
        "while its last line is in view; scroll up to stop that. f shows what the host is, as it "
        "said when it was asked. Where it asked for a password, w types it and retries."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "retry", "retry", key_display="r"),
        PASSWORDS,
        Binding("f", "facts", "facts", key_display="f"),
        Binding("l", "whole", "whole log", key_display="l"),
    ]

    class Looked(Message):
        """The journal was read."""

        def __init__(self, snapshot: RunSnapshot, target: Target, lines: list[LogLine]) -> None:
            super().__init__()
            self.snapshot = snapshot
            self.target = target
            self.lines = lines

    def __init__(self, site: Site, run: int, name: str) -> None:
        super().__init__(site)
        self._run = run
        self._target_name = name
        self._log_rows: list[Row] = []
        self._last_id = 0
        self._asking: dict[str, str] = {}
        self._offers: frozenset[str] = frozenset()
        self._facts: list[str] = []

    def body(self) -> ComposeResult:
        yield Static(Text(safe(self._target_name)), id="heading", classes="line")
        yield LineList(id="steps")
        yield Static(id="error", classes="lines")
        yield Line()
        yield LineList(id="log")

    def on_mount(self) -> None:
        self.query_one("#steps", LineList).can_focus = False
        self.query_one("#log", LineList).focus()
        self.run_worker(self._follow(), exclusive=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Retrying is for a host that failed; typing a secret starts a run of its own."""
        return action not in ("retry", "passwords", "facts") or action in self._offers

    def urgent_action(self) -> str:
        return "passwords"

    async def _follow(self) -> None:
        after = 0
        async for snapshot in follow(self.site, self._run, self.shell.pace_s):
            lines = await asyncio.to_thread(self._read_log, after)
            after = lines[-1].id if lines else after
            target = next(
                (t for t in targets_of(snapshot.tasks) if t.name == self._target_name), None
            )
            if target:
                self.post_message(self.Looked(snapshot, target, lines))

    def _read_log(self, after: int) -> list[LogLine]:
        return self.site.reader.log(self._run, after=after, target=self._target_name)

    @on(Looked)
    def _looked(self, message: Looked) -> None:
        target = message.target
        self.query_one("#heading", Static).update(Text(host_heading(target, self._run), "bold"))
        steps = self.query_one("#steps", LineList)
        rows = [Row("", line) for line in step_lines(target)]
        steps.styles.height = min(len(rows), 9)
        steps.show(rows)
        failed = next((task for task in target.tasks if task.error_code), None)
        if failed:
            words = wrapped(f"{failed.error} [{failed.error_code}]", 76)[:2]
            words += wrapped(failed.remedy, 76)[:2]
            self.query_one("#error", Static).update(Text("\n".join(words), "bold"))
        elif warned := warned_lines(target.tasks):
            self.query_one("#error", Static).update(Text("\n").join(warned))
        self._facts += [line.text for line in message.lines if line.level == FACT]
        self._append([line for line in message.lines if line.level != FACT])
        self._offer(message.snapshot, target)

    def _offer(self, snapshot: RunSnapshot, target: Target) -> None:
        """Show the keys that mean something now."""
        ended_badly = snapshot.ended and target.state not in ENDED_WELL
        failed = ended_badly and target.name != THIS_MACHINE
        self._asking = asking_hosts(target.tasks)
        works = {
            "retry": failed or (not snapshot.ended and target.name in failed_so_far(snapshot)),
            "passwords": failed and bool(self._asking),
            "facts": bool(self._facts),
        }
        offers = frozenset(action for action, now in works.items() if now)
        if offers != self._offers:
            self._offers = offers
            self.refresh_bindings()

    def _append(self, lines: list[LogLine]) -> None:
        log = self.query_one("#log", LineList)
        follow_tail = log.at_end
        if lines:
            self._log_rows += [Row("", text) for text in log_rows(lines)]
        log.show(self._log_rows or [Row("", Text("nothing in the log yet"))])
        if follow_tail and lines:
            self.call_after_refresh(log.scroll_end, animate=False)

    def action_retry(self) -> None:
        """Go back and do this host again."""
        self.dismiss("retry")

    def action_passwords(self) -> None:
        """Type what this host asks for, then go back and do it again."""
        ask_passwords(self.shell, self._asking, lambda _: self.action_retry())

    def action_facts(self) -> None:
        """Show what this host said of itself."""
        title = f"{self._target_name}: what it is"
        self.shell.open(ViewScreen(self.site, self.STEP, title, fact_lines(self._facts)))

    def action_whole(self) -> None:
        """Give the log the whole screen, or take it back."""
        steps = self.query_one("#steps", LineList)
        steps.display = not steps.display
        self.query_one("#error", Static).display = steps.display
