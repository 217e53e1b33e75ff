"""The table of the Run screen as one would make it first: Textual's DataTable, a cell each.

Run by `tests.bench.tui` for the column beside ours: `python -m tests.bench.table_peer CONFIG RUN`.
It reads the same journal at the same pace and changes only cells that say something else.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import ClassVar

from tui.terminal.capabilities import Terminal, prepare

prepare(os.environ, Terminal(ascii_only=True))

from rich.text import Text  # noqa: E402 - Textual reads the environment while it is imported
from textual.app import App, ComposeResult  # noqa: E402
from textual.widgets import DataTable  # noqa: E402
from textual.widgets.data_table import CellDoesNotExist  # noqa: E402

from core.engine.report import Target, clock  # noqa: E402
from core.words import size  # noqa: E402
from tui.app import PACE_S  # noqa: E402
from tui.model.site import Site  # noqa: E402
from tui.presenters.hosttable import ORDERS, arranged, view_of  # noqa: E402

COLUMNS = ("host", "step", "done", "rate", "time", "what")


class TableApp(App[None]):
    """All hosts of a run in a DataTable.

    Args:
        site: The site.
        run: The run.
    """

    CSS: ClassVar[str] = "DataTable { height: 1fr; }"

    def __init__(self, site: Site, run: int) -> None:
        super().__init__()
        self._site = site
        self._run = run

    def compose(self) -> ComposeResult:
        yield DataTable[Text](cursor_type="row")

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        for name in COLUMNS:
            table.add_column(name, key=name, width=max(6, 76 // len(COLUMNS) - 2))
        self._show()
        self.set_interval(PACE_S, self._show)

    def _show(self) -> None:
        table: DataTable[Text] = self.query_one(DataTable)
        snapshot = self._site.look(self._run)
        if snapshot is None:
            return
        view = view_of(snapshot, {})
        for name in arranged(view, next(iter(ORDERS)), ""):
            target = view.targets[name]
            cells = [Text(cell) for cell in _cells(target)]
            try:
                for name, cell in zip(COLUMNS, cells, strict=True):
                    if table.get_cell(target.name, name) != cell:
                        table.update_cell(target.name, name, cell)
            except CellDoesNotExist:
                table.add_row(*cells, key=target.name)


def _cells(target: Target) -> list[str]:
    task = target.current
    percent = f"{100 * task.bytes_done // task.bytes_total} %" if task.bytes_total else ""
    rate = f"{size(task.rate)}/s" if task.rate else ""
    return [target.name, task.title, percent, rate, clock(target.seconds), task.message]


if __name__ == "__main__":
    TableApp(Site(Path(sys.argv[1])), int(sys.argv[2])).run(mouse=False)
