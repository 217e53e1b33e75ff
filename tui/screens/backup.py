"""How a backup is written: all of it or what is new, in one file or in parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from tui.model.backups import PART_BYTES, BackupPlace, since_line
from tui.model.site import Site
from tui.presenters.row import Row
from tui.screens.base import AppScreen
from tui.terminal.text import fit, safe
from tui.widgets.line_list import LineList

_ALL = "all"


@dataclass(frozen=True)
class Way:
    """How it is written.

    Args:
        since: The earlier backup whose content is left out; None for none.
        split_bytes: The most that one file may hold; 0 for one file.
    """

    since: Path | None = None
    split_bytes: int = 0


class BackupScreen(AppScreen[Way]):
    """The result is the way, or None.

    Args:
        site: The site.
        place: Where the backup goes, and what lies there.
    """

    STEP: ClassVar[str] = "Start"
    ENTER: ClassVar[str] = "take it, then Review"
    HELP: ClassVar[str] = (
        "A backup of everything stands alone. One of what is new is smaller; restoring it needs "
        "the earlier one as well: keep both. FAT, which most sticks have, takes no file of 4 GB: a "
        "backup for it is cut into parts, which are restored as one. Nothing is written before "
        "Review is confirmed; it says how much that will be, and what room is left."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "parts", "parts", key_display="o"),
    ]

    def __init__(self, site: Site, place: BackupPlace) -> None:
        super().__init__(site)
        self._place = place
        self._in_parts = place.is_fat

    def body(self) -> ComposeResult:
        yield Static(Text("What is written?", "bold"), classes="line")
        yield Static(Text(f"to {safe(str(self._place.directory), 70)}\n"), classes="lines")
        yield LineList(id="ways")
        yield Static(id="parts", classes="line")

    def on_mount(self) -> None:
        rows = [Row(_ALL, Text("everything that the registry holds"))]
        for number, found in enumerate(self._place.earlier):
            rows.append(Row(str(number), Text(fit(safe(since_line(found), 76), 76).rstrip())))
        self.query_one("#ways", LineList).show(rows)
        self._show()

    def _show(self) -> None:
        mark = "x" if self._in_parts else " "
        why = "this is FAT, which takes no larger file" if self._place.is_fat else "for FAT sticks"
        self.query_one("#parts", Static).update(Text(f"o: [{mark}] in parts of 4 GB ({why})"))

    def action_parts(self) -> None:
        """Write it in parts, or in one file."""
        self._in_parts = not self._in_parts
        self._show()

    @on(LineList.Chosen)
    def _chosen(self, event: LineList.Chosen) -> None:
        since = None if event.key == _ALL else self._place.earlier[int(event.key)].path
        self.dismiss(Way(since, PART_BYTES if self._in_parts else 0))
