"""Asking the site's registry from a host: sshd opens the connection there, TLS is spoken from here.

So a host is asked that has no Docker yet, and no curl either. What the host's name service, route
and firewall make of it is seen, and whether the certificate holds under the name that it has there.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from core.errors import HostRegistryGone, HostRegistryTlsWrong
from core.hosts.connection import HostLink, PortStreams
from core.tls import WANTS_TLS_REMEDY, tls_context, tls_problem

ANSWER_TIMEOUT_S = 20.0
_READ_BYTES = 16 << 10
_MOST_BYTES = 64 << 10
_ANSWERS = (b" 200", b" 401", b" 403")


async def ask_registry_from(link: HostLink, address: str, *, ca: Path | None, tls: bool) -> None:
    """See that a registry answers when it is asked from a host, and that its certificate holds.

    Args:
        link: The host.
        address: The registry's `host[:port]`.
        ca: The CA that its Docker is given; that of this machine's system if None.
        tls: Whether TLS is spoken.

    Raises:
        HostForwardingForbidden: the host's sshd does not let it be asked.
        HostRegistryGone: the host does not reach it.
        HostRegistryTlsWrong: what answers is not what its Docker will trust.
    """
    name, port = _name_and_port(address, tls=tls)
    where = f"{link.host.name}: the registry {address}"
    request = f"GET /v2/ HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode()
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S), link.port(port, name) as streams:
            answer = await (
                _Tls(streams, ca, name).ask(request) if tls else _plain(streams, request)
            )
    except TimeoutError as error:
        raise HostRegistryGone(
            f"{where} does not answer within {ANSWER_TIMEOUT_S:.0f} s when asked from there"
        ) from error
    except ConnectionRefusedError as error:
        said = str(error).rpartition(": ")[2]
        raise HostRegistryGone(f"{where} is not reached from there: {said}") from error
    except (ssl.SSLError, EOFError) as error:
        raise _untrusted(where, error) from error
    status = answer.partition(b"\r\n")[0]
    if status.startswith(b"HTTP/1.") and any(known in status for known in _ANSWERS):
        return
    if not tls and b"HTTPS" in answer:
        raise HostRegistryTlsWrong(
            f"{where} speaks TLS, and was asked by plain HTTP", remedy=WANTS_TLS_REMEDY
        )
    said = status[:80].decode("latin-1") or "nothing"
    raise HostRegistryGone(f"{where}: what answers there is no registry ({said})")


def _name_and_port(address: str, *, tls: bool) -> tuple[str, int]:
    name, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        return name.strip("[]"), int(port)
    return address.strip("[]"), 443 if tls else 80


def _untrusted(where: str, error: ssl.SSLError | EOFError) -> HostRegistryTlsWrong:
    problem = tls_problem(error)
    if problem is None:
        return HostRegistryTlsWrong(f"{where} ends the connection instead of speaking TLS")
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
