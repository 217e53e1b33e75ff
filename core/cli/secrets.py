"""Asking for secrets: on the terminal without showing them, else from standard input or a pipe."""

from __future__ import annotations

import getpass
import os
import sys
from argparse import Namespace

from core.config import Config, Mode
from core.errors import UsageError
from core.secrets import (
    NO_REGISTRY_LOGIN,
    NO_SECRETS,
    TYPED,
    USER_VARIABLE,
    Login,
    RegistryLogin,
    Secrets,
)

_QUESTIONS = (
    ("ask_pass", "password", "Password of the login"),
    ("ask_sudo_pass", "sudo", "Password for sudo (empty: the same)"),
    ("ask_key_pass", "passphrase", "Passphrase of the key"),
)
MOST_BYTES = 1 << 20


def asked_secrets(options: Namespace, config: Config) -> Secrets:
    """Return the secrets that the command line asks to be asked for.

    On a terminal each is typed unseen; without one each is a line of standard input, in the order
    password, sudo, passphrase, the registry's password.

    Args:
        options: The command line.
        config: The site, which may have the user's name for the registry.

    Raises:
        UsageError: there is nothing to read them from, or it is no secrets.
    """
    descriptor = getattr(options, "secrets_fd", None)
    if descriptor is not None:
        return Secrets.from_json(_all_of(descriptor))
    wanted = [(name, words) for flag, name, words in _QUESTIONS if getattr(options, flag, False)]
    login = Login(**{name: _typed(words) for name, words in wanted})
    registry = _registry_login(options, config)
    if not wanted and not registry.is_there:
        return NO_SECRETS
    return Secrets(login, registry=registry)


def _registry_login(options: Namespace, config: Config) -> RegistryLogin:
    """Ask for the login to the site's own registry, if that is wanted.

    Raises:
        UsageError: there is no such registry, or no name to log in with.
    """
    if not getattr(options, "ask_registry_password", False):
        return NO_REGISTRY_LOGIN
    if config.mode is not Mode.CUSTOM:
        raise UsageError(
            f"mode {config.mode} has no registry that asks for a password",
            remedy="Leave out --ask-registry-password, or set privateRegistryType: custom.",
        )
    user = os.environ.get(USER_VARIABLE) or config.registry_user or _typed_name(config)
    return RegistryLogin(user, _typed(f"Password of {user} for the registry"), source=TYPED)


def _typed_name(config: Config) -> str:
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            f"no user name for the registry {config.registry_base}",
            remedy=f"Set privateRegistryUser in the config, or {USER_VARIABLE}.",
        )
    print(f"User name for the registry {config.registry_base}: ", end="", flush=True)
    return sys.stdin.readline().strip()


def _typed(words: str) -> str:
    if sys.stdin is not None and sys.stdin.isatty():
        try:
            return getpass.getpass(f"{words}: ")
        except EOFError:
            raise UsageError(f"{words}: nothing was typed") from None
    line = sys.stdin.readline() if sys.stdin is not None else ""
    if not line:
        raise UsageError(
            f"{words}: nothing comes in on standard input",
            remedy="Type it on a terminal, or give it as a line of standard input.",
        )
    return line.rstrip("\r\n")


def _all_of(descriptor: int) -> str:
    try:
        with os.fdopen(descriptor, "rb") as pipe:
            return pipe.read(MOST_BYTES).decode("utf-8")
    except OSError as error:
        raise UsageError(
            f"--secrets-fd {descriptor}: {error.strerror}",
            remedy="Open it for the command, as in: airferry install --secrets-fd 3 3<FILE",
        ) from error
    except UnicodeDecodeError:
        raise UsageError(f"--secrets-fd {descriptor}: no text in UTF-8") from None
