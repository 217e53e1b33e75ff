"""How the screens start, find and end runs: a small seam, so that tests need no hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from core.engine.journal import RunRow, State
from core.engine.launcher import cancel_run, run_at_work, start_run, true_state
from core.engine.request import RunRequest


class Launcher(Protocol):
    """What the screens ask of the engine. All of it may block: call it in a thread."""

    def start(self, request: RunRequest) -> int:
        """Start a run and return its id.

        Raises:
            AirferryError: it cannot begin.
        """

    def at_work(self, state_dir: Path) -> RunRow | None:
        """Return the run that is changing the site now, if any."""

    def true_state(self, run: RunRow, state_dir: Path) -> State:
        """Return a run's state; `interrupted` where its engine died."""

    def cancel(self, run: RunRow, state_dir: Path) -> bool:
        """Ask a run to end; False if it has."""


class EngineLauncher:
    """The real one: engines as processes of their own."""

    def start(self, request: RunRequest) -> int:
        return start_run(request)

    def at_work(self, state_dir: Path) -> RunRow | None:
        return run_at_work(state_dir)

    def true_state(self, run: RunRow, state_dir: Path) -> State:
        return true_state(run, state_dir)

    def cancel(self, run: RunRow, state_dir: Path) -> bool:
        return cancel_run(run, state_dir)
