"""Bytes from a thread into a process on a host."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent import futures

import asyncssh

from core.errors import Cancelled

_POLL_S = 0.2
SEND_BYTES = 256 << 10
Emit = Callable[[bytes], None]


class StdinFeed:
    """Hands bytes from a thread to a process on a host, as fast as that takes them."""

    def __init__(
        self,
        process: asyncssh.SSHClientProcess[bytes],
        loop: asyncio.AbstractEventLoop,
        stop: threading.Event,
    ) -> None:
        self._process = process
        self._loop = loop
        self._stop = stop

    def emit(self, data: bytes) -> None:
        """Hand over some bytes; called in the thread.

        Raises:
            BrokenPipeError: the process has ended.
            Cancelled: the task that waits for it was.
        """
        sent = asyncio.run_coroutine_threadsafe(self._send(data), self._loop)
        while not futures.wait([sent], timeout=_POLL_S).done:
            if self._stop.is_set():
                sent.cancel()
                raise Cancelled("the run was ended")
        sent.result()

    async def _send(self, data: bytes) -> None:
        if self._process.exit_status is not None or self._process.is_closing():
            raise BrokenPipeError
        self._process.stdin.write(data)
        await self._process.stdin.drain()
