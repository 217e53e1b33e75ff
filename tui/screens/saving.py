"""A screen that writes files for people elsewhere: asked where, then written, then said where."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from textual import on
from textual.message import Message

from core.errors import AirferryError
from tui.model.places import place_for_files
from tui.model.site import Site
from tui.screens.base import AppScreen, Result
from tui.screens.dialogs import Prompt

Write = Callable[[Path], Sequence[Path]]


class SavingScreen(AppScreen[Result]):
    """Offers a stick where there is one, else the home directory.

    Args:
        site: The site.
    """

    class Saved(Message):
        """Files were written, or could not be."""

        def __init__(self, words: str) -> None:
            super().__init__()
            self.words = words

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._place = ""

    def save_files(self, what: str, write: Write) -> None:
        """Ask where, then write.

        Args:
            what: What is saved, for the question.
            write: Writes into a directory, or under a name, and returns what it wrote.
        """
        self.run_worker(self._ask_where(what, write), group="save", exclusive=True)

    def save_support_bundle(self, run: int | None = None) -> None:
        """Ask where, then write a support bundle about a run, the newest if None."""
        config = self.site.config

        def write(place: Path) -> list[Path]:
            from core.engine.support import write_support_bundle  # not for the first screen

            return [write_support_bundle(config, place, run)]

        self.save_files("a support bundle (no passwords in it)", write)

    async def _ask_where(self, what: str, write: Write) -> None:
        offered = self._place or str(await asyncio.to_thread(place_for_files, self.site.media))

        def answered(typed: str | None) -> None:
            if typed:
                self._place = typed
                place = Path(typed).expanduser()
                self.run_worker(self._save(place, write), group="save", exclusive=True)

        self.shell.open(Prompt(f"Save {what}: in which directory?", offered), answered)

    async def _save(self, place: Path, write: Write) -> None:
        try:
            paths = await asyncio.to_thread(write, place)
        except AirferryError as error:
            self.post_message(self.Saved(f"Not written: {error.what}\n{error.remedy}"))
            return
        self.post_message(self.Saved("\n".join(f"Written: {path}" for path in paths)))

    @on(Saved)
    def _saved(self, message: Saved) -> None:
        self.shell.say(message.words)
