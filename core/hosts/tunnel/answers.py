"""What answers on a port of a host, asked from the host itself.

Asked through a forward where sshd allows one, else by a program of the host: the tunnel itself
needs the other direction only.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import HostForwardingForbidden
from core.printable import printable

if TYPE_CHECKING:
    from core.hosts.ssh.connection import HostConnection

SCRIPT = (Path(__file__).parent / "ask_port.sh").read_text(encoding="utf-8")
ANSWER_TIMEOUT_S = 10
NOTHING_TO_ASK_WITH = 127
SSH_SERVER = "an SSH server"
MIRROR = "the peer-to-peer port of k3s's, RKE2's or Spegel's registry mirror"
ANOTHER_SITE = "the tunnel of another Airferry site"
_SITE = "x-airferry-site"  # as the client of registries reads it, which this room may not import
_MOST_BYTES = 64 << 10
_REGISTRY = "docker-distribution-api-version"


async def answer_on(link: HostConnection, port: int) -> bytes | None:
    """Ask a port of the host's own loopback as one asks a registry.

    Returns:
        What it says, empty if it takes the connection and says nothing; None if nothing listens.

    Raises:
        HostForwardingForbidden: sshd does not let it be asked, and the host cannot ask either.
    """
    try:
        return await _through_ssh(link, port)
    except ConnectionRefusedError:
        return None
    except HostForwardingForbidden:
        found = await asked_by_host(link, "127.0.0.1", port)
        if found is None:
            raise
        return found[0].encode("latin-1", "replace") or None


async def _through_ssh(link: HostConnection, port: int) -> bytes:
    answer = b""
    async with link.port(port) as (reader, writer):
        writer.write(b"GET /v2/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                while b"\r\n\r\n" not in answer and (more := await reader.read(4096)):
                    answer += more
                    if len(answer) > _MOST_BYTES:
                        break
        except TimeoutError:
            pass  # what it has said until then tells what it is
    return answer


async def asked_by_host(link: HostConnection, name: str, port: int) -> tuple[str, str] | None:
    """Have the host itself ask a port by HTTP, under a name that it looks up.

    Returns:
        What answers, and what the program says that asked; None if the host has none.
    """
    done = await link.run(SCRIPT, name, str(port), check=False)
    return None if done.status == NOTHING_TO_ASK_WITH else (done.out, done.err)


def header_in(answer: bytes, name: str) -> str:
    """Return the value of a header of an answer; empty if it has none."""
    return _headers(answer).get(name.lower(), "")


def kind_of(answer: bytes | None) -> str:
    """Return what has given an answer, in plain words; empty where that is not known."""
    if answer is None:
        return ""
    if not answer:
        return "it takes connections and says nothing"
    if b"/multistream/" in answer:
        return MIRROR
    if answer.startswith(b"SSH-"):
        return SSH_SERVER
    if answer.startswith(b"\x15\x03") or b"HTTPS" in answer.partition(b"\r\n\r\n")[2]:
        return "a server that speaks TLS"
    if not answer.startswith(b"HTTP/"):
        return "it speaks no HTTP"
    headers = _headers(answer)
    if _SITE in headers:
        return ANOTHER_SITE
    server = printable(headers.get("server", ""))[:60]
    named = f" ({server})" if server else ""
    if _REGISTRY in headers or re.search(
        r"^bearer .*service=", headers.get("www-authenticate", ""), re.I
    ):
        return f"another registry{named}"
    return f"a web server{named}"


def _headers(answer: bytes) -> dict[str, str]:
    lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:])
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
