"""Bundles: what lies in imagesDir and on the sticks, what is in each, and taking from a stick."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message

from core.bundle.model import Bundle, BundleFile
from core.config import Mode
from core.engine.request import RunKind, RunRequest
from core.errors import AirferryError, Cancelled
from tui.model.bundle_locations import Entry
from tui.model.reading import Job, carry_out
from tui.model.site import Site
from tui.presenters.bundleview import Saying, bundle_lines, question_lines
from tui.presenters.changing import next_request
from tui.presenters.filtering import HELP as FILTER_HELP
from tui.screens.dialogs import Question
from tui.screens.review import ReviewScreen
from tui.screens.shelves import ShelvesScreen
from tui.screens.taking import TakeScreen
from tui.screens.view import ViewScreen
from tui.widgets.choice_bar import ChoiceBar
from tui.widgets.line_list import LineList


class BundlesScreen(ShelvesScreen):
    """The bundles of the site and of the sticks.

    Args:
        site: The site.
        take: Ask at once whether to take what is new on the sticks.
    """

    STEP: ClassVar[str] = "Bundles"
    AUTO_FOCUS = "#next"
    HELP: ClassVar[str] = (
        "The bundles of imagesDir, and below them those of every stick that is in. Enter shows "
        "what is in one; it is read first if it never was. c checks every byte and the checksums "
        "beside it. + copies from a stick into imagesDir. i puts the bundles into the registry "
        f"without touching the hosts; g shows what is in it. {FILTER_HELP}"
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "check", "check", key_display="c"),
        Binding("plus", "take", "take", key_display="+"),
        Binding("g", "holdings", "registry", key_display="g"),
        Binding("i", "import", "import", key_display="i"),
        Binding("n", "next", "next", key_display="n"),
        Binding("r", "look", "look again", key_display="r"),
    ]

    class Ended(Message):
        """A bundle was read or checked, or could not be."""

        def __init__(self, entry: Entry, bundle: Bundle | None, error: str = "") -> None:
            super().__init__()
            self.entry = entry
            self.bundle = bundle
            self.error = error

    class Begun(Message):
        """Bundles are being taken, or that was refused."""

        def __init__(self, run: int, error: AirferryError | None = None) -> None:
            super().__init__()
            self.run = run
            self.error = error

    def __init__(self, site: Site, *, take: bool = False) -> None:
        super().__init__(site)
        self._take_at_once = take

    def on_unmount(self) -> None:
        self._stop_all()

    def sticks_listed(self) -> None:
        if self._take_at_once:
            self._take_at_once = False
            self._ask_to_take(self.shelves.new if self.shelves else [])

    def enter_does(self) -> str:
        if isinstance(self.focused, ChoiceBar):
            return "go on"
        return "images" if self.entry() else "take" if self.stick() else ""

    def escape_does(self) -> str:
        return "stop reading" if self.jobs else ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """What can be done depends on the row, the sticks, and whether there is a registry."""
        if action == "check":
            return self.entry() is not None
        if action == "take":
            return bool(self._to_take())
        if action in ("holdings", "import"):
            return self.site.config.mode is not Mode.NONE
        return True

    @on(LineList.Left)
    def _left(self) -> None:
        self.query_one("#next", ChoiceBar).focus()

    @on(LineList.Chosen)
    def _chosen(self) -> None:
        entry = self.entry()
        if entry is None:
            self.action_take()
        elif entry.bundle:
            self._open(entry, entry.bundle)
        else:
            self._begin(entry, check=False)

    def _open(self, entry: Entry, bundle: Bundle) -> None:
        lines = bundle_lines(bundle, self.shelves.in_registry if self.shelves else None)
        self.shell.open(ViewScreen(self.site, self.STEP, entry.file.name, lines))

    def action_check(self) -> None:
        """Compare every byte of the bundle under the cursor with what it should be."""
        entry = self.entry()
        if entry:
            self._begin(entry, check=True)

    def _begin(self, entry: Entry, *, check: bool) -> None:
        if entry.key in self.jobs:
            return
        self.notes.pop(entry.key, None)
        job = self.jobs[entry.key] = Job(entry.file, check)
        self.show_rows()
        self.refresh_bindings()
        self.run_worker(self._carry_out(entry, job), group=entry.key)

    async def _carry_out(self, entry: Entry, job: Job) -> None:
        try:
            bundle = await asyncio.to_thread(carry_out, self.site, job)
        except Cancelled:
            self.post_message(self.Ended(entry, None))
        except AirferryError as error:
            self.post_message(self.Ended(entry, None, error.what))
        else:
            self.post_message(self.Ended(entry, bundle))

    @on(Ended)
    def _ended(self, message: Ended) -> None:
        entry, bundle = message.entry, message.bundle
        job = self.jobs.pop(entry.key, None)
        if message.error:
            self.notes[entry.key] = Saying("x", message.error.removeprefix(f"{entry.file.name}: "))
        if bundle:
            self.site.listed[entry.file.key] = bundle
        at_it = entry.key == self.key_here and self.app.screen is self
        if bundle and job and not job.check and at_it:
            self._open(entry, bundle)
        self.show_rows()
        self.refresh_bindings()
        self.look()

    def _stop_all(self) -> None:
        for job in self.jobs.values():
            job.stop.set()

    def action_back(self) -> None:
        """Stop what is being read; go back where nothing is."""
        if self.jobs:
            self._stop_all()
        else:
            self.dismiss()

    def _to_take(self) -> Sequence[BundleFile]:
        """Return what + takes: the bundle under the cursor, or all that is new."""
        shelves, entry, stick = self.shelves, self.entry(), self.stick()
        if shelves is None:
            return []
        if entry and entry.on_stick:
            return [entry.file] if entry.file in (stick.new if stick else []) else []
        return stick.new if stick else shelves.new

    def action_take(self) -> None:
        """Ask whether to copy from the stick into imagesDir."""
        self._ask_to_take(self._to_take())

    def _ask_to_take(self, files: Sequence[BundleFile]) -> None:
        shelves = self.shelves
        if not files or shelves is None:
            return
        lines = question_lines(files, shelves)
        enough = sum(file.size_bytes for file in files) <= shelves.room.images_free
        choices = [("no", "No"), ("yes", "Yes, copy")] if enough else [("no", "Close")]
        what = "this bundle" if len(files) == 1 else f"these {len(files)} bundles"

        def answered(key: str | None) -> None:
            if key == "yes":
                paths = tuple(file.path for file in files)
                request = RunRequest(RunKind.TAKE, self.site.path, bundles=paths)
                self.run_worker(self._take(request), group="take", exclusive=True)

        self.shell.open(Question(f"Take {what} from the stick?", lines, choices), answered)

    async def _take(self, request: RunRequest) -> None:
        try:
            run = await asyncio.to_thread(self.site.start, request)
        except AirferryError as error:
            self.post_message(self.Begun(0, error))
            return
        self.post_message(self.Begun(run))

    @on(Begun)
    def _begun(self, message: Begun) -> None:
        if message.error:
            self.shell.tell(message.error)
        else:
            self.shell.open(TakeScreen(self.site, message.run), lambda _: self.look())

    def action_holdings(self) -> None:
        """Show what the registry holds."""
        from tui.screens.holdings import HoldingsScreen  # imports what speaks to registries

        self.shell.open(HoldingsScreen(self.site), lambda _: self.look())

    def action_import(self) -> None:
        """Put the bundles into the registry, and leave the hosts alone."""
        request = RunRequest(RunKind.IMPORT, self.site.path)
        self.shell.open(ReviewScreen(self.site, request))

    @on(ChoiceBar.Chosen)
    def action_next(self) -> None:
        """Go on to what would be done."""
        self.run_worker(self._go_on(), group="next", exclusive=True)

    async def _go_on(self) -> None:
        self.post_message(self.Ready(await asyncio.to_thread(next_request, self.site)))

    class Ready(Message):
        """It is known what there is to do."""

        def __init__(self, request: RunRequest) -> None:
            super().__init__()
            self.request = request

    @on(Ready)
    def _ready(self, message: Ready) -> None:
        self.shell.open(ReviewScreen(self.site, message.request))
