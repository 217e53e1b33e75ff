"""The tunnel tried before it is opened: whether sshd lets it be, and whether Docker gets through.

A forward like the tunnel's own is made for a moment. It leads to no registry: whoever comes is
answered here, as by an empty one, and that somebody came is what is wanted to know. What sshd's
settings, a key's options, name service, proxies and firewalls make of it needs no guessing then.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncssh

from core.errors import DockerFailed, DockerGone, HostError, HostForwardingForbidden
from core.hosts.facts import Facts
from core.hosts.preflight import Finding
from core.hosts.ssh.connection import HostConnection
from core.hosts.tunnel.answers import asked_by_host
from core.hosts.tunnel.forbidden import why_forbidden
from core.hosts.tunnel.reach import TRIAL, Ask, why_not_reached
from core.hosts.tunnel.store import registry_behind

ASK_TIMEOUT_S = 30.0
HEADER = "X-Airferry-Trial"
_TLS_HELLO = b"\x16"


class TrialRegistry(asyncssh.SSHTCPSession[bytes]):
    """Answers whoever comes through a trial forward, and tells that somebody came.

    Args:
        token: What it says in its header.
        came: Set when somebody has asked something.
    """

    def __init__(self, token: str, came: asyncio.Event) -> None:
        self._token = token
        self._came = came
        self._asked = b""

    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        self._chan = chan

    def data_received(self, data: bytes, datatype: int | None) -> None:  # noqa: ARG002 - asyncssh's
        self._came.set()
        self._asked += data
        if self._asked.startswith(_TLS_HELLO):  # Docker goes on without TLS, if it may
            self._chan.abort()
        elif b"\r\n\r\n" in self._asked:
            self._chan.write(answer_to(self._asked, self._token))
            self._chan.write_eof()
            self._chan.close()


def answer_to(asked: bytes, token: str) -> bytes:
    """Return what a registry without an image answers to a request."""
    found = asked.split(b" ", 2)[1:2] in ([b"/v2/"], [b"/v2"])
    status = "200 OK" if found else "404 Not Found"
    body = "{}" if found else '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"a trial"}]}'
    lines = (
        f"HTTP/1.1 {status}",
        "Docker-Distribution-Api-Version: registry/2.0",
        f"{HEADER}: {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "",
        "" if asked.startswith(b"HEAD") else body,
    )
    return "\r\n".join(lines).encode()


class Trial:
    """A forward that is open for a trial.

    Args:
        link: The host.
        port: The port on the host.
        token: What the answers say.
        came: Set when somebody has asked something.
    """

    def __init__(self, link: HostConnection, port: int, token: str, came: asyncio.Event) -> None:
        self.port = port
        self._link = link
        self._token = token
        self._came = came

    async def finding(self, facts: Facts, docker: Ask | None) -> Finding | None:
        """Return what keeps the host's Docker, or us, from the tunnel's end on the host.

        Args:
            facts: The host.
            docker: Has the host's Docker ask a registry for a name; None if there is no Docker yet.

        Raises:
            HostError: the line is lost.
        """
        self._came.clear()
        said = await (self._docker_says(docker) if docker else self._host_says())
        if said is not None and not self._came.is_set():
            return await why_not_reached(self._link, self.port, said, by_docker=bool(docker))
        try:
            found = await registry_behind(self._link, self.port, HEADER)
        except HostForwardingForbidden:
            return why_forbidden(facts, await self._link.told(), self.port, asking=True)
        if found != self._token:
            return await why_not_reached(self._link, self.port, "", by_docker=False)
        return None

    async def _docker_says(self, docker: Ask) -> str | None:
        """Return Docker's words; None if it cannot be asked."""
        asking = asyncio.ensure_future(docker(f"localhost:{self.port}/{TRIAL}"))
        coming = asyncio.ensure_future(self._came.wait())
        try:
            await asyncio.wait(
                (asking, coming), timeout=ASK_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
            )
            if not asking.done():
                return "no answer"
            asking.result()
        except DockerGone:
            return None
        except DockerFailed as error:
            return error.what
        finally:
            for task in (asking, coming):
                task.cancel()
            await asyncio.gather(asking, coming, return_exceptions=True)
        return ""

    async def _host_says(self) -> str | None:
        said = await asked_by_host(self._link, "localhost", self.port)
        return None if said is None else said[1]


@asynccontextmanager
async def trial_forward(link: HostConnection, port: int) -> AsyncIterator[Trial]:
    """Have a host's sshd listen as for the tunnel, for a moment.

    Args:
        link: The host.
        port: The port on the host; 0 for any.

    Raises:
        HostForwardingForbidden: sshd refuses, or the port is taken.
        HostTunnelExposed: sshd would open it to the network.
    """
    token, came = secrets.token_hex(8), asyncio.Event()

    async def accept() -> asyncssh.SSHTCPSession[bytes]:
        return TrialRegistry(token, came)

    listener = await link.listen(port, accept)
    try:
        yield Trial(link, listener.get_port(), token, came)
    finally:
        listener.close()
        with suppress(HostError, TimeoutError):
            async with asyncio.timeout(ASK_TIMEOUT_S):
                await listener.wait_closed()
