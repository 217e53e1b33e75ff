"""Host keys: which are believed, and what becomes of one that was never seen."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from core.config import SshConfig
from core.errors import (
    AirferryError,
    HostKeyChanged,
    HostKeyRevoked,
    HostKeyUnknown,
    of_local_files,
)
from core.hosts.ssh.known_hosts import (
    HostKeys,
    KnownHosts,
    KnownKey,
    Status,
    name_in_file,
    read,
    shown,
)
from core.hosts.ssh.route import Route

USERS = (Path("~/.ssh/known_hosts"), Path("~/.ssh/known_hosts2"))
SYSTEMS = (Path("/etc/ssh/ssh_known_hosts"), Path("/etc/ssh/ssh_known_hosts2"))
_MOST_TOLD = 100


@dataclass(frozen=True)
class Trust:
    """Which host keys are believed.

    Args:
        files: known_hosts files that count for every host; those that are missing count as empty.
        notes: The known_hosts file in which accepted keys are noted.
        accept_new: Keys never seen before are accepted.
        fingerprints: Keys never seen before that are accepted all the same (`SHA256:...`).
        users: The user's files, where the OpenSSH config names no others for a host.
        systems: The machine's files, likewise.
        to_make: A file that the site's config names and that is not there: accepted keys are noted
            in it, too.
    """

    files: tuple[Path, ...]
    notes: Path
    accept_new: bool = False
    fingerprints: tuple[str, ...] = ()
    users: tuple[Path, ...] = ()
    systems: tuple[Path, ...] = ()
    to_make: Path | None = None

    def known_hosts(self, route: Route) -> KnownHosts:
        """Return the files that count for a host, as they are now."""
        users = self.users if route.users_known_hosts is None else route.users_known_hosts
        systems = self.systems if route.systems_known_hosts is None else route.systems_known_hosts
        paths = dict.fromkeys((*users, *systems, *self.files))
        return KnownHosts(tuple(file for path in paths if (file := read(path))))

    def keys(self, route: Route) -> HostKeys:
        """Return what is known of a host."""
        return self.known_hosts(route).of(route.address, route.port, route.key_alias)

    def takes(self, key: asyncssh.SSHKey) -> bool:
        """Whether a key never seen before is accepted."""
        return self.accept_new or key.get_fingerprint() in self.fingerprints

    def note(self, route: Route, key: asyncssh.SSHKey) -> None:
        """Note the key of a host as known from now on.

        Raises:
            LocalFilesError: it cannot be written.
        """
        name = name_in_file(route.address, route.port, route.key_alias)
        line = f"{name} {key.export_public_key('openssh').decode().strip()}\n"
        for path in (self.notes, self.to_make):
            if path:
                _append(path, line)


def _append(path: Path, line: str) -> None:
    """Add a line to a file; where that is not there, it is made, with its directory."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "rb+") as file:
            whole = not file.seek(0, os.SEEK_END) or _ends_line(file.fileno())
            file.write(("" if whole else "\n").encode() + line.encode())
    except OSError as error:
        raise of_local_files(error, str(path)) from error


def _ends_line(descriptor: int) -> bool:
    return os.pread(descriptor, 1, os.fstat(descriptor).st_size - 1) == b"\n"


def trust_of(
    ssh: SshConfig,
    state_dir: Path,
    *,
    accept_new: bool = False,
    compared: tuple[str, ...] = (),
) -> Trust:
    """Return the files of OpenSSH, the config's, and the one of the state directory."""
    own = state_dir / "known_hosts"
    sites = ssh.known_hosts
    return Trust(
        (own, sites) if sites else (own,),
        own,
        accept_new,
        (*ssh.host_keys, *compared),
        users=tuple(path.expanduser() for path in USERS),
        systems=SYSTEMS,
        to_make=sites if sites and not sites.exists() else None,
    )


@dataclass
class KeyCheck(asyncssh.SSHClient):
    """Decides on the key that a host shows; remembers why it refused it.

    It also keeps what sshd says for debugging: what the key may, and what was not done as asked.
    """

    where: str
    route: Route
    trust: Trust
    known: HostKeys
    odd: str = ""
    refusal: AirferryError | None = field(default=None)
    key_taken: bool = field(default=False)
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
        status, line = self.known.judge(key)
        if status is Status.REVOKED and line:
            self.refusal = revoked(self.where, line)
        elif status is Status.CHANGED and line:
            self.refusal = HostKeyChanged(
                f"{self.where} shows another host key: {shown(key)}; known is {line.shown}"
            )
        elif status is Status.NEW and not self.trust.takes(key):
            self.refusal = self._unknown(key)
        elif status is Status.NEW:
            self._note(key)
        self.key_taken = self.refusal is None
        return self.key_taken

    def _unknown(self, key: asyncssh.SSHKey) -> HostKeyUnknown:
        passed_over = f" Passed over: {self.odd}." if self.odd else ""
        return HostKeyUnknown(
            f"{self.where} has a host key never seen before: {shown(key)}",
            remedy=HostKeyUnknown.remedy_text + passed_over,
        )

    def _note(self, key: asyncssh.SSHKey) -> None:
        try:
            self.trust.note(self.route, key)
        except AirferryError as error:
            self.refusal = error


def revoked(where: str, line: KnownKey) -> HostKeyRevoked:
    """Return the error for a key that a known_hosts file revokes.

    Args:
        where: The host, for messages.
        line: What revokes it.
    """
    return HostKeyRevoked(
        f"{where} shows a host key that is revoked: {shown(line.key)}; {line.place} revokes it"
    )
