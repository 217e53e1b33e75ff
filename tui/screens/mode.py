"""Mode: how the hosts of this site get their images, and what each way needs."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from core.config import Mode
from core.errors import ConfigError
from tui.model.site import Site
from tui.presenters.modeview import WORDS, SiteNow, look_at_site, mode_lines
from tui.presenters.row import Row
from tui.screens.base import AppScreen
from tui.screens.config import ConfigScreen
from tui.widgets.line_list import LineList


class ModeScreen(AppScreen[None]):
    """Three ways, one choice; it is written to the config on the next screen.

    Args:
        site: The site.
        change: The site runs; what comes next is the change itself, not its whole set-up.
    """

    STEP: ClassVar[str] = "Mode"
    ENTER: ClassVar[str] = "choose and go on"
    HELP: ClassVar[str] = (
        "How the hosts get their images. The choice is kept as a change of the config; the next "
        "screen shows it and saves it. On a site that runs already, the last lines say what a "
        "change does and what it leaves as it is."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "next", "next", key_display="n"),
    ]

    class Looked(Message):
        """The journal was read."""

        def __init__(self, now: SiteNow) -> None:
            super().__init__()
            self.now = now

    def __init__(self, site: Site, *, change: bool = False) -> None:
        super().__init__(site)
        self._change = change
        self._now: SiteNow | None = None

    def body(self) -> ComposeResult:
        yield Static(
            Text("How do the hosts of this site get their images?\n", "bold"), classes="lines"
        )
        yield LineList(id="modes")
        yield Static(id="about", classes="lines")

    def on_mount(self) -> None:
        lines = self.query_one("#modes", LineList)
        lines.styles.height = len(Mode) + 1
        rows = [Row(mode.value, Text(f"{mode.value:<9}{words}")) for mode, words in WORDS.items()]
        lines.show(rows, cursor=self._present().value)
        self._describe()

    def on_screen_resume(self) -> None:
        self.run_worker(self._look(), exclusive=True)

    async def _look(self) -> None:
        site = self.site
        self.post_message(self.Looked(await asyncio.to_thread(_looked, site)))

    @on(Looked)
    def _looked_at(self, message: Looked) -> None:
        self._now = message.now
        self._describe()

    def _present(self) -> Mode:
        typed = self.site.draft.value("privateRegistryType").strip().lower()
        return Mode(typed) if typed in tuple(Mode) else self.site.config.mode

    @on(LineList.Moved)
    def _describe(self) -> None:
        mode = Mode(self.query_one("#modes", LineList).key)
        lines = mode_lines(mode, self.site.config, self._now or SiteNow())
        if self._now is None:
            lines = [*lines[:-1], "On this site now  looking into the journal.."]
        self.query_one("#about", Static).update(Text("\n".join(lines)))

    @on(LineList.Chosen)
    def _chosen(self) -> None:
        self.action_next()

    def action_next(self) -> None:
        """Take the mode under the cursor and go on."""
        chosen = self.query_one("#modes", LineList).key
        if chosen != self._present().value or self.site.problems or self.site.is_new:
            try:
                self.site.draft.set("privateRegistryType", chosen)
            except ConfigError as error:
                self.shell.say(f"{error.what}\nMend the text first: t on the next screen.")
        self.shell.open(ConfigScreen(self.site, change=self._change))


def _looked(site: Site) -> SiteNow:
    return look_at_site(site.reader, site.config)
