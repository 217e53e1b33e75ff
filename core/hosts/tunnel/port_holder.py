"""Who has the registry's port on a host, told as what it is, with what helps against that."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import HostError
from core.hosts.preflight import Finding
from core.hosts.tunnel.answers import ANOTHER_SITE, MIRROR, SSH_SERVER, answer_on, kind_of
from core.printable import printable

if TYPE_CHECKING:
    from core.hosts.ssh.connection import HostConnection

SCRIPT = (Path(__file__).parent / "port_holder.sh").read_text(encoding="utf-8")
OTHER_PORT = "choose another hostRegistryPort in the config"
_MIRRORS = re.compile(r"k3s|rke2|spegel", re.IGNORECASE)


async def port_finding(link: HostConnection, port: int) -> Finding:
    """Ask a host who has a port, and return what there is to say of it.

    Args:
        link: The host.
        port: The port, on which something else than this site's tunnel listens.

    Raises:
        HostError: the line is lost.
    """
    try:
        answer = await answer_on(link, port)
    except HostError:
        answer = None
    told = (await link.run_root(SCRIPT, str(port), check=False)).out
    known = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    return what_holds(port, known, answer)


def what_holds(port: int, known: Mapping[str, str], answer: bytes | None) -> Finding:
    """Return what there is to say of who has a port.

    Args:
        port: The port.
        known: What `port_holder.sh` said; nothing where it found nobody.
        answer: What answers there, if anything does.
    """
    kind = kind_of(answer)
    if kind == ANOTHER_SITE:
        return Finding(
            True,
            f"has port {port} taken by {ANOTHER_SITE}{_session(known)}",
            f"Two sites may share a host if their ports differ: {OTHER_PORT} of one of them.",
        )
    name = printable(known.get("comm", ""))[:40]
    if kind == MIRROR or _MIRRORS.search(name):
        return Finding(
            True,
            f"has port {port} taken by {name or 'another program'}: {MIRROR}",
            f"That needs the port on every node: {OTHER_PORT}.",
        )
    if name.startswith("sshd") and kind != SSH_SERVER:
        what = f"; what answers there: {kind}" if kind else ""
        return Finding(
            True,
            f"has port {port} taken by a forwarding over SSH{_session(known)}{what}",
            f"Somebody leads that port elsewhere: end that session where it comes from, or "
            f"{OTHER_PORT}.",
        )
    owner = _owner(known, name)
    what = f": {kind}" if kind else ""
    return Finding(
        True,
        f"has port {port} taken by {owner or 'another program'}{what}",
        f"{OTHER_PORT[0].upper()}{OTHER_PORT[1:]}, or end {owner or 'what listens'} there if "
        "nobody needs it.",
    )


def _owner(known: Mapping[str, str], name: str) -> str:
    container, unit = printable(known.get("container", "")), printable(known.get("unit", ""))
    if container:
        return f"the container {container}"
    if unit and name:
        return f"{name} ({unit})"
    return name


def _session(known: Mapping[str, str]) -> str:
    """Return whose SSH session has the port, as far as it is known."""
    user = re.search(r"sshd[^:]*: ([\w.-]+)", known.get("title", ""))
    place = address_of(known.get("peer", ""))
    words = [f"of {user[1]}" if user else "", f"from {place}" if place else ""]
    said = " ".join(word for word in words if word)
    return f" (an SSH session {said})" if said else ""


def address_of(place: str) -> str:
    """Return the address in a place as /proc/net/tcp writes it on most machines; else empty."""
    digits = place.partition(":")[0]
    if not re.fullmatch(r"[0-9A-Fa-f]{8}|[0-9A-Fa-f]{32}", digits):
        return ""
    words = [digits[start : start + 8] for start in range(0, len(digits), 8)]
    raw = b"".join(bytes.fromhex(word)[::-1] for word in words)
    address = ipaddress.ip_address(raw)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
