"""Holding a run: steps ask here, at points where stopping does no harm, whether they are to wait.

A held run keeps its connections, its registry and its lock; nothing that is half sent is cut.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

PAUSED = "paused"
_POLL_S = 0.2


class Pause:
    """Whether a run is held; begun and ended in the thread of its event loop."""

    def __init__(self) -> None:
        self._going = threading.Event()
        self._going.set()
        self._released = asyncio.Event()
        self._released.set()
        self._held_s = 0.0
        self._since: float | None = None

    @property
    def is_on(self) -> bool:
        """Whether the run is to be held now."""
        return not self._going.is_set()

    def begin(self) -> None:
        """Hold the run; nothing if it is held already."""
        if self._since is None:
            self._since = time.monotonic()
            self._released.clear()
            self._going.clear()

    def end(self) -> None:
        """Let the run go on at once; nothing if it is not held."""
        if self._since is not None:
            self._held_s += time.monotonic() - self._since
            self._since = None
            self._going.set()
            self._released.set()

    def clock(self) -> float:
        """Return a time in seconds that stands still while the run is held."""
        since = self._since
        return (time.monotonic() if since is None else since) - self._held_s

    async def over(self, say: Callable[[str], None]) -> bool:
        """Wait until the run goes on; False if it is not held.

        Args:
            say: Told so, if there is something to wait for.
        """
        if not self.is_on:
            return False
        say(PAUSED)
        while self.is_on:
            await self._released.wait()
        return True

    def wait(self, go_on: Callable[[], None], say: Callable[[str], None]) -> bool:
        """Do the same in a thread.

        Args:
            go_on: Called again and again meanwhile; raises to end the waiting (a cancel).
            say: As for `over`.
        """
        if not self.is_on:
            return False
        say(PAUSED)
        while not self._going.wait(_POLL_S):
            go_on()
        return True
