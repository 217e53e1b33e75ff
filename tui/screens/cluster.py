"""Files for the cluster: what there is, each to be read here, all of it to be taken along."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from core.engine.cluster import (
    TABLE_NAME,
    about,
    cluster_directory,
    export_cluster_files,
    read_files,
)
from core.errors import AirferryError
from tui.model.site import Site
from tui.presenters.row import Row
from tui.screens.saving import SavingScreen
from tui.screens.view import ViewScreen
from tui.terminal.text import end_of, fit, safe, wrapped
from tui.widgets.line_list import LineList

PATH_WIDTH = 41
WIDTH = 76


class ClusterScreen(SavingScreen[None]):
    """The files that the last run wrote.

    Args:
        site: The site.
        step: The place in the trail from which it was opened.
    """

    ENTER: ClassVar[str] = "read it"
    HELP: ClassVar[str] = (
        "What a cluster needs to use the images of this site: where containerd and Docker find "
        "the registry, the names that kubeadm is to ask for, and a table of all names. README.txt "
        "says which file goes where on which machine. Every run that changes the site writes them "
        "anew. s saves all of them to a stick."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "save", "save all", key_display="s"),
    ]

    def __init__(self, site: Site, step: str) -> None:
        super().__init__(site)
        self.STEP = step  # type: ignore[misc]
        self._files: dict[str, str] = {}

    def body(self) -> ComposeResult:
        yield Static(Text("Files for the cluster", "bold"), classes="line")
        yield Static(id="place", classes="line")
        yield LineList(id="files")

    def on_mount(self) -> None:
        directory = cluster_directory(self.site.config)
        try:
            self._files = read_files(directory)
        except AirferryError as error:
            self.shell.tell(error)
        self.query_one("#place", Static).update(Text(f" in {end_of(str(directory), WIDTH - 4)}"))
        files = self.query_one("#files", LineList)
        files.show([Row(path, file_line(path)) for path in self._files])
        self.set_focus(files)

    @on(LineList.Chosen)
    def _read(self, event: LineList.Chosen) -> None:
        lines = lines_of(event.key, self._files[event.key])
        self.shell.open(ViewScreen(self.site, self.STEP, event.key, lines))

    def action_save(self) -> None:
        """Ask where, then copy all of them there."""
        config = self.site.config

        def write(place: Path) -> list[Path]:
            return [export_cluster_files(config, place)]

        self.save_files("the files for the cluster", write)


def file_line(path: str) -> Text:
    """Return a line of the list: the end of the path says most."""
    return Text(f"{fit(end_of(path, PATH_WIDTH), PATH_WIDTH)}  {about(path)}")


def lines_of(path: str, text: str) -> list[Text]:
    """Return a file as it is read on the screen; of the table the two names only."""
    if path == TABLE_NAME:
        rows = [line.split("\t") for line in text.splitlines()]
        names = [Text(part) for row in rows[1:] for part in _two_names(row)]
        return [Text("Original name, and below it the one to use. The file has more."), *names]
    return [Text(part) for line in text.splitlines() for part in wrapped(line, WIDTH, "    ")]


def _two_names(row: list[str]) -> list[str]:
    return [safe(row[0]), *(f"    {safe(name)}" for name in row[1:2])]
