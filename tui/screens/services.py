"""A screen that starts and stops services of this machine: asked first, done in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from textual import on
from textual.message import Message

from core.config import Config
from core.errors import AirferryError
from tui.screens.base import AppScreen, Result
from tui.screens.dialogs import Question


class ServiceScreen(AppScreen[Result]):
    """Shows how services fare, and looks again when one was started or stopped."""

    class Served(Message):
        """A service was started or stopped, or that was refused."""

        def __init__(self, error: AirferryError | None = None) -> None:
            super().__init__()
            self.error = error

    def look_again(self) -> None:
        """Show how the services fare now."""
        raise NotImplementedError

    def ask_service(
        self, title: str, lines: Sequence[str], yes: str, work: Callable[[Config], object]
    ) -> None:
        """Ask, No first, then do something to a service while no run is at work.

        Args:
            title: The question.
            lines: What should be known before answering.
            yes: What the answer says that does it.
            work: Does it; may block.
        """

        def answered(answer: str | None) -> None:
            if answer == "yes":
                self.run_worker(self._serve(work), group="service", exclusive=True)

        self.shell.open(Question(title, lines, [("no", "No"), ("yes", yes)]), answered)

    async def _serve(self, work: Callable[[Config], object]) -> None:
        try:
            await asyncio.to_thread(self.site.while_idle, work)
        except AirferryError as error:
            self.post_message(self.Served(error))
            return
        self.post_message(self.Served())

    @on(Served)
    def _served(self, message: Served) -> None:
        if message.error:
            self.shell.tell(message.error)
        self.look_again()
