"""What a technician types to log in: kept in memory, handed on through a pipe, shown nowhere.

Nothing here is ever written: not to the journal, not to a log, not to a command line, not to the
environment of a child.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from core.errors import UsageError


@dataclass(frozen=True)
class Login:
    """The secrets for one host; empty where there is none.

    Args:
        password: For password and keyboard-interactive logins.
        sudo: For sudo; the password is tried where this is empty.
        passphrase: Of the private key.
    """

    password: str = field(default="", repr=False)
    sudo: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)

    @property
    def sudo_password(self) -> str:
        """What sudo is told; on most hosts it asks for the login's own password."""
        return self.sudo or self.password

    def over(self, other: Login) -> Login:
        """Return these secrets, with the other's where there is none."""
        own = {f.name: value for f in fields(self) if (value := getattr(self, f.name))}
        return replace(other, **own)


@dataclass(frozen=True)
class Secrets:
    """The secrets of a run.

    Args:
        everywhere: For every host.
        hosts: By name of the host, for those that have others.
    """

    everywhere: Login = Login()
    hosts: Mapping[str, Login] = field(default_factory=dict, repr=False)

    def for_host(self, name: str) -> Login:
        """Return what is to be used for one host."""
        return self.hosts.get(name, Login()).over(self.everywhere)

    def to_json(self) -> str:
        """Return them as one line, for a pipe and for nothing else."""
        return json.dumps(
            {
                **_record(self.everywhere),
                "hosts": {name: _record(login) for name, login in self.hosts.items()},
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Secrets:
        """Read them back.

        Args:
            text: `{"password": .., "sudo": .., "passphrase": .., "hosts": {NAME: {..}}}`, each
                part optional; nothing at all is no secrets.

        Raises:
            UsageError: it is something else (what it says is not repeated).
        """
        if not text.strip():
            return NO_SECRETS
        try:
            found = json.loads(text)
        except ValueError:
            raise UsageError("the secrets are not JSON", remedy=_FORM) from None
        if not isinstance(found, dict):
            raise UsageError("the secrets are no JSON object", remedy=_FORM)
        hosts = found.pop("hosts", {})
        if not isinstance(hosts, dict):
            raise UsageError("secrets: hosts is no JSON object", remedy=_FORM)
        return cls(_login(found), {str(name): _login(login) for name, login in hosts.items()})


_FORM = (
    'Give {"password": "..", "sudo": "..", "passphrase": "..", "hosts": {"NAME": {..}}}; '
    "what is not needed is left out."
)
NO_SECRETS = Secrets()


def _record(login: Login) -> dict[str, str]:
    return {f.name: value for f in fields(login) if (value := getattr(login, f.name))}


def _login(found: object) -> Login:
    names = [f.name for f in fields(Login)]
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise UsageError("secrets: a login is no JSON object of texts", remedy=_FORM)
    unknown = sorted(set(found) - set(names))
    if unknown:
        raise UsageError(f"secrets: {unknown[0]!r} is not known", remedy=_FORM)
    if any("\n" in value or "\0" in value for value in found.values()):
        raise UsageError("secrets: a secret has a line break in it", remedy=_FORM)
    return Login(**found)
