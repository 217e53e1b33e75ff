"""What can be done with a run: hold it, leave it alone, cancel it, try again what failed in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message

from core.engine.journal import RunRow
from core.engine.request import RunKind, RunRequest
from core.errors import AirferryError
from tui.model.logins import asking_hosts
from tui.model.retry import retry_of
from tui.model.site import RunSnapshot
from tui.presenters.hosttable import RunView
from tui.screens.dialogs import Question
from tui.screens.filtered import FilteredScreen
from tui.screens.passwords import PASSWORDS, ask_passwords


class RunControls(FilteredScreen[None]):
    """The keys of a run; how it fares is shown by the RunScreen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "pause", key_display="p"),
        Binding("p", "resume", "go on", key_display="p"),
        Binding("d", "detach", "detach", key_display="d"),
        Binding("c", "cancel", "cancel", key_display="c"),
        Binding("r", "retry_one", "retry", key_display="r"),
        Binding("R,shift+r", "retry", "retry all", key_display="R"),
        PASSWORDS,
    ]

    class Begun(Message):
        """A retry has begun, or was refused."""

        def __init__(self, run: int = 0, error: AirferryError | None = None) -> None:
            super().__init__()
            self.run = run
            self.error = error

    @property
    def view(self) -> RunView | None:
        """The run as it was seen last."""
        raise NotImplementedError

    @property
    def snapshot(self) -> RunSnapshot | None:
        """The rows of the run as it was seen last."""
        return self.view.snapshot if self.view else None

    @property
    def here(self) -> str:
        """The name of the target under the cursor."""
        raise NotImplementedError

    def watch_run(self, run: int) -> None:
        """Show another run."""
        raise NotImplementedError

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Holding and cancelling are for a run at work, retrying for what failed."""
        ended = self.snapshot is not None and self.snapshot.ended
        paused = self.snapshot is not None and self.snapshot.paused
        offered: dict[str, Callable[[], bool]] = {
            "pause": lambda: not ended and not paused,
            "resume": lambda: not ended and paused,
            "detach": lambda: not ended,
            "cancel": lambda: not ended,
            "retry": self._may_retry,
            "retry_one": lambda: bool(self._retriable_host()),
            "passwords": lambda: bool(self._asking()),
        }
        return offered[action]() if action in offered else True

    def urgent_action(self) -> str:
        return "passwords"

    def action_detach(self) -> None:
        """Leave the screens; the run goes on."""
        run = self.snapshot.run.id if self.snapshot else ""
        self.app.exit(f"Run {run} goes on. Watch it: airferry, or airferry watch {run}")

    def action_pause(self) -> None:
        """Hold the run: what is begun comes to its next stop, and nothing more begins."""
        self._tell_run(self.site.launcher.pause)

    def action_resume(self) -> None:
        """Let the run go on."""
        self._tell_run(self.site.launcher.resume)

    def _tell_run(self, tell: Callable[[RunRow, Path], bool]) -> None:
        if self.snapshot:
            run, state_dir = self.snapshot.run, self.site.config.state_dir
            self.run_worker(asyncio.to_thread(tell, run, state_dir), group="tell")

    def action_cancel(self) -> None:
        """Ask twice, then end the run."""
        if self.snapshot is None:
            return
        lines = ["What is done stays and is not done twice when it is started again."]
        choices = [("no", "No, let it go on"), ("yes", "Yes, cancel")]

        def sure(answer: str | None) -> None:
            if answer == "yes":
                self._tell_run(self.site.launcher.cancel)

        def first(answer: str | None) -> None:
            if answer == "yes":
                more = ["Hosts at work are left as they are now: some images there, some not yet."]
                self.shell.open(Question("Really cancel?", more, choices), sure)

        self.shell.open(Question(f"Cancel run {self.snapshot.run.id}?", lines, choices), first)

    def _again(self, host: str = "") -> RunRequest | None:
        """Return the run that does again what failed in one that has ended."""
        if self.snapshot is None or not self.snapshot.ended:
            return None
        return retry_of(self.snapshot, self.site.config, host)

    def _failed_so_far(self) -> tuple[str, ...]:
        """Return the hosts that a run at work can try again."""
        return self.view.retriable if self.view else ()

    def _may_retry(self) -> bool:
        return self._again() is not None or bool(self._failed_so_far())

    def _retriable_host(self) -> str:
        again = self._again()
        hosts = again.hosts if again else self._failed_so_far()
        return self.here if self.here in hosts else ""

    def _asking(self) -> dict[str, str]:
        """Return the host under the cursor if it asks for a password, else all that do."""
        if self.snapshot is None or self._again() is None:
            return {}
        asking = asking_hosts(self.snapshot.tasks)
        return {self.here: asking[self.here]} if self.here in asking else asking

    def action_passwords(self) -> None:
        """Type what hosts ask for, and do again what failed."""
        asking = self._asking()

        def typed(hosts: tuple[str, ...]) -> None:
            if len(hosts) == 1 and hosts[0] == self._retriable_host():
                self.action_retry_one()
            else:
                self.action_retry()

        ask_passwords(self.shell, asking, typed)

    def action_retry(self) -> None:
        """Do again what failed."""
        self._retry(self._again(), self._failed_so_far())

    def action_retry_one(self) -> None:
        """Do the host under the cursor again."""
        host = self._retriable_host()
        if host:
            self._retry(self._again(host), (host,))

    def _retry(self, request: RunRequest | None, hosts: tuple[str, ...]) -> None:
        """Start a run of its own where the last one has ended; else ask the one at work."""
        if request and request.kind is RunKind.REPAIR:
            self.shell.review(request)
        elif request:
            self.run_worker(self._begin(request), group="begin", exclusive=True)
        elif self.snapshot and hosts:
            self.run_worker(self._ask_run(self.snapshot, hosts), group="begin", exclusive=True)

    async def _begin(self, request: RunRequest) -> None:
        try:
            run = await asyncio.to_thread(self.site.start, request)
        except AirferryError as error:
            self.post_message(self.Begun(error=error))
            return
        self.post_message(self.Begun(run))

    async def _ask_run(self, snapshot: RunSnapshot, hosts: tuple[str, ...]) -> None:
        launcher, state_dir = self.site.launcher, self.site.config.state_dir
        try:
            await asyncio.to_thread(launcher.try_again, snapshot.run, state_dir, hosts)
        except AirferryError as error:
            self.post_message(self.Begun(error=error))

    @on(Begun)
    def _begun(self, message: Begun) -> None:
        if message.error:
            self.shell.tell(message.error)
        else:
            self.watch_run(message.run)
