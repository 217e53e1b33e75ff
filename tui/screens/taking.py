"""The run that takes bundles from a stick: shown like any other, and back to the bundles."""

from __future__ import annotations

from core.engine.journal import State
from tui.model.retry import what_again
from tui.screens.done import DoneScreen
from tui.screens.run import RunScreen
from tui.widgets.choice_bar import ChoiceBar

TO_BUNDLES = "To Bundles"


class TakenScreen(DoneScreen):
    """How it ended; what comes next is on Bundles."""

    def on_mount(self) -> None:
        choices = [("start", TO_BUNDLES), ("save", "Save report"), ("leave", "Leave")]
        if self._again and self._snapshot.state is not State.DONE:
            choices.insert(0, ("retry", what_again(self._again)))
        self.query_one("#next", ChoiceBar).show("", choices)


class TakeScreen(RunScreen):
    """A run that was begun on Bundles, and leads back there."""

    def escape_does(self) -> str:
        return "to Bundles"

    def action_back(self) -> None:
        """Go back to the bundles; the run goes on."""
        self.dismiss()

    def action_outcome(self) -> None:
        """Show how it ended, in plain words."""
        if self.snapshot:
            self.shell.open(TakenScreen(self.site, self.snapshot), self._outcome_closed)
