"""Asking for secrets: on the terminal without showing them, else from standard input or a pipe."""

from __future__ import annotations

import getpass
import os
import sys
from argparse import Namespace

from core.errors import UsageError
from core.secrets import NO_SECRETS, Login, Secrets

_QUESTIONS = (
    ("ask_pass", "password", "Password of the login"),
    ("ask_sudo_pass", "sudo", "Password for sudo (empty: the same)"),
    ("ask_key_pass", "passphrase", "Passphrase of the key"),
)
MOST_BYTES = 1 << 20


def asked_secrets(options: Namespace) -> Secrets:
    """Return the secrets that the command line asks to be asked for.

    On a terminal each is typed unseen; without one each is a line of standard input, in the order
    password, sudo, passphrase.

    Raises:
        UsageError: there is nothing to read them from, or it is no secrets.
    """
    descriptor = getattr(options, "secrets_fd", None)
    if descriptor is not None:
        return Secrets.from_json(_all_of(descriptor))
    wanted = [(name, words) for flag, name, words in _QUESTIONS if getattr(options, flag, False)]
    if not wanted:
        return NO_SECRETS
    return Secrets(Login(**{name: _typed(words) for name, words in wanted}))


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
