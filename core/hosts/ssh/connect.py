"""A TCP connection made by short attempts.

The kernel repeats a lost SYN after 1, 3, 7, 15 seconds: where a line comes back in such a pause, a
patient attempt waits it out. Several short ones in a row notice within a second or two.
"""

from __future__ import annotations

import asyncio
import socket

ATTEMPT_S = 2.5
HEARD_BYTES = 4096  # up to the algorithms that a server offers


class Line(socket.socket):
    """A TCP connection that remembers its first bytes: they tell who is at its other end."""

    heard = b""

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        data = super().recv(bufsize, flags)
        if len(self.heard) < HEARD_BYTES:
            self.heard += data[: HEARD_BYTES - len(self.heard)]
        return data

    @property
    def is_ssh(self) -> bool:
        """Whether an SSH server has said that it is one (RFC 4253: other lines may come first)."""
        return self.heard.startswith(b"SSH-") or b"\nSSH-" in self.heard


async def dial(address: str, port: int, limit_s: float) -> Line:
    """Connect to an address.

    Args:
        address: A name or an address.
        port: The port.
        limit_s: Seconds it may take in all.

    Raises:
        OSError: it cannot be resolved, or the connection was refused.
        TimeoutError: nothing answered in time.
    """
    async with asyncio.timeout(limit_s):
        while True:
            try:
                return await _any_of(await _resolved(address, port))
            except TimeoutError:
                continue  # ours of one attempt; that of all of them ends as a cancellation


_Target = tuple[int, tuple[object, ...]]  # address family, socket address


async def _resolved(address: str, port: int) -> list[_Target]:
    try:
        try:
            found = socket.getaddrinfo(  # a numeric address asks nobody
                address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
        except socket.gaierror:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(address, port, type=socket.SOCK_STREAM)
    except ValueError as error:  # such as a label of 70 letters
        raise socket.gaierror(socket.EAI_NONAME, "not a name that there can be") from error
    return [(family, place) for family, _, _, _, place in found]


async def _any_of(targets: list[_Target]) -> Line:
    """Connect to the first of several addresses that takes it; the last one's error counts."""
    for family, place in targets[:-1]:
        try:
            return await _once(family, place)
        except OSError:
            continue
    return await _once(*targets[-1])


async def _once(family: int, place: tuple[object, ...]) -> Line:
    line = Line(family, socket.SOCK_STREAM)
    try:
        line.setblocking(False)
        async with asyncio.timeout(ATTEMPT_S):
            await asyncio.get_running_loop().sock_connect(line, place)
    except BaseException:
        line.close()
        raise
    return line
