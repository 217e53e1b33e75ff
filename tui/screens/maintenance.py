"""Maintenance: everything beside setting up a site, each line with how it stands now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from core.config import Config, Mode
from core.engine.request import RunKind, RunRequest
from core.errors import AirferryError
from tui.model.backups import (
    BackupPlace,
    FoundBackup,
    look_at_place,
    look_for_backups,
    restore_line,
    with_needed,
)
from tui.model.places import place_for_files
from tui.model.site import Site
from tui.presenters.upkeep import Upkeep, look_after, upkeep_rows
from tui.screens.backup import BackupScreen, Way
from tui.screens.dialogs import Prompt, Question
from tui.screens.holdings import HoldingsScreen
from tui.screens.mode import ModeScreen
from tui.screens.pick import Menu, Picked, PickScreen
from tui.screens.review import ReviewScreen
from tui.screens.run import RunScreen
from tui.screens.saving import SavingScreen
from tui.screens.services import ServiceScreen
from tui.screens.tunnels import TunnelsScreen
from tui.terminal.text import safe
from tui.widgets.line_list import LineList

_OTHER = "another file"
_NOT_OURS = "The registry is not Airferry's: what is in it is looked after where it runs."
_NONE_STORED = (
    "In mode none there is no registry to look after: hosts hold the images themselves.\n"
    "What runs have left in registryDir may be deleted while none is at work."
)
_NO_REGISTRY = (
    "In mode none there is no registry to back up or restore: hosts hold the images themselves.\n"
    "Keep the bundles; modes du and custom have a registry."
)


class MaintenanceScreen(ServiceScreen[None], SavingScreen[None]):
    """A list of what can be done.

    Args:
        site: The site.
    """

    STEP: ClassVar[str] = "Start"
    ENTER: ClassVar[str] = "choose"
    HELP: ClassVar[str] = (
        "What looks after a site that is set up. Whatever changes a machine is shown on Review or "
        "asked about first, with No as the first answer. A generation is the bundles of one "
        "release: clearing old ones deletes their images from the registry, not from hosts."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "look", "look again", key_display="r"),
    ]

    class Looked(Message):
        """Everything was asked how it stands."""

        def __init__(self, upkeep: Upkeep) -> None:
            super().__init__()
            self.upkeep = upkeep

    class Begun(Message):
        """A run was begun, or refused."""

        def __init__(self, run: int = 0, error: AirferryError | None = None) -> None:
            super().__init__()
            self.run = run
            self.error = error

    class PlaceLookedAt(Message):
        """It was looked where a backup is to go."""

        def __init__(self, place: BackupPlace) -> None:
            super().__init__()
            self.place = place

    class Offered(Message):
        """It was looked where backups lie."""

        def __init__(self, backups: list[FoundBackup]) -> None:
            super().__init__()
            self.backups = backups

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._upkeep: Upkeep | None = None

    def body(self) -> ComposeResult:
        yield Static(Text("Maintenance\n", "bold"), classes="lines")
        yield LineList(id="upkeep")

    def on_mount(self) -> None:
        self._show()

    def on_screen_resume(self) -> None:
        self.action_look()

    def action_look(self) -> None:
        """Ask again how everything stands."""
        self.run_worker(self._look(), group="look", exclusive=True)

    def look_again(self) -> None:
        self.action_look()

    async def _look(self) -> None:
        self.post_message(self.Looked(await asyncio.to_thread(look_after, self.site)))

    @on(Looked)
    def _looked(self, message: Looked) -> None:
        self._upkeep = message.upkeep
        self._show()

    def _show(self) -> None:
        self.query_one("#upkeep", LineList).show(upkeep_rows(self._upkeep))

    @on(LineList.Chosen)
    def _chosen(self, event: LineList.Chosen) -> None:
        actions: dict[str, Callable[[], None]] = {
            "backup": self._back_up,
            "restore": self._restore,
            "mode": self._mode,
            "tunnels": lambda: self.shell.open(TunnelsScreen(self.site)),
            "registry": self._registry,
            "held": lambda: self.shell.open(HoldingsScreen(self.site)),
            "verify": lambda: self._start(RunRequest(RunKind.VERIFY, self.site.path)),
            "rot": self._check_registry,
            "old": self._clear_old,
            "check": lambda: self._start(RunRequest(RunKind.CHECK, self.site.path)),
            "clean": self._clean,
            "support": self.save_support_bundle,
        }
        actions[event.key]()

    def _mode(self) -> None:
        """Offer the change that the config asks for already, else lead to the modes."""
        found = self._upkeep.differs if self._upkeep else ()

        def answered(answer: str | None) -> None:
            if answer == "change":
                self._review(RunRequest(RunKind.RECONFIGURE, self.site.path))
            elif answer == "mode":
                self.shell.open(ModeScreen(self.site, change=True))

        if not found:
            answered("mode")
            return
        lines = [*found, "", "Review shows first what would be started, stopped and removed."]
        choices = [("no", "No"), ("change", "Review the change"), ("mode", "Another mode")]
        self.shell.open(Question("The site differs from its config", lines, choices), answered)

    def _review(self, request: RunRequest) -> None:
        self.shell.open(ReviewScreen(self.site, request))

    def _start(self, request: RunRequest) -> None:
        """Start a run that changes nothing, and show it."""
        self.run_worker(self._begin(request), group="begin", exclusive=True)

    async def _begin(self, request: RunRequest) -> None:
        try:
            run = await asyncio.to_thread(self.site.start, request)
        except AirferryError as error:
            self.post_message(self.Begun(error=error))
            return
        self.post_message(self.Begun(run))

    @on(Begun)
    def _begun(self, message: Begun) -> None:
        if message.error:
            self.shell.tell(message.error)
        else:
            self.shell.open(RunScreen(self.site, message.run))

    def _has_registry(self) -> bool:
        if self.site.config.mode is Mode.NONE:
            self.shell.say(_NO_REGISTRY)
        return self.site.config.mode is not Mode.NONE

    def _back_up(self) -> None:
        def answered(directory: str | None) -> None:
            if directory:
                path = Path(directory).expanduser().absolute()
                self.run_worker(self._look_at(path), group="offer", exclusive=True)

        if self._has_registry():
            title = "Which directory does the backup go to? (a stick, or another disk)"
            self.shell.open(Prompt(title, str(place_for_files(self.site.media))), answered)

    async def _look_at(self, directory: Path) -> None:
        self.post_message(
            self.PlaceLookedAt(await asyncio.to_thread(look_at_place, self.site, directory))
        )

    @on(PlaceLookedAt)
    def _place_looked_at(self, message: PlaceLookedAt) -> None:
        directory = message.place.directory

        def answered(way: Way | None) -> None:
            if way:
                self._review(
                    RunRequest(
                        RunKind.BACKUP,
                        self.site.path,
                        outdir=directory,
                        since=way.since,
                        split_bytes=way.split_bytes,
                    )
                )

        self.shell.open(BackupScreen(self.site, message.place), answered)

    def _restore(self) -> None:
        if self._has_registry():
            self.run_worker(self._look_for_backups(), group="offer", exclusive=True)

    async def _look_for_backups(self) -> None:
        self.post_message(self.Offered(await asyncio.to_thread(look_for_backups, self.site)))

    @on(Offered)
    def _offered(self, message: Offered) -> None:
        found = message.backups
        by_name = {each.name: each for each in found}
        menu = Menu(
            "Which backup is restored?",
            [
                *((str(each.path), restore_line(each, by_name)) for each in found),
                (_OTHER, f"{_OTHER}: type its path"),
            ],
            "Next: Review",
            option="take away what the backup does not have (else it stays)",
            help=(
                "A backup with -changes in its name holds only what earlier ones lack. 'needs' "
                "says which, and they are taken along; 'lacks' says that one was not found here: "
                "put in its stick. Nothing is restored before Review is confirmed."
            ),
        )

        def answered(picked: Picked | None) -> None:
            if picked:
                self._backup_picked(picked, found)

        self.shell.open(PickScreen(self.site, self.STEP, menu), answered)

    def _backup_picked(self, picked: Picked, found: list[FoundBackup]) -> None:
        paths = with_needed([Path(key) for key in picked.keys if key != _OTHER], found)
        if _OTHER not in picked.keys:
            self._review_restore(paths, prune=picked.option)
            return

        def answered(typed: str | None) -> None:
            if typed:
                path = Path(typed).expanduser().absolute()
                self._review_restore((*paths, path), prune=picked.option)

        self.shell.open(Prompt("The path of the backup", ""), answered)

    def _review_restore(self, paths: tuple[Path, ...], *, prune: bool) -> None:
        self._review(RunRequest(RunKind.RESTORE, self.site.path, bundles=paths, prune=prune))

    def _check_registry(self) -> None:
        if self.site.config.mode is Mode.NONE:
            self.shell.say(_NONE_STORED)
        else:
            self._start(RunRequest(RunKind.REGISTRY_VERIFY, self.site.path))

    def _clear_old(self) -> None:
        config = self.site.config
        if config.mode is not Mode.DU:
            custom = f"{_NOT_OURS}\n{config.registry_base}"
            self.shell.say(custom if config.mode is Mode.CUSTOM else _NONE_STORED)
            return

        def answered(typed: str | None) -> None:
            if not typed:
                return
            if not typed.isascii() or not typed.isdigit() or int(typed) < 1:
                self.shell.say(f"{safe(typed, 20)} is no number of generations: 1 or more stay.")
                return
            request = RunRequest(RunKind.KEEP, self.site.path, generations=int(typed))
            self._review(request)

        title = "How many generations (releases) of bundles stay? Images of older go."
        self.shell.open(Prompt(title, "2"), answered)

    def _clean(self) -> None:
        hosts = self.site.config.hosts
        menu = Menu(
            "Which hosts are cleaned?",
            [(host.name, f"{host.name:<20} {host.address}") for host in hosts],
            "Next: Review",
            option="Docker as well, where Airferry installed it (with all its containers)",
            help=(
                "Cleaning takes the tunnel, Docker's settings and the images that Airferry brought "
                "away from a host. What was there before stays. Review shows what would go."
            ),
            nothing="There are no hosts in the config.",
        )

        def answered(picked: Picked | None) -> None:
            if picked:
                self._review(
                    RunRequest(
                        RunKind.CLEAN,
                        self.site.path,
                        hosts=picked.keys,
                        remove_docker=picked.option,
                    )
                )

        self.shell.open(PickScreen(self.site, self.STEP, menu), answered)

    def _registry(self) -> None:
        config = self.site.config
        status = self._upkeep.registry if self._upkeep else None
        if status is None:
            where = config.registry_base if config.mode is Mode.CUSTOM else "asking it.."
            self.shell.say(f"The registry is not Airferry's: look after it where it runs.\n{where}")
        elif status.ours:
            lines = [
                f"It runs at {status.address} and stores in {status.directory}.",
                "Without it no host can pull; what is stored stays. It is started again here, or "
                "by the next run.",
            ]
            self.ask_service("Stop the registry?", lines, "Stop it", _stop_registry)
        elif config.mode is not Mode.DU:
            self.shell.say("Mode none has a registry during runs only: there is nothing to start.")
        else:
            lines = [f"At {status.address}, storing in {status.directory}."]
            self.ask_service("Start the registry?", lines, "Start it", _start_registry)


def _start_registry(config: Config) -> None:
    from core.engine.services import start_registry  # not for the first paint

    start_registry(config)


def _stop_registry(config: Config) -> None:
    from core.engine.services import stop_registry

    stop_registry(config)
