"""Bundles: what lies in imagesDir, what is in each, and what is passed over and why."""

from __future__ import annotations

import asyncio
import threading
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from core.bundle import Bundle, BundleFile, Catalogue, list_bundle
from core.config import ensure_state_dir
from core.engine.request import RunKind, RunRequest
from core.errors import AirferryError, Cancelled
from tui.bundleview import HEADING, Shelf, bundle_line, bundle_lines, heading, ignored_line, look
from tui.screens.base import HouseScreen
from tui.screens.review import ReviewScreen
from tui.screens.view import ViewScreen
from tui.site import Site
from tui.text import wrapped
from tui.widgets.choice_bar import ChoiceBar
from tui.widgets.line_list import LineList, Row


class BundlesScreen(HouseScreen[None]):
    """The bundles of the site.

    Args:
        site: The site.
    """

    STEP: ClassVar[str] = "Bundles"
    AUTO_FOCUS = "#next"
    HELP: ClassVar[str] = (
        "Every file of imagesDir: bundles with what is known of them, other files with the reason "
        "why they are passed over. Enter shows the images of a bundle; one that was never read is "
        "read first, which takes as long as reading its file. Nothing is imported here."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "next", "next", key_display="n"),
        Binding("r", "look", "look again", key_display="r"),
    ]

    class Looked(Message):
        """The directory was listed."""

        def __init__(self, shelf: Shelf) -> None:
            super().__init__()
            self.shelf = shelf

    class BundleRead(Message):
        """One bundle was read, or could not be."""

        def __init__(self, file: BundleFile, bundle: Bundle | None, error: str = "") -> None:
            super().__init__()
            self.file = file
            self.bundle = bundle
            self.error = error

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._shelf = Shelf()
        self._notes: dict[str, str] = {}
        self._stop = threading.Event()

    def body(self) -> ComposeResult:
        yield Static(Text("looking.."), id="heading", classes="line")
        yield Static(Text(HEADING, "bold"), classes="line")
        yield LineList(id="bundles")
        yield ChoiceBar("", [("next", "Next: Review")], id="next")

    def on_mount(self) -> None:
        self.action_look()

    def on_unmount(self) -> None:
        self._stop.set()

    def enter_does(self) -> str:
        return "go on" if isinstance(self.focused, ChoiceBar) else "images"

    def action_look(self) -> None:
        """List the directory again."""
        self.run_worker(self._look(), group="look", exclusive=True)

    async def _look(self) -> None:
        self.post_message(self.Looked(await asyncio.to_thread(look, self.site)))

    @on(Looked)
    def _looked(self, message: Looked) -> None:
        self._shelf = message.shelf
        if self._shelf.error:
            self.query_one("#heading", Static).update(Text("x cannot be listed", "bold red"))
            lines = [*wrapped(self._shelf.error, 74), *wrapped(self._shelf.remedy, 74)]
            self.query_one("#bundles", LineList).show([Row("", Text(line)) for line in lines])
            return
        self.query_one("#heading", Static).update(heading(self._shelf, self.site))
        self._show()

    def _show(self) -> None:
        known = self._shelf.known or {}
        rows = [
            Row(file.key, bundle_line(file, known.get(file.key), self._notes.get(file.key, "")))
            for file in self._shelf.files
        ]
        if not rows:
            rows = [Row("", Text("x no bundle here: copy one into imagesDir, then r"))]
        rows += [Row("", ignored_line(other)) for other in self._shelf.ignored]
        self.query_one("#bundles", LineList).show(rows)

    @on(LineList.Left)
    def _left(self) -> None:
        self.query_one("#next", ChoiceBar).focus()

    @on(LineList.Chosen)
    def _chosen(self, event: LineList.Chosen) -> None:
        file = next(file for file in self._shelf.files if file.key == event.key)
        bundle = (self._shelf.known or {}).get(file.key)
        if bundle:
            self._open(file, bundle)
        elif not self._notes.get(file.key, "").startswith("reading"):
            self._notes[file.key] = "reading.."
            self._show()
            self.run_worker(self._read(file), group=file.key)

    def _open(self, file: BundleFile, bundle: Bundle) -> None:
        self.ferry.open(ViewScreen(self.site, self.STEP, file.name, bundle_lines(bundle)))

    async def _read(self, file: BundleFile) -> None:
        try:
            bundle = await asyncio.to_thread(list_bundle, file, self._go_on)
            await asyncio.to_thread(self._keep, file, bundle)
        except Cancelled:
            return
        except AirferryError as error:
            self.post_message(self.BundleRead(file, None, error.what))
            return
        self.post_message(self.BundleRead(file, bundle))

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise Cancelled("the screen was closed")

    def _keep(self, file: BundleFile, bundle: Bundle) -> None:
        """Note what was read, so that the dry run need not read it again."""
        catalogue = Catalogue(ensure_state_dir(self.site.config))
        if catalogue.find(file) is None:
            catalogue.keep(file, bundle)

    @on(BundleRead)
    def _read_or_not(self, message: BundleRead) -> None:
        key = message.file.key
        self._notes.pop(key, None)
        if message.bundle is None:
            self._notes[key] = f"x {message.error}"
        else:
            self.site.listed[key] = message.bundle
            known = {**(self._shelf.known or {}), key: message.bundle}
            shelf = self._shelf
            self._shelf = Shelf(shelf.files, shelf.ignored, known, shelf.free_bytes)
        self._show()
        at_it = self.query_one("#bundles", LineList).key == key
        if message.bundle and at_it and self.app.screen is self:
            self._open(message.file, message.bundle)

    @on(ChoiceBar.Chosen)
    def action_next(self) -> None:
        """Go on to what would be done."""
        request = RunRequest(RunKind.INSTALL, self.site.path)
        self.ferry.open(ReviewScreen(self.site, request))
