"""Done: what was achieved, in plain words; what failed, why, and what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from core.engine.cluster import has_cluster_files
from core.engine.export import export_report
from core.engine.journal import State
from core.engine.report import particulars_of
from core.engine.request import UPKEEP, RunKind
from core.telling import LEFT_OUT, NOTED, PARTICULAR
from tui.model.logins import asking_hosts
from tui.model.retry import retry_of, what_again
from tui.model.site import RunSnapshot, Site
from tui.presenters.row import Row
from tui.presenters.verdict import headline, particular_lines, verdict_lines
from tui.screens.cluster import ClusterScreen
from tui.screens.passwords import PASSWORDS, ask_passwords
from tui.screens.saving import SavingScreen
from tui.widgets.choice_bar import ChoiceBar
from tui.widgets.line_list import LineList


class DoneScreen(SavingScreen[str]):
    """The outcome of a run; the result is `retry`, `start`, or None to look at its table.

    Args:
        site: The site.
        snapshot: The run as it ended.
    """

    STEP: ClassVar[str] = "Run"
    AUTO_FOCUS = "#next"
    HELP: ClassVar[str] = (
        "The outcome of the run, from its journal. Retry does only what failed. The report is "
        "written to a stick if there is one, as text and as data, with the log. A support "
        "bundle holds more, for whoever is to find out what is wrong; no password is in it. "
        "The files for the cluster (e) tell containerd, Docker and kubeadm where the images are. "
        "Where a host asked for a password, w types it and retries."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("R,r", "retry", "retry", key_display="r"),
        PASSWORDS,
        Binding("s", "save", "save report", key_display="s"),
        Binding("e", "cluster", "files for the cluster", key_display="e"),
        Binding("b", "support", "support bundle", key_display="b"),
        Binding("q", "leave", "leave", key_display="q"),
        Binding("escape", "back", "hosts of this run", key_display="Esc"),
    ]

    def __init__(self, site: Site, snapshot: RunSnapshot) -> None:
        super().__init__(site)
        self._snapshot = snapshot
        self._again = retry_of(snapshot, site.config)
        self._asking = asking_hosts(snapshot.tasks) if self._again else {}
        self._has_files = has_cluster_files(site.config)

    def body(self) -> ComposeResult:
        yield Static(headline(self._snapshot), classes="line")
        lines = LineList(id="verdict")
        verdict = verdict_lines(self._snapshot, self.site.config, files=self._has_files)
        verdict += self._particulars()
        lines.show([Row("", line) for line in verdict])
        yield lines
        choices = [
            ("save", "Save report"),
            ("support", "Support"),
            ("start", "Start"),
            ("leave", "Leave"),
        ]
        if self._again:
            choices.insert(0, ("retry", what_again(self._again)))
        yield ChoiceBar("", choices, id="next")

    def _particulars(self) -> list[Text]:
        """Return what was found one by one: in the registry, or of bundles left out or to note."""
        run = self._snapshot.run
        found = particulars_of(self.site.reader.log(run.id, level=PARTICULAR))
        if RunKind(run.kind) not in UPKEEP:
            found = [one for one in found if one.what in (LEFT_OUT, NOTED)]
        if run.kind == RunKind.REPAIR and self._snapshot.state is State.DONE:
            found = [replace(one, what="mended") for one in found]
        lines = particular_lines(found)
        return [Text(), *lines] if lines else []

    def enter_does(self) -> str:
        return "do it" if isinstance(self.focused, ChoiceBar) else ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Without a failure there is nothing to retry, and nobody asks for a password."""
        if action == "passwords":
            return bool(self._asking)
        if action == "cluster":
            return self._has_files
        return self._again is not None if action == "retry" else True

    def urgent_action(self) -> str:
        return "passwords"

    @on(ChoiceBar.Chosen)
    def _chosen(self, event: ChoiceBar.Chosen) -> None:
        actions = {
            "retry": self.action_retry,
            "save": self.action_save,
            "support": self.action_support,
            "leave": self.action_leave,
        }
        actions.get(event.key, lambda: self.dismiss("start"))()

    def action_retry(self) -> None:
        """Do again what failed."""
        self.dismiss("retry")

    def action_passwords(self) -> None:
        """Type what hosts ask for, and do again what failed."""
        ask_passwords(self.shell, self._asking, lambda _: self.action_retry())

    def action_leave(self) -> None:
        """Close the screens."""
        self.app.exit()

    def action_save(self) -> None:
        """Ask where, then write the report."""
        self.save_files("the report", self._write)

    def _write(self, place: Path) -> tuple[Path, ...]:
        run, state, tasks = self._snapshot.run, self._snapshot.state, self._snapshot.tasks
        return export_report(place, run, state, tasks, self.site.reader.log(run.id))

    def action_cluster(self) -> None:
        """Show what the cluster side needs to use the images."""
        self.shell.open(ClusterScreen(self.site, self.STEP))

    def action_support(self) -> None:
        """Ask where, then write all that somebody elsewhere needs to find out what is wrong."""
        self.save_support_bundle(self._snapshot.run.id)
