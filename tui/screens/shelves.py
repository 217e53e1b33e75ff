"""The shelves on a screen: imagesDir and the sticks, listed again and again, filtered, in rows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import Static

from tui.model.bundle_locations import (
    Entry,
    InRegistry,
    Place,
    Shelves,
    ask_registry,
    look_at_sticks,
    look_here,
    stick_key,
)
from tui.model.reading import Job
from tui.model.site import Site
from tui.model.stick_watch import EVERY_S, StickWatch
from tui.presenters.bundleview import (
    HEADING,
    Saying,
    about_lines,
    below_line,
    bundle_line,
    heading,
    ignored_line,
    name_of,
    room_line,
    state_of,
    stick_line,
)
from tui.presenters.filtering import matches
from tui.presenters.row import Row
from tui.screens.filtered import FilteredScreen
from tui.terminal.text import wrapped
from tui.widgets.choice_bar import ChoiceBar
from tui.widgets.filter_line import FilterLine
from tui.widgets.line_list import LineList
from tui.widgets.panes import Panes, SidePane, is_wide


class ShelvesScreen(FilteredScreen[None]):
    """What lies where, and how it fares.

    Args:
        site: The site.
    """

    ROWS: ClassVar[str] = "#bundles"

    class Looked(Message):
        """A place was listed, or the registry was asked."""

        def __init__(
            self,
            *,
            shelves: Shelves | None = None,
            sticks: tuple[Place, ...] | None = None,
            in_registry: InRegistry | None = None,
        ) -> None:
            super().__init__()
            self.shelves = shelves
            self.sticks = sticks
            self.in_registry = in_registry

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.shelves: Shelves | None = None
        self._watch = StickWatch(site)
        self.jobs: dict[str, Job] = {}
        self.notes: dict[str, Saying] = {}

    def body(self) -> ComposeResult:
        yield Static(Text("looking.."), id="heading", classes="line")
        yield Static(id="room", classes="lines")
        yield FilterLine()
        yield Static(Text(HEADING, "bold"), classes="line")
        with Panes():
            yield LineList(id="bundles")
            yield SidePane()
        yield Static(id="below")
        yield ChoiceBar("", [("next", "Next: Review")], id="next")

    def on_mount(self) -> None:
        self.query_one("#below", Static).display = False
        self.query_one("#room", Static).display = False
        self.set_interval(self.shell.pace_s(), self._tick)
        self.set_interval(EVERY_S, self._ask_for_sticks)
        self.look()

    async def _ask_for_sticks(self) -> None:
        """List everything again when a stick was put in or pulled out."""
        if self.app.screen is self and await self._watch.has_changed():
            self.look()

    def _tick(self) -> None:
        if self.jobs:
            self.show_rows()

    def action_look(self) -> None:
        """List everything again, and forget what went wrong before."""
        self.notes.clear()
        self.look()

    def look(self) -> None:
        """List everything again."""
        self.run_worker(self._look(), group="look", exclusive=True)

    async def _look(self) -> None:
        shelves = await asyncio.to_thread(look_here, self.site)
        self.post_message(self.Looked(shelves=shelves))
        sticks = await asyncio.to_thread(look_at_sticks, self.site)
        self.post_message(self.Looked(sticks=sticks))
        in_registry = await asyncio.to_thread(ask_registry, self.site)
        self.post_message(self.Looked(in_registry=in_registry))

    @on(Looked)
    def _looked(self, message: Looked) -> None:
        before = self.shelves
        shelves = message.shelves
        if shelves is not None:
            kept = before or shelves
            self.shelves = replace(shelves, sticks=kept.sticks, in_registry=kept.in_registry)
        elif before is not None and message.sticks is not None:
            self.shelves = replace(before, sticks=message.sticks)
        elif before is not None:
            self.shelves = replace(before, in_registry=message.in_registry)
        self._show_head()
        self.show_rows()
        self.refresh_bindings()
        if message.sticks is not None:
            self.sticks_listed()

    def sticks_listed(self) -> None:
        """Do what waited for the sticks."""

    def _show_head(self) -> None:
        if self.shelves is None:
            return
        self._say("#heading", heading(self.shelves))
        self._say("#room", room_line(self.shelves))

    def _say(self, where: str, words: Text) -> None:
        """Show a line where it says something, and send it only where that is something else."""
        line = self.query_one(where, Static)
        if str(line.content) != words.plain:
            line.update(words)
            line.display = bool(words)

    def show_rows(self) -> None:
        shelves = self.shelves
        if shelves is None:
            return
        rows = self._rows(shelves)
        self.query_one("#bundles", LineList).show(rows)
        number = sum(self._passes(entry) for entry in shelves.entries)
        self.query_one(FilterLine).found(number, sum(1 for _ in shelves.entries))
        self._show_more()

    def _rows(self, shelves: Shelves) -> list[Row]:
        here = shelves.here
        rows = [self._row(entry) for entry in here.entries if self._passes(entry)]
        if here.error:
            lines = [*wrapped(here.error, 74), *wrapped(here.remedy, 74)]
            rows = [Row("", Text(line)) for line in lines]
        elif not here.entries:
            words = "+ takes those of the stick" if shelves.new else "put a stick in, then r"
            rows = [Row("", Text(f"x no bundle here: {words}, or copy one into imagesDir"))]
        if not self.filter_text:
            rows += [Row("", ignored_line(other)) for other in here.ignored]
        for stick in shelves.sticks:
            rows.append(Row(stick_key(stick), stick_line(stick, shelves.room.images_free)))
            rows += [self._row(entry) for entry in stick.entries if self._passes(entry)]
            if not self.filter_text:
                rows += [Row("", ignored_line(other)) for other in stick.ignored]
        return rows

    def _row(self, entry: Entry) -> Row:
        return Row(entry.key, partial(bundle_line, entry, self._saying(entry)))

    def _passes(self, entry: Entry) -> bool:
        fields = (name_of(entry.file), self._saying(entry).words)
        return matches(self.filter_text, fields)

    def _saying(self, entry: Entry) -> Saying:
        job = self.jobs.get(entry.key)
        if job:
            return Saying(">", job.words)
        note = self.notes.get(entry.key)
        return note or state_of(entry, self.shelves.in_registry if self.shelves else None)

    def _show_more(self) -> None:
        """Show what does not fit into the line under the cursor: beside the list, or below."""
        entry = self.entry()
        job = self.jobs.get(entry.key) if entry else None
        saying = self._saying(entry) if entry else None
        if is_wide(self):
            self.query_one(SidePane).tell(
                lambda width: about_lines(entry, saying, width) if entry and saying else []
            )
            return
        self._say("#below", Text(job.rate_words) if job else below_line(entry, saying, 76))

    def on_resize(self, _event: events.Resize) -> None:
        self._show_more()

    @on(LineList.Moved)
    def _moved(self) -> None:
        self.refresh_bindings()
        self._show_more()

    @property
    def key_here(self) -> str:
        """What is under the cursor; empty for nothing."""
        return self.query_one("#bundles", LineList).key if self.is_mounted else ""

    def entry(self) -> Entry | None:
        """Return the bundle under the cursor."""
        return self.shelves.find(self.key_here) if self.shelves else None

    def stick(self) -> Place | None:
        """Return the stick under the cursor, or on which the bundle under the cursor lies."""
        return self.shelves.stick(self.key_here) if self.shelves else None
