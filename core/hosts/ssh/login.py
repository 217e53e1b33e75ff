"""Logging in to one host over a line that is open: its key verified, ours offered."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncssh

from core.errors import HostLoginRefused
from core.hosts.ssh import key_files
from core.hosts.ssh.algorithms import CIPHERS, host_key_algorithms
from core.hosts.ssh.attempt import Attempt, CertificateRefusedError
from core.hosts.ssh.connect import Line, dial
from core.hosts.ssh.errors import translated
from core.hosts.ssh.host_keys import Trust
from core.hosts.ssh.key_files import is_locked
from core.hosts.ssh.route import Route
from core.secrets import Login

# A line that is silent for 12 s is given up. It must not be less: the answer waits behind what is
# being sent. It should not be more: TCP itself asks a dead line ever more rarely.
KEEPALIVE_S = 3
KEEPALIVE_COUNT = 3


@dataclass(frozen=True)
class Credentials:
    """What is offered to a host's sshd.

    Args:
        login: What was typed.
        keys: The key files that the configs name.
        only_key: A key file that is offered instead of all that.
    """

    login: Login
    keys: tuple[Path, ...]
    only_key: Path | None = None

    @property
    def can_be_repeated(self) -> bool:
        """Whether a process that was told nothing could log in like this: by a plain key file."""
        if self.login.password:
            return False
        if not self.keys and os.environ.get("SSH_AUTH_SOCK"):
            return False
        keys = self.keys or key_files.USERS_KEYS
        return any(path.is_file() and not is_locked(path) for path in keys)

    def options(self, where: str) -> dict[str, Any]:
        """Return which keys are offered: those named; else, or where they are locked, the agent's.

        sshd lets a login try six times (MaxAuthTries), and an agent may hold more keys than that:
        so an agent is not asked where a key is named that can be used.

        Raises:
            HostLoginRefused: all that there is is a locked key.
        """
        if self.only_key:
            return {"client_keys": [str(self.only_key)], "agent_path": None}
        passphrase = self.login.passphrase or None
        locked = [path for path in self.keys if not passphrase and is_locked(path)]
        if locked and not (os.environ.get("SSH_AUTH_SOCK") or self.login.password):
            raise HostLoginRefused(
                f"{where}: the key {locked[0]} has a passphrase",
                remedy="Type it (w on the screens, or --ask-key-pass), or use ssh-agent.",
            )
        options: dict[str, Any] = {
            "client_keys": [str(path) for path in self.keys],
            "passphrase": passphrase,
            "ignore_encrypted": True,
            "password": self.login.password or None,
        }
        if self.keys and not locked:
            options["agent_path"] = None
        return options


async def log_in(
    route: Route,
    where: str,
    credentials: Credentials,
    trust: Trust,
    *,
    tunnel: asyncssh.SSHClientConnection | None,
    line: Line | None,
    timeout_s: float,
) -> asyncssh.SSHClientConnection:
    """Log in to a host.

    A host whose certificate does not count is asked once more for its plain key, as OpenSSH does.

    Args:
        route: The way to it.
        where: Its name and address, for messages.
        credentials: What is offered to it.
        trust: The host keys that are believed.
        tunnel: The connection to the last jump host, if there is one.
        line: The open line to the host, if there is no jump host.
        timeout_s: Seconds that it may take.

    Raises:
        HostError: the leaf says why not.
    """
    known_hosts = trust.known_hosts(route)
    known = known_hosts.of(route.address, route.port, route.key_alias)
    signed = bool(known.authorities or known.revoked)
    attempt = Attempt(where, route, trust, known, known_hosts.odd, line=line, certificates=signed)
    try:
        return await _log_in(attempt, credentials, tunnel, timeout_s)
    except CertificateRefusedError:
        with translated(where, route.user):
            again = line and await dial(route.address, route.port, timeout_s)
    attempt = replace(attempt, line=again, certificates=False)
    try:
        return await _log_in(attempt, credentials, tunnel, timeout_s)
    except BaseException:
        if again:
            again.close()
        raise


async def _log_in(
    attempt: Attempt,
    credentials: Credentials,
    tunnel: asyncssh.SSHClientConnection | None,
    timeout_s: float,
) -> asyncssh.SSHClientConnection:
    route, known = attempt.route, attempt.known
    options = credentials.options(attempt.where)
    try:
        async with asyncio.timeout(timeout_s):
            connection = await asyncssh.connect(
                route.address,
                route.port,
                tunnel=tunnel,
                sock=attempt.line,
                config=None,
                username=route.user,
                # Plain keys are judged by the attempt itself.
                known_hosts=([], known.authorities, [line.key for line in known.revoked]),
                host_key_alias=(route.key_alias or route.address).lower(),
                server_host_key_algs=host_key_algorithms(known, attempt.certificates),
                client_factory=lambda: attempt,
                keepalive_interval=KEEPALIVE_S,
                keepalive_count_max=KEEPALIVE_COUNT,
                login_timeout=0,
                encryption_algs=CIPHERS,
                compression_algs=None,
                gss_auth=False,
                gss_kex=False,
                **options,
            )
            connection.set_extra_info(told=attempt.told)
            return connection
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise HostLoginRefused(f"{attempt.where}: the key cannot be used: {error}") from error
    except asyncssh.PermissionDenied as error:
        if not credentials.login.password:
            raise attempt.failure(error, timeout_s) from error
        raise HostLoginRefused(
            f"{attempt.where} refuses the password of {route.user}",
            remedy="Type it again: w on the screens, or --ask-pass. Is ssh.user right?",
        ) from error
    except Exception as error:  # what a hostile server sends may break asyncssh anywhere
        raise attempt.failure(error, timeout_s) from error
