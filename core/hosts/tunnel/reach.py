"""Why a host's Docker does not get through to its own loopback, where the tunnel begins."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import DockerFailed, DockerGone
from core.hosts.preflight import Finding
from core.printable import printable

if TYPE_CHECKING:
    from core.hosts.ssh.connection import HostConnection

TRIAL = "airferry/trial:1"
"""A name that no registry has: asked for to see whether a registry is asked at all."""
SCRIPT = (Path(__file__).parent / "reach.sh").read_text(encoding="utf-8")


_UNREACHED = re.compile(
    r"dial tcp|lookup |proxyconnect|socks connect|i/o timeout|deadline exceeded|to HTTPS client"
)
Ask = Callable[[str], Awaitable[object]]


async def unreached(link: HostConnection, port: int, docker: Ask) -> Finding | None:
    """Return what keeps Docker from a tunnel that is open; None if it gets an answer.

    Args:
        link: The host.
        port: The port.
        docker: Has the host's Docker ask a registry for a name.

    Raises:
        HostError: the line is lost.
    """
    try:
        await docker(f"localhost:{port}/{TRIAL}")
    except DockerGone:
        return None
    except DockerFailed as error:
        if _UNREACHED.search(error.what):
            return await why_not_reached(link, port, error.what, by_docker=True)
    return None


async def why_not_reached(
    link: HostConnection, port: int, said: str, *, by_docker: bool
) -> Finding:
    """Return what keeps Docker from a port of its own loopback on which sshd listens.

    Args:
        link: The host.
        port: The port.
        said: The words of who asked in vain.
        by_docker: Whether that was Docker itself, or a program of the host in its place.

    Raises:
        HostError: the host cannot be asked for more.
    """
    looked = (await link.run_root(SCRIPT, check=False)).out
    found = [line.partition("=")[::2] for line in looked.splitlines()]
    return reason(port, said, [(key, value) for key, value in found], by_docker=by_docker)


def reason(port: int, said: str, found: list[tuple[str, str]], *, by_docker: bool) -> Finding:
    """Return what keeps Docker from a port of its own loopback.

    Args:
        port: The port.
        said: The words of who asked in vain.
        found: What the host has to say of it: addresses of localhost in its hosts file, the
            variables for proxies that dockerd has, and its network.
        by_docker: Whether Docker itself has asked.
    """
    who = "a Docker that" if by_docker else "a loopback that"
    place = f"localhost:{port}"
    words = printable(said.strip().rpartition("\n")[2])[-200:]
    addresses = [value for key, value in found if key == "hosts"]
    proxies = sorted(
        {value for key, value in found if key == "proxy" and value} - {"no_proxy", "NO_PROXY"}
    )
    if not any(address.startswith("127.") for address in addresses):
        lack = f"is only {addresses[0]} there" if addresses else "is not in its /etc/hosts"
        return Finding(
            True,
            f"does not know localhost as 127.0.0.1: the name {lack} ({words or 'no answer'})",
            "Add the line '127.0.0.1 localhost' to /etc/hosts on the host: Docker asks for "
            f"{place}, and the tunnel listens on 127.0.0.1.",
        )
    if ("network", "other") in found:
        return Finding(
            True,
            f"has {who} runs in a network of its own, where {place} is not the host's ({words})",
            "Have dockerd run in the host's network (PrivateNetwork, NetworkNamespacePath in its "
            "unit), or take this host out of the config.",
        )
    if proxies and by_docker:
        return Finding(
            True,
            f"has {who} asks a proxy for {place} ({', '.join(proxies)}; {words})",
            "Set NO_PROXY=localhost,127.0.0.1 beside it where Docker's proxy is set (systemctl "
            "cat docker, daemon.json), then: systemctl daemon-reload, systemctl restart docker.",
        )
    return Finding(
        True,
        f"has {who} does not get through to {place}, though sshd listens there ({words})",
        f"Let what goes over lo to port {port} pass: see nft list ruleset, iptables -S, ufw "
        "status on the host.",
    )
