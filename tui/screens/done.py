"""Done: what was achieved, in plain words; what failed, why, and what to do."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from core.engine.report import report_record, report_text
from tui.again import retry_of, what_again
from tui.screens.base import HouseScreen
from tui.screens.dialogs import Prompt
from tui.site import Site, Snapshot
from tui.verdict import headline, verdict_lines
from tui.widgets.choice_bar import ChoiceBar
from tui.widgets.line_list import LineList, Row


class DoneScreen(HouseScreen[str]):
    """The outcome of a run; the result is `retry`, `start`, or None to look at its table.

    Args:
        site: The site.
        snapshot: The run as it ended.
    """

    STEP: ClassVar[str] = "Run"
    AUTO_FOCUS = "#next"
    HELP: ClassVar[str] = (
        "The outcome of the run, from its journal. Retry does only what failed. The report says "
        "the same as airferry report; a name ending in .json gets it as data."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("R,r", "retry", "retry", key_display="r"),
        Binding("s", "save", "save report", key_display="s"),
        Binding("q", "leave", "leave", key_display="q"),
        Binding("escape", "back", "hosts of this run", key_display="Esc"),
    ]

    class Saved(Message):
        """The report was written, or could not be."""

        def __init__(self, words: str) -> None:
            super().__init__()
            self.words = words

    def __init__(self, site: Site, snapshot: Snapshot) -> None:
        super().__init__(site)
        self._snapshot = snapshot
        self._again = retry_of(snapshot, site.config)
        self._path = str(Path.home() / f"airferry-report-{snapshot.run.id}.md")

    def body(self) -> ComposeResult:
        yield Static(headline(self._snapshot), classes="line")
        lines = LineList(id="verdict")
        verdict = verdict_lines(self._snapshot, self.site.config)
        lines.show([Row("", line) for line in verdict])
        yield lines
        choices = [("save", "Save report"), ("start", "To Start"), ("leave", "Leave")]
        if self._again:
            choices.insert(0, ("retry", what_again(self._again)))
        yield ChoiceBar("", choices, id="next")

    def enter_does(self) -> str:
        return "do it" if isinstance(self.focused, ChoiceBar) else ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Without a failure there is nothing to retry."""
        return self._again is not None if action == "retry" else True

    @on(ChoiceBar.Chosen)
    def _chosen(self, event: ChoiceBar.Chosen) -> None:
        actions = {"retry": self.action_retry, "save": self.action_save, "leave": self.action_leave}
        actions.get(event.key, lambda: self.dismiss("start"))()

    def action_retry(self) -> None:
        """Do again what failed."""
        self.dismiss("retry")

    def action_leave(self) -> None:
        """Close the screens."""
        self.app.exit()

    def action_save(self) -> None:
        """Ask where, then write the report."""

        def answered(path: str | None) -> None:
            if path:
                self._path = path
                self.run_worker(self._save(Path(path).expanduser()), exclusive=True)

        self.ferry.open(Prompt("Save the report as", self._path), answered)

    async def _save(self, path: Path) -> None:
        try:
            await asyncio.to_thread(self._write, path)
        except OSError as error:
            self.post_message(self.Saved(f"Not written: {path}: {error.strerror}"))
            return
        self.post_message(self.Saved(f"Written: {path}"))

    def _write(self, path: Path) -> None:
        run, state, tasks = self._snapshot.run, self._snapshot.state, self._snapshot.tasks
        if path.suffix == ".json":
            text = json.dumps(report_record(run, state, tasks), indent=1)
        else:
            text = report_text(run, state, tasks)
        draft = path.with_name(path.name + ".new")
        draft.write_text(text + "\n", encoding="utf-8", errors="replace")
        draft.replace(path)

    @on(Saved)
    def _saved(self, message: Saved) -> None:
        self.ferry.say(message.words)
