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
class RegistryLogin:
    """The login to the site's own registry (mode custom); empty where there is none.

    Args:
        user: The name.
        password: The password, or an access token that stands for it.
        identity_token: What some registries give instead of a password (`docker login` keeps it).
        source: Where it comes from, in words.
    """

    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    source: str = ""

    @property
    def is_there(self) -> bool:
        """Whether there is anything to log in with."""
        return bool(self.password or self.identity_token)


NO_REGISTRY_LOGIN = RegistryLogin()
USER_VARIABLE, PASSWORD_VARIABLE = "AIRFERRY_REGISTRY_USER", "AIRFERRY_REGISTRY_PASSWORD"
TYPED = "as it was typed"
FROM_ENVIRONMENT = f"from {PASSWORD_VARIABLE}"


@dataclass(frozen=True)
class Secrets:
    """The secrets of a run.

    Args:
        everywhere: For every host.
        hosts: By name of the host, for those that have others.
        registry: For the site's own registry.
    """

    everywhere: Login = Login()
    hosts: Mapping[str, Login] = field(default_factory=dict, repr=False)
    registry: RegistryLogin = NO_REGISTRY_LOGIN

    def for_host(self, name: str) -> Login:
        """Return what is to be used for one host."""
        return self.hosts.get(name, Login()).over(self.everywhere)

    def to_json(self) -> str:
        """Return them as one line, for a pipe and for nothing else."""
        return json.dumps(
            {
                **_record(self.everywhere),
                "hosts": {name: _record(login) for name, login in self.hosts.items()},
                "registry": _record(self.registry),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Secrets:
        """Read them back.

        Args:
            text: `{"password": .., "sudo": .., "passphrase": .., "hosts": {NAME: {..}},
                "registry": {"user": .., "password": ..}}`, each part optional; nothing at all is
                no secrets.

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
        registry = RegistryLogin(**_texts(found.pop("registry", {}), RegistryLogin))
        if registry.is_there and not registry.source:
            registry = replace(registry, source=TYPED)
        return cls(
            _login(found),
            {str(name): _login(login) for name, login in hosts.items()},
            registry,
        )

    def with_environment(self, environment: Mapping[str, str]) -> Secrets:
        """Return these, with the registry's login out of the environment where none was typed."""
        if self.registry.is_there or not environment.get(PASSWORD_VARIABLE):
            return self
        return replace(self, registry=login_of_environment(environment))


def login_of_environment(environment: Mapping[str, str]) -> RegistryLogin:
    """Return the registry's login that stands in the environment, if any does."""
    password = environment.get(PASSWORD_VARIABLE, "")
    if not password:
        return NO_REGISTRY_LOGIN
    user = environment.get(USER_VARIABLE, "")
    return RegistryLogin(user, password, source=FROM_ENVIRONMENT)


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for a child, which has no need of the registry's login.

    Services outlive the run, and what stands in a process's environment can be read.
    """
    return {k: v for k, v in environment.items() if k not in (USER_VARIABLE, PASSWORD_VARIABLE)}


_FORM = (
    'Give {"password": "..", "sudo": "..", "passphrase": "..", "hosts": {"NAME": {..}}, '
    '"registry": {"user": "..", "password": ".."}}; '
    "what is not needed is left out."
)
NO_SECRETS = Secrets()


def _record(login: Login | RegistryLogin) -> dict[str, str]:
    return {f.name: value for f in fields(login) if (value := getattr(login, f.name))}


def _login(found: object) -> Login:
    return Login(**_texts(found, Login))


def _texts(found: object, kind: type[Login | RegistryLogin]) -> dict[str, str]:
    names = [f.name for f in fields(kind)]
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise UsageError("secrets: a login is no JSON object of texts", remedy=_FORM)
    unknown = sorted(set(found) - set(names))
    if unknown:
        raise UsageError(f"secrets: {unknown[0]!r} is not known", remedy=_FORM)
    if any("\n" in value or "\0" in value for value in found.values()):
        raise UsageError("secrets: a secret has a line break in it", remedy=_FORM)
    return found
