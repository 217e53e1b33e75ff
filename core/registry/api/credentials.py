"""Where the login to the site's registry comes from: typed, the environment, Docker's config.json.

Asked for only when the registry asks for a login. Nothing is kept.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.config import Config
from core.errors import RegistryLoginNeeded
from core.secrets import (
    NO_REGISTRY_LOGIN,
    USER_VARIABLE,
    RegistryLogin,
    login_of_environment,
    without_secrets,
)

HELPER_TIMEOUT_S = 30.0
_TOKEN_USER = "<token>"  # noqa: S105 - how a helper says that its secret is an identity token


def find_login(
    config: Config,
    typed: RegistryLogin = NO_REGISTRY_LOGIN,
    environ: Mapping[str, str] = os.environ,
) -> RegistryLogin:
    """Return the login for the registry of a site; an empty one where none is known.

    Args:
        config: The site; its `privateRegistryUser` is the name where none comes with the password.
        typed: What was typed, which comes before all else.
        environ: The environment.

    Raises:
        RegistryLoginNeeded: there is a password, but no name.
    """
    for found in (typed, login_of_environment(environ)):
        if found.is_there:
            return _named(found, config)
    kept = _of_docker(config.registry_base, environ)
    if kept.is_there and config.registry_user in ("", kept.user):
        return kept
    return NO_REGISTRY_LOGIN


def _named(login: RegistryLogin, config: Config) -> RegistryLogin:
    user = login.user or config.registry_user
    if not user:
        raise RegistryLoginNeeded(
            f"there is a password for the registry {config.registry_base}, but no user name",
            remedy=f"Set privateRegistryUser in the config, or {USER_VARIABLE}.",
        )
    return replace(login, user=user)


def _of_docker(base: str, environ: Mapping[str, str]) -> RegistryLogin:
    """Return what `docker login` has kept for a registry."""
    home = Path(environ.get("HOME") or "~").expanduser()
    path = Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
    try:
        settings = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return NO_REGISTRY_LOGIN
    if not isinstance(settings, dict):
        return NO_REGISTRY_LOGIN
    address = base.partition("/")[0]
    helper = _mapping(settings, "credHelpers").get(address) or settings.get("credsStore")
    if isinstance(helper, str) and helper:
        return replace(_of_helper(helper, address, environ), source=f"from {path} ({helper})")
    return replace(_of_auths(_mapping(settings, "auths"), base), source=f"from {path}")


def _mapping(settings: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = settings.get(key)
    return found if isinstance(found, dict) else {}


def _of_auths(auths: Mapping[str, Any], base: str) -> RegistryLogin:
    """Return the entry for a registry, the one for the longest part of its path first."""
    entries = {_place(key): entry for key, entry in auths.items() if isinstance(entry, dict)}
    parts = base.split("/")
    for length in range(len(parts), 0, -1):
        login = _of_entry(entries.get("/".join(parts[:length]), {}))
        if login.is_there:
            return login
    return NO_REGISTRY_LOGIN


def _place(key: str) -> str:
    """Return `host[:port][/path]` of a key as the tools of the years have written it."""
    place = key.removeprefix("https://").removeprefix("http://").rstrip("/")
    return place.removesuffix("/v1").removesuffix("/v2")


def _of_entry(entry: Mapping[str, Any]) -> RegistryLogin:
    user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    try:
        packed = base64.b64decode(str(entry.get("auth") or ""), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        packed = ""
    if packed:
        user, _, password = packed.rstrip("\0").partition(":")
    return RegistryLogin(user, password, str(entry.get("identitytoken") or ""))


def _of_helper(name: str, address: str, environ: Mapping[str, str]) -> RegistryLogin:
    """Ask one of Docker's credential helpers; it knows a registry with or without `https://`."""
    for key in (address, f"https://{address}"):
        try:
            done = subprocess.run(
                [f"docker-credential-{Path(name).name}", "get"],
                input=key.encode(),
                capture_output=True,
                env=without_secrets(environ),
                timeout=HELPER_TIMEOUT_S,
                check=False,
            )
            found = json.loads(done.stdout) if done.returncode == 0 else {}
        except (OSError, ValueError, subprocess.TimeoutExpired):
            continue
        user, secret = str(found.get("Username") or ""), str(found.get("Secret") or "")
        if user == _TOKEN_USER:
            return RegistryLogin("", "", secret)
        if secret:
            return RegistryLogin(user, secret)
    return NO_REGISTRY_LOGIN
