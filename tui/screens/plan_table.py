"""What a dry run found missing, host by host: one Enter deeper than Review."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.widgets import Static

from core.engine.report import Target, targets_of
from tui.model.site import RunSnapshot, Site
from tui.presenters.filtering import HELP as FILTER_HELP
from tui.presenters.filtering import matches
from tui.presenters.planview import TABLE_HEADING, detail_lines, table_line
from tui.presenters.row import Row
from tui.presenters.runview import name_of
from tui.screens.filtered import FilteredScreen
from tui.screens.view import ViewScreen
from tui.widgets.filter_line import FilterLine
from tui.widgets.line_list import LineList
from tui.widgets.panes import Panes, SidePane, is_wide


class PlanTableScreen(FilteredScreen[None]):
    """The targets of a dry run.

    Args:
        site: The site.
        snapshot: The dry run.
    """

    STEP: ClassVar[str] = "Review"
    ENTER: ClassVar[str] = "open"
    ROWS: ClassVar[str] = "#targets"
    HELP: ClassVar[str] = (
        "What each host lacks, and how much would be sent to it at most. Enter tells it step by "
        f"step. Nothing is changed here. {FILTER_HELP}"
    )

    def __init__(self, site: Site, snapshot: RunSnapshot) -> None:
        super().__init__(site)
        self._targets = {target.name: target for target in targets_of(snapshot.tasks)}

    def body(self) -> ComposeResult:
        yield Static(Text("What is missing where", "bold"), classes="line")
        yield FilterLine()
        yield Static(Text(TABLE_HEADING, "bold"), classes="line")
        with Panes():
            yield LineList(id="targets")
            yield SidePane()

    def on_mount(self) -> None:
        self.query_one("#targets", LineList).focus()
        self.show_rows()

    def show_rows(self) -> None:
        found = [t for t in self._targets.values() if matches(self.filter_text, _words(t))]
        rows = [Row(target.name, partial(table_line, target)) for target in found]
        lines = self.query_one("#targets", LineList)
        lines.show(rows or [Row("", Text("no host has all of these words"))])
        self.query_one(FilterLine).found(len(rows), len(self._targets))
        self._show_beside()

    @on(LineList.Moved)
    def _show_beside(self) -> None:
        target = self._targets.get(self.query_one("#targets", LineList).key)
        if target and is_wide(self):
            self.query_one(SidePane).tell(partial(detail_lines, target))

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        self._show_beside()

    @on(LineList.Chosen)
    def _chosen(self, event: LineList.Chosen) -> None:
        target = self._targets[event.key]
        title = "What is missing there"
        self.shell.open(ViewScreen(self.site, self.STEP, title, detail_lines(target)))


def _words(target: Target) -> tuple[str, ...]:
    said = [text for task in target.tasks for text in (task.error, task.error_code, task.state)]
    return (name_of(target.name), table_line(target).plain, *said)
