"""The registry's login in root's `/root/.docker/config.json`, for sites that ask for it.

Merged, never overwritten, readable by root only; the first old one is kept beside it. What goes to
the host goes through the shell's standard input: an argument list is read by everybody there.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

from core.errors import DockerFailed
from core.hosts.managed_state import DIRECTORY, noted
from core.hosts.ssh.connection import HostConnection
from core.secrets import RegistryLogin

PATH = "/root/.docker/config.json"
_NOTES = f"{DIRECTORY}/registry-logins"
# printf is the shell's own in dash and bash alike: no process has the text among its arguments.
_WRITE = f"""
write() {{
    printf %s "$1" | base64 -d >{PATH}.airferry-new
    chmod 600 {PATH}.airferry-new
    sync {PATH}.airferry-new
    mv {PATH}.airferry-new {PATH}
}}
"""
_GIVE = f"""
set -eu
umask 077
{_WRITE}
mkdir -p /root/.docker {DIRECTORY}
if [ -e {PATH} ] && [ ! -e {PATH}.airferry-orig ] && [ ! -e {_NOTES} ]; then
    cp -p {PATH} {PATH}.airferry-orig
fi
printf '%s\\n' "$1" >>{_NOTES}
write "$new"
"""
_TAKE = f"""
set -eu
umask 077
{_WRITE}
if [ -n "$new" ]; then
    write "$new"
else
    rm -f {PATH}
    rmdir /root/.docker 2>/dev/null || true
fi
if [ $# -gt 0 ]; then
    printf '%s\\n' "$@" >{_NOTES}.new
    mv {_NOTES}.new {_NOTES}
    exit 0
fi
rm -f {PATH}.airferry-orig {_NOTES}
rmdir {DIRECTORY} 2>/dev/null || true
"""


def with_login(text: str, registry: str, login: RegistryLogin, where: str) -> str:
    """Return the file's text with a login in it; the same text where it has it already.

    Raises:
        DockerFailed: the present text is not what Docker reads, or Docker asks a helper instead;
            nothing is changed then.
    """
    settings = _settings(text, where)
    auths = settings.get("auths") or {}
    if not isinstance(auths, dict):
        raise DockerFailed(f"{where}: {PATH}: auths is not a JSON object")
    helper = (settings.get("credHelpers") or {}).get(registry) or settings.get("credsStore")
    if helper:
        raise DockerFailed(
            f"{where}: {PATH} leaves logins to the helper '{helper}': one there is not read",
            remedy="Log in there with docker login, or set privateRegistryHostLogin: false.",
        )
    entry = _entry(login)
    if auths.get(registry) == entry:
        return text
    return json.dumps({**settings, "auths": {**auths, registry: entry}}, indent=2) + "\n"


def without_logins(text: str, original: str, registries: list[str], where: str) -> str:
    """Return the file's text without what was given, and with what stood there before.

    Empty where nothing is left.
    """
    settings, before = _settings(text, where), _settings(original, where)
    auths = dict(settings.pop("auths", None) or {})
    for registry in registries:
        auths.pop(registry, None)
        old = (before.get("auths") or {}).get(registry)
        if old is not None:
            auths[registry] = old
    if auths or "auths" in before:
        settings["auths"] = auths
    return json.dumps(settings, indent=2) + "\n" if settings else ""


async def has_login(link: HostConnection, registry: str, login: RegistryLogin) -> bool:
    """Whether root's Docker on a host has this login, in a file that only root can read."""
    text = await noted(link, PATH)
    if not text or with_login(text, registry, login, link.host.name) != text:
        return False
    return (await link.run_root(f"stat -c %a {PATH}", check=False)).out.strip() == "600"


async def give_login(link: HostConnection, registry: str, login: RegistryLogin) -> None:
    """Give root's Docker on a host the login for a registry (`host[:port]`).

    Raises:
        DockerFailed: the present file is not what Docker reads; nothing is changed then.
    """
    new = with_login(await noted(link, PATH), registry, login, link.host.name)
    await link.run_root(_assigned(new) + _GIVE, registry)


async def given_logins(link: HostConnection) -> list[str]:
    """Return the registries whose login was given to a host."""
    return list(dict.fromkeys((await noted(link, _NOTES)).split()))


async def withdraw_logins(link: HostConnection, registries: Iterable[str]) -> None:
    """Take away the logins that were given for some registries."""
    gone = list(registries)
    rest = [registry for registry in await given_logins(link) if registry not in gone]
    original = await noted(link, f"{PATH}.airferry-orig")
    new = without_logins(await noted(link, PATH), original, gone, link.host.name)
    await link.run_root(_assigned(new) + _TAKE, *rest)


def _assigned(text: str) -> str:
    """Return shell text that sets `new`; base64 has no character that means anything there."""
    return f"new='{base64.b64encode(text.encode()).decode('ascii')}'\n"


def _entry(login: RegistryLogin) -> dict[str, str]:
    pair = f"{login.user}:{login.password}"
    entry = {"auth": base64.b64encode(pair.encode()).decode("ascii")}
    return {**entry, "identitytoken": login.identity_token} if login.identity_token else entry


def _settings(text: str, where: str) -> dict[str, Any]:
    try:
        settings: Any = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise DockerFailed(f"{where}: {PATH} is not JSON: {error}") from error
    if not isinstance(settings, dict):
        raise DockerFailed(f"{where}: {PATH} is not a JSON object")
    return settings
