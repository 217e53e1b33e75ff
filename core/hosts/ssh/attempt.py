"""One attempt to log in: what the host says meanwhile, and so why it came to nothing.

asyncssh tells that a connection was lost. What was lost is told by how far it had come: whether
there was an SSH server at all, whether its key was believed, and what it said before it hung up.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import asyncssh

from core.errors import (
    AirferryError,
    HostForwardingForbidden,
    HostLoginRefused,
    HostSpeaksNoSsh,
    HostSshUnfit,
    HostTimeout,
    HostUnreachable,
)
from core.hosts.ssh.connect import Line
from core.hosts.ssh.errors import HostLoginEnded
from core.hosts.ssh.host_keys import KeyCheck, revoked
from core.hosts.ssh.kexinit import nothing_in_common
from core.hosts.ssh.known_hosts import KnownKey
from core.hosts.ssh.no_shell import no_account
from core.hosts.ssh.unreachable import unreachable, unreachable_from_jump
from core.printable import printable

MOST_WORDS = 300
_BUSY = {
    b"Exceeded MaxStartups": "sshd takes no more connections at present (MaxStartups)",
    b"Not allowed at this time": "sshd takes no connections from here for a while "
    "(PerSourcePenalties)",
}
_SENT_AWAY = (
    asyncssh.DISC_HOST_NOT_ALLOWED_TO_CONNECT,
    asyncssh.DISC_BY_APPLICATION,
    asyncssh.DISC_TOO_MANY_CONNECTIONS,
)
_BUSY_REMEDY = (
    "Try again in a minute. If it stays, raise MaxStartups in the host's sshd_config, or see who "
    "keeps its sshd busy; fewer hosts at a time (ssh.concurrency) help a common jump host."
)
_NO_WORD_REMEDY = (
    "See sshd's log on the host (journalctl -u ssh -u sshd): it drops whom hosts.deny or its "
    "limits (MaxStartups) name. Or is it no sshd that listens on that port (ss -ltnp)?"
)
_KEX_REMEDY = (
    "See sshd's log on the host (journalctl -u ssh -u sshd): its host keys may be unreadable, or "
    "something on the way cuts SSH."
)
_KEX_SLOW_REMEDY = (
    "Is the host overloaded? Or are large packets lost on the way to it? Compare the MTU of both "
    "sides and of what is between them: ping -M do -s 1472 ADDRESS"
)
_SILENT_REMEDY = (
    "Is the host overloaded? Or is it no sshd that listens on that port? See on the host: ss -ltnp"
)
_LOGIN_ENDED_REMEDY = (
    "See sshd's log on the host (journalctl -u ssh -u sshd): PAM may forbid this login for now "
    "(pam_nologin, /run/nologin, pam_access, an expired account). Log in as another user: ssh.user"
)
_TOO_MANY_REMEDY = (
    "Name the one key that is right (ssh.key): an agent or ~/.ssh offers others first, and sshd "
    "counts each of them (MaxAuthTries)."
)
_SLOW_LOGIN_REMEDY = (
    "Is the host overloaded, or does its login wait for something that does not answer (LDAP, "
    "name service)? Look there, then run it again."
)


class CertificateRefusedError(Exception):
    """The host's certificate does not count; its plain key may."""


