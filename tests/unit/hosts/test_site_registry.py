"""What answers a host at the registry's address; sshd's part is done by a plain connection here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from core.config import HostConfig
from core.errors import HostRegistryGone
from core.hosts.site_registry import Server, ask_registry_from
from core.hosts.ssh.connection import HostConnection, PortStreams
from tests.support.oddfront import Front, Reply, odd_front

_HELLO_BYTES = 64 << 10  # what is left unread makes a reset of the end
CHALLENGE = 'Bearer realm="https://t/token"'


class Link:
    """The way to a host that is this machine."""

    host = HostConfig("host-1", "127.0.0.1")

    @asynccontextmanager
    async def port(self, port: int, address: str = "127.0.0.1") -> AsyncIterator[PortStreams]:
        reader, writer = await asyncio.open_connection(address, port)
        try:
            yield cast(PortStreams, (reader, writer))
        finally:
            writer.close()
            await writer.wait_closed()


async def asked(reply: Reply) -> list[str]:
    with odd_front(Front("", early=lambda _asked: reply)) as front:
        server = Server(front.address, None, tls=False)
        return await ask_registry_from(cast(HostConnection, Link()), server)


async def test_a_registry_says_how_to_log_in() -> None:
    reply = Reply(401, (("WWW-Authenticate", CHALLENGE), ("Content-Type", "application/json")))
    assert [CHALLENGE] == [value.strip() for value in await asked(reply)]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(200, (("Content-Type", "text/html; charset=utf-8"),), b"<p>"), "a web page"),
        (Reply(404), "is no registry"),
        (Reply(0, raw=b"SSH-2.0-x\r\n"), "speaks no HTTP"),
        (Reply(0, raw=b"\0"), "speaks no HTTP"),
    ],
)
async def test_what_is_no_registry(reply: Reply, words: str) -> None:
    with pytest.raises(HostRegistryGone, match=f"host-1: the registry .*{words}"):
        await asked(reply)


async def test_a_line_that_ends_before_tls_is_spoken_may_come_back() -> None:
    """A proxy that is being restarted hangs up, and so does what will never speak TLS."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(_HELLO_BYTES)
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        server = Server(f"127.0.0.1:{port}", None, tls=True)
        with pytest.raises(HostRegistryGone, match="ends the connection") as caught:
            await ask_registry_from(cast(HostConnection, Link()), server)
    assert caught.value.transient
