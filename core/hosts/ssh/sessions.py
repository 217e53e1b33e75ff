"""How many sessions of one connection are open at a time: never more than its sshd allows.

sshd's MaxSessions counts what runs something there, for each connection, and is any number from 0
on. Only root can read it, so it is also learned: an sshd that refuses a session while others are
open has told how many it allows. A forwarded port is no session.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from core.hosts.ssh.errors import SessionRefused

USUAL_LIMIT = 10
"""OpenSSH's MaxSessions where nobody sets it."""
PATIENCE_S = 10.0
"""So long one that has ended may still count: sshd waits for the end of what ran in it."""
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0
T = TypeVar("T")


class Places:
    """A number of places that may change while they are taken; who waits is served in turn.

    Args:
        limit: Returns how many there are.
        wanted: Called when somebody has to wait.
    """

    def __init__(self, limit: Callable[[], int], wanted: Callable[[], None] = lambda: None) -> None:
        self.taken = 0
        self._limit = limit
        self._wanted = wanted
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def are_wanted(self) -> bool:
        """Whether somebody waits; may be asked from any thread."""
        return bool(self._waiting)

    async def take(self) -> None:
        """Take a place, once there is one."""
        while self.taken >= self._limit():
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            self._wanted()
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake()  # the place that was to be ours is somebody else's
                raise
            finally:
                self._waiting.remove(waiter)
        self.taken += 1

    def give(self) -> None:
        """Give a place back."""
        self.taken -= 1
        self._wake()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Hold a place."""
        await self.take()
        try:
            yield
        finally:
            self.give()

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
                return


class Sessions:
    """The sessions of one connection."""

    def __init__(self) -> None:
        self.limit = USUAL_LIMIT
        self._places = Places(lambda: self.limit, self._ask_for_spare)
        self._spares: list[Callable[[], None]] = []

    def allow(self, most: int) -> None:
        """Note how many sshd allows, by its own settings."""
        self.limit = max(1, min(most, USUAL_LIMIT))

    @property
    def are_wanted(self) -> bool:
        """Whether somebody waits for one; may be asked from any thread."""
        return self._places.are_wanted

    @contextmanager
    def sparing(self, give_up: Callable[[], None]) -> Iterator[None]:
        """Have something called when somebody waits: it ends sessions that are open and idle."""
        self._spares.append(give_up)
        try:
            if self.are_wanted:
                give_up()
            yield
        finally:
            self._spares.remove(give_up)

    @asynccontextmanager
    async def one(self, start: Callable[[], Awaitable[T]]) -> AsyncIterator[T]:
        """Open a session once there may be one more, and hold its place.

        Args:
            start: Opens it.

        Raises:
            SessionRefused: sshd allows not even one.
        """
        await self._places.take()
        try:
            yield await self._opened(start)
        finally:
            self._places.give()

    async def _opened(self, start: Callable[[], Awaitable[T]]) -> T:
        clock = asyncio.get_running_loop().time
        deadline, pause_s, refused = clock() + PATIENCE_S, _FIRST_PAUSE_S, 0
        while True:
            try:
                return await start()
            except SessionRefused:
                refused += 1
                others = self._places.taken - 1
                if others == 0 and clock() > deadline:
                    raise
            # The first refusal may mean one that has just ended.
            if others and refused > 1:
                self.limit = min(self.limit, others)
                self._places.give()
                try:
                    await self._places.take()
                except BaseException:
                    self._places.taken += 1  # who called us gives it back
                    raise
                deadline = clock() + PATIENCE_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _ask_for_spare(self) -> None:
        for give_up in list(self._spares):
            give_up()
