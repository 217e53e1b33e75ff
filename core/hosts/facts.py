"""What is known of a host after one question."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import HostCommandFailed, HostSudoRefused
from core.hosts.daemon import FUNCTIONS, Daemon, read_daemon
from core.hosts.driver_room import driver_free_bytes
from core.hosts.facts_shape import listed, require_shape
from core.hosts.package_state import NO_STATE, PackageState, package_state_in
from core.hosts.places import Place, places_in

if TYPE_CHECKING:
    from core.hosts.ssh.connection import HostConnection

SCRIPT = f"docker_functions={shlex.quote(FUNCTIONS)}\n" + (
    Path(__file__).parent / "facts.sh"
).read_text(encoding="utf-8")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "ppc64le": "ppc64le"}
FACTS_TIMEOUT_S = 60.0
_ROOT_WORDS = {
    "direct": "logs in as root",
    "sudo": "by sudo, no password",
    "asked": "by sudo, with its password",
    "doas": "by doas, no password",
}


@dataclass(frozen=True)
class DockerFacts:
    """The engine of a host, as it says itself; `version` is empty where none answers.

    Args:
        path: Of the client; empty where Docker is not installed.
        version: Of the running engine.
        driver: Its storage driver.
        containerd_store: Whether images lie in containerd's store: compressed and unpacked.
        insecure_loopback: Whether it speaks plain HTTP with registries on loopback.
        rootless: Whether it runs in a user's own network, where 127.0.0.1 is another.
        insecure_named: The registries with which it speaks plain HTTP by their names.
        daemon: The engine's process.
    """

    path: str = ""
    version: str = ""
    driver: str = ""
    containerd_store: bool = False
    insecure_loopback: bool = True
    rootless: bool = False
    insecure_named: tuple[str, ...] = ()
    daemon: Daemon = field(default_factory=Daemon)

    @property
    def is_there(self) -> bool:
        """Whether there is an engine, running or to be started; a client alone is none."""
        unit = self.daemon.unit
        return bool(self.version or self.daemon.pid) or unit not in ("", "not-found")


@dataclass(frozen=True)
class Facts:
    """The answer of `facts.sh`; sizes in bytes.

    What only root may know is empty (or as it mostly is) while `root` is `none`.

    `machine` tells the host's loopback from any other, and `sshd` has what `sshd -T` says, for this
    login, of forwarding and of sessions.
    """

    os_id: str
    os_version: str
    os_like: tuple[str, ...]
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
    docker: DockerFacts = DockerFacts()
    containerd: str = ""
    store: str = "/var/lib/docker"
    unpack_free_bytes: int = 0
    security: str = ""
    port_taken: bool = False
    port_holder: str = ""
    forwarding: str = ""
    pf9_kube: str = ""
    pf9_hostagent: str = ""
    node_agent: str = ""
    places: Mapping[str, Place] = field(default_factory=dict)
    packages: PackageState = NO_STATE
    store_wanted: str = ""
    store_label: str = ""
    machine: str = ""
    sshd: Mapping[str, str] = field(default_factory=dict)

    @property
    def max_sessions(self) -> int | None:
        """How many sessions sshd allows over one connection; None where nobody told."""
        found = self.sshd.get("maxsessions", "")
        return int(found) if found.isascii() and found.isdigit() and len(found) < 9 else None

    @property
    def summary(self) -> str:
        """One line for the Hosts screen."""
        version = self.docker.version.partition("+")[0]
        docker = f"Docker {version}".strip() if self.docker.path else "no Docker"
        system = f"{self.os_id.capitalize()} {self.os_version}".strip() or "unknown system"
        return f"{system}, {docker}, {self.store_free_bytes / 1e9:.0f} GB free"

    def lines(self) -> list[tuple[str, str]]:
        """Return everything in plain words, for people."""
        skew = f"{self.clock_skew_s:+.0f} s" if abs(self.clock_skew_s) > 2 else "right"
        port = "free"
        if self.port_taken:
            port = f"taken by {self.port_holder or 'a program (only root can tell which)'}"
        return [
            ("system", f"{self.os_name or 'unknown'}, {self.arch}, kernel {self.kernel}"),
            ("processors", f"{self.cpus}"),
            ("memory", f"{self.memory_bytes / 1e9:.1f} GB"),
            ("room", f"{self.store_free_bytes / 1e9:.1f} GB where Docker stores ({self.store})"),
            *self._store_lines(),
            ("temporary files", f"{self.tmp_free_bytes / 1e9:.1f} GB free in /tmp"),
            ("clock", skew),
            ("init", self.init or "unknown"),
            ("security", self.security or "neither SELinux nor AppArmor"),
            (
                "root",
                _ROOT_WORDS.get(self.root, "not without a password"),
            ),
            ("Docker", self._docker_words()),
            ("containerd", self.containerd or "not installed"),
            ("registry port", port),
            ("sshd forwarding", self.forwarding or "only root can tell"),
            ("pf9-kube", self.pf9_kube or "not installed"),
            *([("pf9-hostagent", self.pf9_hostagent)] if self.pf9_hostagent else []),
            *([("node agent", self.node_agent)] if self.node_agent else []),
        ]

    def _store_lines(self) -> list[tuple[str, str]]:
        """Return what there is to tell of where Docker stores, besides the room."""
        place = self.places.get("store")
        if place is None or not place.kind:
            return []
        inodes = f", {place.free_inodes} inodes free" if place.free_inodes is not None else ""
        return [("file system", f"{place.kind} of {place.mount}{inodes}")]

    def _docker_words(self) -> str:
        if not self.docker.path:
            return "not installed" + (", but a rootless one runs" if self.docker.rootless else "")
        if not self.docker.version:
            return "installed; it does not answer, or answers root only"
        store = "containerd's store" if self.docker.containerd_store else "classic store"
        rootless = ", rootless" if self.docker.rootless else ""
        return f"{self.docker.version}, {self.docker.driver}, {store}{rootless}"


async def gather_facts(link: HostConnection, port: int) -> Facts:
    """Ask a host for its facts: as root, or where the login is not let, as that.

    Args:
        link: The host.
        port: The registry port that must be free there.

    Raises:
        HostError: it cannot be asked.
    """
    try:
        way = (await link.root_way()).value
    except HostSudoRefused:
        way, ask = "none", link.run
    else:
        ask = link.run_root
    asked = time.time()
    done = await ask(SCRIPT, str(port), link.route.user, timeout_s=FACTS_TIMEOUT_S)
    midway = (asked + time.time()) / 2
    facts = replace(parse_facts(link.host.name, done.out, midway), root=way)
    if facts.max_sessions:
        link.sessions.allow(facts.max_sessions)
    return facts


def parse_facts(host_name: str, text: str, now: float) -> Facts:
    """Read the script's key=value lines.

    Args:
        host_name: For messages.
        text: What the script printed.
        now: The DU's clock at that time, in seconds since the epoch.

    Raises:
        HostCommandFailed: the output is not whole.
        HostOddAnswer: a fact cannot be true.
    """
    lines = (line.rstrip("\r") for line in text.split("\n"))
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    if values.get("facts") != "complete":
        raise HostCommandFailed(f"{host_name}: the host did not say what it is: {text[-200:]!r}")

    require_shape(host_name, values)

    def number(key: str) -> int:
        return int(values.get(key) or 0)

    docker, places = _docker_facts(host_name, values), places_in(values)
    store_free = driver_free_bytes(docker.driver, listed(host_name, values, "docker_store"))
    if store_free is None:
        asked = places["store"].free_bytes if "store" in places else None
        store_free = number("store_free_kib") << 10 if asked is None else asked

    return Facts(
        os_id=values["os_id"],
        os_version=values["os_version"],
        os_like=tuple(values.get("os_like", "").split()),
        os_name=values["os_name"],
        arch=ARCHITECTURES.get(values["arch"], values["arch"]),
        kernel=values["kernel"],
        cpus=number("cpus"),
        memory_bytes=number("memory_kib") << 10,
        store_free_bytes=store_free,
        tmp_free_bytes=number("tmp_free_kib") << 10,
        clock_skew_s=number("clock") - now if values.get("clock") else 0.0,
        init=values["init"],
        root=values["root"],
        docker=docker,
        containerd=values.get("containerd", ""),
        store=values.get("store", "") or "/var/lib/docker",
        unpack_free_bytes=number("var_tmp_free_kib") << 10,
        security=values.get("security", ""),
        port_taken=bool(number("port_inode")),
        port_holder=values.get("port_holder", ""),
        forwarding=_forwarding(values),
        pf9_kube=values.get("pf9_kube", ""),
        pf9_hostagent=values.get("pf9_hostagent", ""),
        node_agent=values.get("node_agent", ""),
        places=places,
        packages=package_state_in(values),
        store_wanted=values.get("store_wanted", ""),
        store_label=values.get("store_label", ""),
        machine=_machine(values.get("machine", "")),
        sshd={
            key.removeprefix("sshd_"): value
            for key, value in values.items()
            if key.startswith("sshd_")
        },
    )


def _machine(text: str) -> str:
    """Return what a host's loopback is told by: a boot's id and a network; empty if one lacks."""
    return text if len(text.split()) == 2 else ""


def _docker_facts(host_name: str, values: dict[str, str]) -> DockerFacts:
    security = listed(host_name, values, "docker_security")
    store = listed(host_name, values, "docker_store")
    insecure = listed(host_name, values, "docker_insecure")
    version = values.get("docker_version", "")
    return DockerFacts(
        path=values.get("docker_path", ""),
        version=version,
        driver=values.get("docker_driver", "") or values.get("docker_driver_set", ""),
        containerd_store="io.containerd.snapshotter" in str(store),
        insecure_loopback=not version or "127.0.0.0/8" in insecure,
        rootless="rootless" in str(security) or (not version and "rootless" in values),
        insecure_named=_plain(values.get("docker_named")),
        daemon=read_daemon(values),
    )


def _plain(text: str | None) -> tuple[str, ...]:
    """Return the registries without TLS among those that Docker printed as JSON, by name."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return ()
    entries = found.items() if isinstance(found, dict) else ()
    return tuple(
        name for name, entry in entries if isinstance(entry, dict) and not entry.get("Secure", True)
    )


def _forwarding(values: dict[str, str]) -> str:
    """Return what sshd allows of forwarding: yes, no, local, remote; empty where nobody told."""
    if values.get("sshd_disableforwarding") == "yes":
        return "no"
    found = values.get("sshd_allowtcpforwarding", "")
    return "yes" if found == "all" else found