@dataclass
class Attempt(KeyCheck):
    """Listens to what a host says while we log in.

    Args:
        line: The line to it; None through a jump host.
        certificates: The host is asked for a certificate first.
    """

    line: Line | None = None
    certificates: bool = False
    banner: str = field(default="")

    def auth_banner_received(self, msg: str, lang: str) -> None:  # noqa: ARG002 - asyncssh's
        self.banner += msg[: MOST_WORDS - len(self.banner)]

    def failure(self, error: Exception, limit_s: float) -> AirferryError:
        """Return what an error of this attempt means.

        Args:
            error: Of asyncssh or of the system.
            limit_s: How many seconds the attempt was allowed.

        Raises:
            CertificateRefusedError: it is to be tried again without certificates.
        """
        if self.refusal:
            return self.refusal
        if isinstance(error, asyncssh.HostKeyNotVerifiable):
            return self._certificate(error)
        if isinstance(error, asyncssh.ChannelOpenError):
            return self._not_led_on(error)
        if isinstance(error, TimeoutError):
            return self._silent(limit_s)
        if isinstance(error, OSError) and error.filename:
            said = (error.strerror or str(error)).lower()
            return HostLoginRefused(
                f"{self.where}: the key file {error.filename} cannot be read: {said}"
            )
        if isinstance(error, OSError) and self.line and nothing_in_common(self.line.heard):
            return self._lost_in_key_exchange()
        if isinstance(error, OSError) and not self._no_ssh_heard:
            return unreachable(f"{self.where}: {self._stage}", error)
        if isinstance(error, OSError):
            return unreachable(self.where, error)
        return self._hung_up(error)

    def _certificate(self, error: asyncssh.HostKeyNotVerifiable) -> AirferryError:
        for_authority = error.reason.startswith("Host CA key is revoked")
        if for_authority or error.reason.startswith("Host key is revoked"):
            return revoked(self.where, self._revoking(for_authority))
        if self.certificates:
            raise CertificateRefusedError(error.reason) from error
        said = _words(error.reason)
        return HostSpeaksNoSsh(f"{self.where} does not speak SSH as it should: {said}")

    def _revoking(self, for_authority: bool) -> KnownKey:
        """Return the line that revokes a certificate: who signed it, or the key in it."""
        lines, signers = self.known.revoked, self.known.authorities
        return next((line for line in lines if (line.key in signers) == for_authority), lines[0])

    def _not_led_on(self, error: asyncssh.ChannelOpenError) -> AirferryError:
        if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
            jump = self.route.jumps[-1]
            return HostForwardingForbidden(
                f"{self.where}: {jump} forbids connections through it to {self.route.place}",
                remedy=f"Set 'AllowTcpForwarding yes' in the sshd_config of {jump}, have its "
                f"PermitOpen allow {self.route.place}, and reload sshd there.",
            )
        return unreachable_from_jump(self.where, _words(error.reason))

    def _silent(self, limit_s: float) -> AirferryError:
        if self.key_taken:
            return HostTimeout(
                f"{self.where}: no end of the login after {limit_s:.0f} s",
                remedy=_SLOW_LOGIN_REMEDY,
            )
        if self.line is None:
            return HostUnreachable(f"{self.where}: no answer in time")
        if self._no_ssh_heard and self.line.heard:
            return self._no_ssh()
        if self.line.is_ssh:
            return HostUnreachable(
                f"{self.where}: no end of the key exchange after {limit_s:.0f} s",
                remedy=_KEX_SLOW_REMEDY,
            )
        return HostUnreachable(
            f"{self.where} takes the connection, but says nothing within {limit_s:.0f} s",
            remedy=_SILENT_REMEDY,
        )

    def _hung_up(self, error: Exception) -> AirferryError:
        said = _words(error.reason if isinstance(error, asyncssh.Error) else str(error))
        lost = isinstance(error, asyncssh.ConnectionLost)
        if isinstance(error, asyncssh.PermissionDenied | asyncssh.IllegalUserName):
            return HostLoginRefused(f"{self.where} refuses the login of {self.route.user}")
        if "Too many authentication failures" in said:
            return HostLoginRefused(
                f"{self.where} ends the login of {self.route.user}: too many keys were offered",
                remedy=_TOO_MANY_REMEDY,
            )
        if isinstance(error, asyncssh.KeyExchangeFailed):
            return self._nothing_in_common(error.reason)
        if self._no_ssh_heard:
            return self._no_ssh()
        if self.key_taken:
            if closed := no_account(self.where, self.route.user, self.banner):
                return closed
            words = _words(self.banner) or ("it does not say why" if lost else said)
            return HostLoginEnded(
                f"{self.where} ends the connection when {self.route.user} logs in: {words}",
                remedy=_LOGIN_ENDED_REMEDY,
            )
        if lost:
            return self._lost_in_key_exchange()
        if isinstance(error, asyncssh.Error) and error.code in _SENT_AWAY:
            return HostUnreachable(f"{self.where} sends us away: {said}", remedy=_NO_WORD_REMEDY)
        return HostSpeaksNoSsh(f"{self.where} does not speak SSH as it should: {said}")

    def _lost_in_key_exchange(self) -> AirferryError:
        found = nothing_in_common(self.line.heard) if self.line else None
        if not found:
            return HostUnreachable(f"{self.where}: {self._stage}", remedy=_KEX_REMEDY)
        return self._no_common(*found)

    def _no_common(self, kind: str, theirs: str) -> HostSshUnfit:
        return HostSshUnfit(
            f"{self.where} and Airferry have no {kind} algorithm in common: it has {_words(theirs)}"
        )

    def _nothing_in_common(self, reason: str) -> HostSshUnfit:
        if " and received " not in reason:
            return HostSshUnfit(f"{self.where} and Airferry have too little in common: {reason}")
        kind = reason.removeprefix("No matching ").partition(" algorithm")[0]
        return self._no_common(kind, reason.partition(" and received ")[2])

    @property
    def _no_ssh_heard(self) -> bool:
        """Whether there was no SSH server at the end of the line, as far as that can be told."""
        return self.line is not None and not self.line.is_ssh

    @property
    def _stage(self) -> str:
        if self.key_taken:
            return f"it ended the connection when {self.route.user} logged in"
        return "it ended the connection while keys were exchanged"

    def _no_ssh(self) -> AirferryError:
        heard = self.line.heard if self.line else b""
        for mark, words in _BUSY.items():
            if heard.startswith(mark):
                return HostUnreachable(f"{self.where}: {words}", remedy=_BUSY_REMEDY)
        if not heard:
            return HostUnreachable(
                f"{self.where} takes the connection and ends it without a word",
                remedy=_NO_WORD_REMEDY,
            )
        said = _words(heard.decode("utf-8", "replace"), 80)
        return HostSpeaksNoSsh(
            f"{self.where}: what answers on port {self.route.port} is no SSH server; it says "
            f"{said!r}"
        )


def _words(text: str, limit: int = MOST_WORDS) -> str:
    """Return what a host says in one line that can be shown."""
    return " ".join(printable(text[: 4 * limit]).split())[:limit]
