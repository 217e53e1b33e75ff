"""The way to a host: what the site's config says, and where it is silent, the OpenSSH config.

An OpenSSH config may name programs to run (ProxyCommand, Match exec). Airferry runs none of them.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asyncssh.config import ConfigParseError, SSHClientConfig

from core.config import HostConfig, SshConfig
from core.errors import SshConfigWrong

USERS_OWN = Path("~/.ssh/config")
SYSTEMS_OWN = Path("/etc/ssh/ssh_config")
USERS_HOSTS, SYSTEMS_HOSTS = "UserKnownHostsFile", "GlobalKnownHostsFile"


@dataclass(frozen=True)
class Route:
    """How a host is reached.

    Args:
        address: Its address or name.
        port: Of its sshd.
        user: Who logs in.
        keys: Private key files; empty for the agent's and the user's own.
        jumps: The hosts to go through, each `[user@]host[:port]`, the nearest first.
        key_alias: What it is called in known_hosts files instead (HostKeyAlias).
        users_known_hosts: The user's known_hosts files; None for OpenSSH's own places.
        systems_known_hosts: The machine's, likewise.
    """

    address: str
    port: int
    user: str
    keys: tuple[Path, ...] = ()
    jumps: tuple[str, ...] = ()
    key_alias: str = ""
    users_known_hosts: tuple[Path, ...] | None = None
    systems_known_hosts: tuple[Path, ...] | None = None

    @property
    def place(self) -> str:
        """Address and port, as sshd's PermitOpen takes them."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{self.port}"

    @property
    def where(self) -> str:
        """The address for messages, with the hosts on the way to it."""
        return " through ".join([self.address, *reversed(self.jumps)])


class _OpenSshConfig(SSHClientConfig):
    """An OpenSSH config of which no part runs a program: `Match exec` never matches."""

    def _match(self, option: str, args: list[str]) -> None:
        if any(word.lower().lstrip("!") == "exec" for word in args):
            self._matching = False
            args.clear()
            return
        super()._match(option, args)

    def _set_tokens(self) -> None:
        super()._set_tokens()
        found = self._options
        self._tokens["k"] = str(
            found.get("HostKeyAlias") or found.get("Hostname") or self._orig_host
        )
        self._tokens["j"] = str(found.get("ProxyJump") or "")

    _handlers = {**SSHClientConfig._handlers, "match": ("Match", _match)}  # noqa: RUF012 - as its base
    _percent_expand = SSHClientConfig._percent_expand | {USERS_HOSTS, SYSTEMS_HOSTS}


def route_to(host: HostConfig, ssh: SshConfig) -> Route:
    """Return the way to a host.

    What the site's config says of a host counts before the OpenSSH config, and that before
    Airferry's own defaults.

    Raises:
        SshConfigWrong: the OpenSSH config cannot be read, or asks for a program.
    """
    found = _openssh_options(host, ssh)
    proxy = str(found.get("ProxyCommand") or "none")
    if proxy.lower() != "none" and not host.jump:
        raise SshConfigWrong(
            f"{host.name}: {_file(ssh)} names a ProxyCommand, which Airferry does not run",
            remedy="Use ProxyJump there, or ssh.jump in the site's config.",
        )
    route = Route(
        str(found.get("Hostname") or host.address),
        host.port,
        host.user,
        (host.key,) if host.key else tuple(Path(str(key)).expanduser() for key in _files(found)),
        _jumps(host.jump or str(found.get("ProxyJump") or "")),
        str(found.get("HostKeyAlias") or ""),
        _known_hosts(found, USERS_HOSTS),
        _known_hosts(found, SYSTEMS_HOSTS),
    )
    if "user" not in host.said and found.get("User"):
        route = replace(route, user=str(found["User"]))
    if "port" not in host.said and found.get("Port"):
        route = replace(route, port=int(str(found["Port"])))
    return route


def jump_host(spec: str, ssh: SshConfig) -> HostConfig:
    """Return the host that `[user@]host[:port]` means; what it leaves open is as for any host."""
    user, _, place = spec.rpartition("@")
    address, _, port = place.rpartition(":") if not place.endswith("]") else (place, "", "")
    if not address or (":" in address and not place.startswith("[")):
        address, port = place, ""  # a bare IPv6 address, or no port
    said = [*(["user"] if user or "user" in ssh.said else []), *(["port"] if port else [])]
    return HostConfig(
        name=spec,
        address=address.strip("[]"),
        port=int(port) if port else 22,
        user=user or ssh.user,
        key=ssh.key,
        said=tuple(said),
    )


def _openssh_options(host: HostConfig, ssh: SshConfig) -> Mapping[str, Any]:
    path = _file(ssh)
    try:
        found = _options_in(path, host)
    except (ConfigParseError, OSError, ValueError) as error:
        raise SshConfigWrong(f"{host.name}: OpenSSH config: {error}") from error
    if ssh.config_file:
        return found  # as with ssh -F: no other file counts
    return {**_systems_known_hosts(host), **found}


def _systems_known_hosts(host: HostConfig) -> Mapping[str, Any]:
    """Return where this machine's own config has known_hosts files; nothing else of it counts."""
    try:
        found = _options_in(SYSTEMS_OWN, host)
    except (ConfigParseError, OSError, ValueError):
        return {}
    return {key: found[key] for key in (USERS_HOSTS, SYSTEMS_HOSTS) if key in found}


def _options_in(path: Path, host: HostConfig) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    loaded = _OpenSshConfig.load(
        *(None, [path], False, False, False, getpass.getuser()),
        *(host.user if "user" in host.said else (), host.address, ()),
    )
    options: Mapping[str, Any] = loaded.get_options(False)
    return options


def _file(ssh: SshConfig) -> Path:
    return ssh.config_file or USERS_OWN.expanduser()


def _files(found: Mapping[str, Any]) -> list[str]:
    names = found.get("IdentityFile") or []
    return [str(name) for name in names if str(name).lower() != "none"]


def _known_hosts(found: Mapping[str, Any], option: str) -> tuple[Path, ...] | None:
    """Return the known_hosts files that an OpenSSH config names; `none` is no file at all."""
    names = found.get(option)
    if names is None:
        return None
    return tuple(Path(str(name)).expanduser() for name in names if str(name).lower() != "none")


def _jumps(text: str) -> tuple[str, ...]:
    if text.lower() in ("", "none"):
        return ()
    return tuple(spec.strip().removeprefix("ssh://") for spec in text.split(",") if spec.strip())
