"""The one place where errors of asyncssh and of the system become ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncssh

from core.errors import (
    HostError,
    HostForwardingForbidden,
    HostKeyUnknown,
    HostLineLost,
    HostLoginRefused,
    HostSessionsForbidden,
)
from core.hosts.ssh.unreachable import unreachable

_CLOSED = "SSH connection closed"
"""How asyncssh answers for a host whose line went while it was asked to open a channel."""


class ChannelRefused(HostError):
    """sshd refused to open a channel."""

    def __init__(self, what: str, reason_code: int) -> None:
        super().__init__(what)
        self.reason_code = reason_code


class HostLoginEnded(HostLoginRefused):
    """sshd hung up in the middle of a login, as it does while a host boots (pam_nologin)."""

    transient = True


class SessionRefused(HostSessionsForbidden):
    """sshd refused to open a session now; one that ends may make room for it."""


@contextmanager
def opening_session(where: str) -> Iterator[None]:
    """Turn sshd's refusal of one more session (MaxSessions) into ours."""
    try:
        yield
    except asyncssh.ChannelOpenError as error:
        if error.code in (asyncssh.OPEN_CONNECT_FAILED, asyncssh.OPEN_RESOURCE_SHORTAGE):
            raise SessionRefused(f"{where}: sshd opens no session ({error.reason})") from error
        raise


@contextmanager
def translated(where: str, user: str) -> Iterator[None]:
    """Turn errors of asyncssh and of the system into ours, naming the host and who logs in."""
    try:
        yield
    except asyncssh.HostKeyNotVerifiable as error:
        raise HostKeyUnknown(f"{where}: host key not trusted: {error.reason}") from error
    except asyncssh.PermissionDenied as error:
        raise HostLoginRefused(f"{where} refuses the login of {user}") from error
    except asyncssh.ChannelOpenError as error:
        if error.reason == _CLOSED:
            raise HostLineLost(f"{where}: the line was lost") from error
        raise ChannelRefused(f"{where}: {error.reason}", error.code) from error
    except asyncssh.ChannelListenError as error:
        raise HostForwardingForbidden(f"{where}: {error}") from error
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise HostLoginRefused(f"{where}: the key cannot be used: {error}") from error
    except (asyncssh.ConnectionLost, ConnectionResetError, BrokenPipeError) as error:
        raise HostLineLost(f"{where}: the line was lost") from error
    except asyncssh.Error as error:
        raise HostLineLost(f"{where}: {error.reason}") from error
    except FileNotFoundError as error:
        raise HostLoginRefused(f"{where}: no such key file: {error.filename}") from error
    except OSError as error:
        raise unreachable(where, error) from error


@contextmanager
def losses(where: str) -> Iterator[None]:
    """Turn what streams raise when their line is lost into ours, and nothing else."""
    try:
        yield
    except (asyncssh.Error, ConnectionResetError, BrokenPipeError) as error:
        raise HostLineLost(f"{where}: the line was lost") from error
