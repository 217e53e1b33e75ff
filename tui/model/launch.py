"""How the screens start, find and end runs: a small seam, so that tests need no hosts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from core.engine.journal import RunRow, State
from core.engine.launcher import (
    cancel_run,
    pause_run,
    resume_run,
    run_at_work,
    start_run,
    true_state,
    try_again,
)
from core.engine.request import RunRequest
from core.secrets import Secrets


class Launcher(Protocol):
    """What the screens ask of the engine. All of it may block: call it in a thread."""

    def start(self, request: RunRequest, secrets: Secrets) -> int:
        """Start a run and return its id.

        Args:
            request: What is to be done.
            secrets: What was typed to log in to the hosts.

        Raises:
            AirferryError: it cannot begin.
        """

    def at_work(self, state_dir: Path) -> RunRow | None:
        """Return the run that is changing the site now, if any."""

    def true_state(self, run: RunRow, state_dir: Path) -> State:
        """Return a run's state; `interrupted` where its engine died."""

    def cancel(self, run: RunRow, state_dir: Path) -> bool:
        """Ask a run to end; False if it has."""

    def pause(self, run: RunRow, state_dir: Path) -> bool:
        """Ask a run to hold at its next stops; False if it has ended, or cannot be held."""

    def resume(self, run: RunRow, state_dir: Path) -> bool:
        """Ask a run that is held to go on; False if it has ended."""

    def try_again(self, run: RunRow, state_dir: Path, hosts: Sequence[str]) -> bool:
        """Ask a run at work to try hosts again that failed in it; False if it has ended.

        Raises:
            AirferryError: it cannot be asked.
        """


class EngineLauncher:
    """The real one: engines as processes of their own."""

    def start(self, request: RunRequest, secrets: Secrets) -> int:
        return start_run(request, secrets)

    def at_work(self, state_dir: Path) -> RunRow | None:
        return run_at_work(state_dir)

    def true_state(self, run: RunRow, state_dir: Path) -> State:
        return true_state(run, state_dir)

    def cancel(self, run: RunRow, state_dir: Path) -> bool:
        return cancel_run(run, state_dir)

    def pause(self, run: RunRow, state_dir: Path) -> bool:
        return pause_run(run, state_dir)

    def resume(self, run: RunRow, state_dir: Path) -> bool:
        return resume_run(run, state_dir)

    def try_again(self, run: RunRow, state_dir: Path, hosts: Sequence[str]) -> bool:
        return try_again(run, state_dir, hosts)
