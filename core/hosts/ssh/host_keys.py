"""Host keys: which are believed, and what becomes of one that was never seen."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import asyncssh

from core.config import SshConfig
from core.errors import AirferryError, HostKeyChanged, HostKeyUnknown
from core.hosts.ssh.route import Route

_MOST_TOLD = 100


@dataclass(frozen=True)
class Trust:
    """Which host keys are believed.

    Args:
        files: known_hosts files; those that are missing count as empty.
        notes: The known_hosts file in which accepted keys are noted.
        accept_new: Keys never seen before are accepted.
        fingerprints: Keys never seen before that are accepted all the same (`SHA256:...`).
    """

    files: tuple[Path, ...]
    notes: Path
    accept_new: bool = False
    fingerprints: tuple[str, ...] = ()

    def keys(self) -> asyncssh.SSHKnownHosts:
        """Read the files, anew where one has changed: another console may have accepted a key."""
        return _read(tuple(_version(path) for path in self.files if path.exists()))

    def takes(self, key: asyncssh.SSHKey) -> bool:
        """Whether a key never seen before is accepted."""
        return self.accept_new or key.get_fingerprint() in self.fingerprints

    def note(self, address: str, port: int, key: asyncssh.SSHKey) -> None:
        """Note the key of a host as known from now on."""
        name = address if port == 22 else f"[{address}]:{port}"
        line = f"{name} {key.export_public_key('openssh').decode().strip()}\n"
        with self.notes.open("a", encoding="utf-8") as file:
            file.write(line)


def _version(path: Path) -> tuple[str, int, int, int]:
    """Return a file's path and what changes when it is written or replaced."""
    facts = path.stat()
    return str(path), facts.st_ino, facts.st_size, facts.st_mtime_ns


@lru_cache(maxsize=4)
def _read(versions: tuple[tuple[str, int, int, int], ...]) -> asyncssh.SSHKnownHosts:
    """Read known_hosts files; a site's, read for each of its hosts, would cost more than SSH."""
    return asyncssh.read_known_hosts([path for path, *_ in versions])


def trust_of(
    ssh: SshConfig,
    state_dir: Path,
    *,
    accept_new: bool = False,
    compared: tuple[str, ...] = (),
) -> Trust:
    """Return the user's known_hosts, the config's, and the one of the state directory."""
    own = state_dir / "known_hosts"
    files = [Path("~/.ssh/known_hosts").expanduser(), own]
    if ssh.known_hosts:
        files.append(ssh.known_hosts)
    return Trust(tuple(files), own, accept_new, (*ssh.host_keys, *compared))


@dataclass
class KeyCheck(asyncssh.SSHClient):
    """Decides on host keys that are in no known_hosts file; remembers why it refused.

    It also keeps what sshd says for debugging: what the key may, and what was not done as asked.
    """

    where: str
    route: Route
    trust: Trust
    others_known: bool
    refusal: AirferryError | None = field(default=None)
    told: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_TOLD))

    def debug_msg_received(self, msg: str, lang: str, always_display: bool) -> None:  # noqa: ARG002 - asyncssh's
        self.told.append(msg)

    def validate_host_public_key(
        self,
        host: str,  # noqa: ARG002 - asyncssh's signature
        addr: str,  # noqa: ARG002
        port: int,  # noqa: ARG002
        key: asyncssh.SSHKey,
    ) -> bool:
        shown = f"{key.get_algorithm()} {key.get_fingerprint()}"
        if self.others_known:
            self.refusal = HostKeyChanged(f"{self.where} shows another host key: {shown}")
        elif not self.trust.takes(key):
            self.refusal = HostKeyUnknown(f"{self.where} has a host key never seen before: {shown}")
        else:
            self.trust.note(self.route.address, self.route.port, key)
        return self.refusal is None
