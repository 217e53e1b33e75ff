"""Asking the site's registry from a host: sshd opens the connection there, TLS is spoken from here.

So a host is asked that has no Docker yet, and no curl either. What the host's name service, route
and firewall make of it is seen, and whether the certificate holds under the name that it has there.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

from core.errors import HostRegistryGone, HostRegistryTlsWrong
from core.hosts.ssh.connection import HostConnection, PortStreams
from core.tls import WANTS_TLS_REMEDY, tls_context, tls_problem

ANSWER_TIMEOUT_S = 20.0
_READ_BYTES = 16 << 10
_MOST_BYTES = 64 << 10
_ANSWERS = (200, 401, 403)


@dataclass(frozen=True)
class Server:
    """A server that hosts are to reach.

    Args:
        address: Its `host[:port]`.
        ca: The CA that the host's Docker is given for it; that of this machine's system if None.
        tls: Whether TLS is spoken.
        what: What it is, for messages.
    """

    address: str
    ca: Path | None
    tls: bool
    what: str = "the registry"

    @property
    def place(self) -> tuple[str, int]:
        """Its name and its port."""
        name, colon, port = self.address.rpartition(":")
        if colon and port.isdigit():
            return name.strip("[]"), int(port)
        return self.address.strip("[]"), 443 if self.tls else 80


async def ask_registry_from(link: HostConnection, registry: Server) -> list[str]:
    """See that a registry answers when it is asked from a host, and that its certificate holds.

    Returns:
        What it says of logging in: the values of `WWW-Authenticate`.

    Raises:
        HostForwardingForbidden: the host's sshd does not let it be asked.
        HostRegistryGone: the host does not reach it.
        HostRegistryTlsWrong: what answers is not what its Docker will trust.
    """
    answer = await _answer_from(link, registry, "/v2/")
    status, *lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    if not any(f" {known}" in status for known in _ANSWERS):
        raise HostRegistryGone(
            f"{link.host.name}: {registry.what} {registry.address}: what answers there is no "
            f"registry ({status[:80]})"
        )
    headers = [(name.lower(), value) for name, _, value in (line.partition(":") for line in lines)]
    if " 200" in status and any(n == "content-type" and "html" in v.lower() for n, v in headers):
        raise HostRegistryGone(
            f"{link.host.name}: {registry.what} {registry.address}: what answers there is a web "
            "page (a login page?), and no registry"
        )
    return [value for name, value in headers if name == "www-authenticate"]


async def ask_server_from(link: HostConnection, server: Server, path: str) -> None:
    """See that a server answers at all when it is asked from a host, and its certificate holds.

    Raises:
        HostError: as for `ask_registry_from`.
    """
    await _answer_from(link, server, path)


async def _answer_from(link: HostConnection, server: Server, path: str) -> bytes:
    name, port = server.place
    where = f"{link.host.name}: {server.what} {server.address}"
    lines = (f"GET {path} HTTP/1.1", f"Host: {server.address}", "Connection: close", "", "")
    request = "\r\n".join(lines).encode()
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S), link.port(port, name) as streams:
            if server.tls:
                answer = await _Tls(streams, server.ca, name).ask(request)
            else:
                answer = await _plain(streams, request)
    except TimeoutError as error:
        raise HostRegistryGone(
            f"{where} does not answer within {ANSWER_TIMEOUT_S:.0f} s when asked from there"
        ) from error
    except ConnectionRefusedError as error:
        said = str(error).rpartition(": ")[2]
        raise HostRegistryGone(f"{where} is not reached from there: {said}") from error
    except EOFError as error:  # so does a proxy that is being restarted
        raise HostRegistryGone(f"{where} ends the connection instead of speaking TLS") from error
    except ssl.SSLError as error:
        raise _untrusted(where, error) from error
    if not server.tls and b"HTTPS" in answer:
        raise HostRegistryTlsWrong(
            f"{where} speaks TLS, and was asked by plain HTTP", remedy=WANTS_TLS_REMEDY
        )
    if not answer.startswith(b"HTTP/1."):
        raise HostRegistryGone(f"{where}: what answers there speaks no HTTP")
    return answer


def _untrusted(where: str, error: ssl.SSLError) -> HostRegistryTlsWrong:
    problem = tls_problem(error)
    if problem is None:
        return HostRegistryTlsWrong(f"{where}: {error.reason or error}")
    return HostRegistryTlsWrong(
        f"{where} {problem.what}, when asked from there", remedy=problem.remedy
    )


async def _plain(streams: PortStreams, request: bytes) -> bytes:
    reader, writer = streams
    writer.write(request)
    answer = b""
    while len(answer) < _MOST_BYTES and (more := await reader.read(_READ_BYTES)):
        answer += more
    return answer


class _Tls:
    """TLS over a channel: the library's own streams know sockets only.

    Args:
        streams: The channel.
        ca: The CA that is trusted.
        name: What the certificate must be for.
    """

    def __init__(self, streams: PortStreams, ca: Path | None, name: str) -> None:
        self._reader, self._writer = streams
        self._came, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = tls_context(ca).wrap_bio(self._came, self._goes, server_hostname=name)

    async def ask(self, request: bytes) -> bytes:
        """Shake hands, send a request and return the answer, up to the end of the line.

        Raises:
            SSLError: the certificate is not right, or it is no TLS.
            EOFError: the other side hung up in the middle.
        """
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._move()
        self._tls.write(request)
        answer = b""
        while len(answer) < _MOST_BYTES:
            try:
                piece = self._tls.read(_READ_BYTES)
            except ssl.SSLWantReadError:
                await self._move(may_end=True)
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                break
            else:
                if not piece:
                    break
                answer += piece
        return answer

    async def _move(self, *, may_end: bool = False) -> None:
        """Send what is to go, and take what comes."""
        self._writer.write(self._goes.read())
        data = await self._reader.read(_READ_BYTES)
        if data:
            self._came.write(data)
        elif may_end:
            self._came.write_eof()
        else:
            raise EOFError
