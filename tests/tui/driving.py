"""Driving the screens from a test: opening them, reading them, waiting for what they will show."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from textual import _wait, events
from textual.pilot import Pilot

from core.bundle.media import Media
from tests.support.waiting import HANG_S
from tui.app import AirferryApp
from tui.model.launch import Launcher
from tui.model.site import Site
from tui.terminal.capabilities import Terminal
from tui.terminal.keys import Typed

PACE_S = 0.1
# Textual waits for the app to be idle in slices of 20 ms, several for each key: finer ones will do.
_wait.SLEEP_GRANULARITY = 0.004
_wait.SLEEP_IDLE = 0.0004


class Driver:
    """The screens of one site under a test's hands."""

    def __init__(self, app: AirferryApp, pilot: Pilot[str]) -> None:
        self.app = app
        self.pilot = pilot
        self._typed = self._taken = 0
        put = app.keys.put

        def counted(event: Typed) -> None:
            self._taken += 1
            put(event)

        app.keys.put = counted  # type: ignore[method-assign]

    @property
    def text(self) -> str:
        """What the uppermost screen shows, line by line."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text for strip in strips)

    async def press(self, *keys: str) -> None:
        """Press keys, and wait until all of them were dealt with."""
        self._typed += len(keys)
        await self.pilot.press(*keys)
        await self.until(self._at_rest)

    def _at_rest(self) -> bool:
        """Whether all that was typed has come to the app and was dealt with; or it has ended."""
        all_came = self._taken >= self._typed
        return (all_came and self.app.keys.at_rest) or not self.app.is_running

    def type_ahead(self, *keys: str) -> None:
        """Press keys faster than anything can be drawn, as on a slow line."""
        self._typed += len(keys)
        for key in keys:
            self.app.post_message(events.Key(key, key if len(key) == 1 else None))

    async def paste(self, text: str) -> None:
        """Paste text where the focus is, as a terminal does: one event for all of it."""
        assert self.app.focused is not None
        self._typed += 1
        self.app.post_message(events.Paste(text))
        await self.until(self._at_rest)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds."""
        try:
            async with asyncio.timeout(HANG_S):
                while not condition():
                    await self.pilot.pause()
        except TimeoutError:
            raise AssertionError(f"did not come about; the screen shows:\n{self.text}") from None

    async def sees(self, *words: str) -> None:
        """Wait until all of these words are on the screen."""
        await self.until(lambda: all(word in self.text for word in words))


async def to_key(driver: Driver, label: str) -> None:
    """Go to a key of the form by its label."""
    await driver.press("up", "home")
    for _ in range(40):
        if re.search(rf"^ > . {re.escape(label)} ", driver.text, re.MULTILINE):
            return
        await driver.press("down")
    raise AssertionError(f"no key {label!r}; the screen shows:\n{driver.text}")


@asynccontextmanager
async def opened(
    config: Path,
    launcher: Launcher,
    *,
    size: tuple[int, int] = (80, 24),
    terminal: Terminal | None = None,
    media: Media | None = None,
) -> AsyncIterator[Driver]:
    """Open the screens of a site, on a machine without sticks if none are given."""
    sticks = media or Media(mountinfo=Path(os.devnull))
    app = AirferryApp(Site(config, launcher, sticks), terminal or Terminal(), PACE_S)
    async with app.run_test(size=size) as pilot:
        driver = Driver(app, pilot)
        await driver.sees("Found", "Leave")
        yield driver


async def walk_to(driver: Driver, step: str) -> None:
    """Press through from Start to a screen, as a newcomer does."""
    marks = {
        "Mode": "How do the hosts",
        "Config": "Next: Hosts",
        "Hosts": "Next: Bundles",
        "Bundles": "free in",
        "Review": "Start?",
    }
    for name, mark in marks.items():
        await driver.press("enter")
        await driver.sees(f"[{name}]", mark)
        if name == step:
            return
