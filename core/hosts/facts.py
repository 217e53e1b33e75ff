"""What is known of a host after one question, and whether it can take part."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import HostCommandFailed
from core.hosts.connection import HostLink, quoted

SCRIPT = (Path(__file__).parent / "facts.sh").read_text(encoding="utf-8")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "ppc64le": "ppc64le"}
MAX_CLOCK_SKEW_S = 300


@dataclass(frozen=True)
class Facts:
    """The answer of `facts.sh`; sizes in bytes."""

    os_id: str
    os_version: str
    os_name: str
    arch: str
    kernel: str
    cpus: int
    memory_bytes: int
    store_free_bytes: int
    tmp_free_bytes: int
    clock_skew_s: float
    init: str
    root: str
    docker_path: str
    port_taken: bool
    node_agent: str

    @property
    def summary(self) -> str:
        """One line for the Hosts screen."""
        docker = "Docker" if self.docker_path else "no Docker"
        system = f"{self.os_id.capitalize()} {self.os_version}".strip() or "unknown system"
        return f"{system}, {docker}, {self.store_free_bytes / 1e9:.0f} GB free"


@dataclass(frozen=True)
class Finding:
    """Something that preflight has to say of a host."""

    fatal: bool
    what: str
    remedy: str


async def gather_facts(link: HostLink, port: int) -> Facts:
    """Ask a host for its facts in one round trip.

    Args:
        link: The host.
        port: The registry port that must be free there.

    Raises:
        HostError: it cannot be asked.
    """
    asked = time.time()
    done = await link.run(quoted("sh", "-s", "--", str(port)), stdin=SCRIPT)
    midway = (asked + time.time()) / 2
    return parse_facts(link.host.name, done.out, midway)


def parse_facts(host_name: str, text: str, now: float) -> Facts:
    """Read the script's key=value lines.

    Args:
        host_name: For messages.
        text: What the script printed.
        now: The DU's clock at that time, in seconds since the epoch.

    Raises:
        HostCommandFailed: the output is not whole.
    """
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if values.get("facts") != "complete":
        raise HostCommandFailed(f"{host_name}: the host did not say what it is: {text[-200:]!r}")

    def number(key: str) -> int:
        found = values.get(key, "")
        return int(found) if found.isascii() and found.isdigit() else 0

    return Facts(
        os_id=values["os_id"],
        os_version=values["os_version"],
        os_name=values["os_name"],
        arch=ARCHITECTURES.get(values["arch"], values["arch"]),
        kernel=values["kernel"],
        cpus=number("cpus"),
        memory_bytes=number("memory_kib") << 10,
        store_free_bytes=number("store_free_kib") << 10,
        tmp_free_bytes=number("tmp_free_kib") << 10,
        clock_skew_s=number("clock") - now,
        init=values["init"],
        root=values["root"],
        docker_path=values["docker_path"],
        port_taken=bool(number("port_taken")),
        node_agent=values.get("node_agent", ""),
    )


def preflight(facts: Facts, *, needs_docker: bool, space_bytes: int) -> Iterator[Finding]:
    """Yield what would stop the job later, or should be known before it.

    Args:
        facts: The host.
        needs_docker: Docker will have to be installed.
        space_bytes: Room that the missing images need where Docker stores.
    """
    if facts.root == "none":
        yield Finding(
            True,
            "the login is not root and has no sudo without a password",
            "Log in as root, or give the user NOPASSWD in sudoers.",
        )
    if facts.init != "systemd":
        yield Finding(True, f"runs {facts.init}, not systemd", "Airferry needs systemd on hosts.")
    if needs_docker and facts.tmp_free_bytes < 512 << 20:
        yield Finding(
            True,
            f"has {facts.tmp_free_bytes >> 20} MiB free in /tmp; installing Docker needs 512 MiB",
            "Make room in /tmp on the host.",
        )
    if space_bytes and facts.store_free_bytes < space_bytes:
        yield Finding(
            True,
            f"has {facts.store_free_bytes >> 20} MiB free where Docker stores images; "
            f"{space_bytes >> 20} MiB are needed",
            "Make room in /var/lib/docker on the host.",
        )
    if abs(facts.clock_skew_s) > MAX_CLOCK_SKEW_S:
        minutes = facts.clock_skew_s / 60
        yield Finding(
            False, f"its clock is {minutes:+.0f} min off", "Set the host's clock (chrony, NTP)."
        )
    if facts.node_agent:
        yield Finding(
            False,
            f"a node agent ({facts.node_agent}) is installed, which may rewrite daemon.json",
            "Check daemon.json again after the agent was updated.",
        )
