"""What the key by which we logged in may do, as sshd says it: the options of its line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from core.errors import HostShellRefused
from core.printable import printable

_TOLD = re.compile(r"(\S+/\S+?:\d+): key options:(.*)")


@dataclass(frozen=True)
class KeyOptions:
    """The options of a key.

    Args:
        place: The file on the host, and the line in it.
        names: What is allowed to it, and what is set for it (`command`, `permitlisten`).
    """

    place: str
    names: frozenset[str]


def key_options(told: Iterable[str]) -> KeyOptions | None:
    """Read what sshd has told for debugging; None if it did not tell of a key."""
    found = next((match for line in told if (match := _TOLD.search(line))), None)
    return found and KeyOptions(printable(found[1]), frozenset(found[2].split()))


def forced_by_key(where: str, told: Iterable[str]) -> HostShellRefused | None:
    """Return the error for a key that runs one command, whatever is asked; None if it is free."""
    options = key_options(told)
    if options is None or "command" not in options.names:
        return None
    return HostShellRefused(
        f"{where} runs one command only for our key ({options.place}: command=)",
        remedy="Take command= out of that line, or log in with another key (ssh.key).",
    )
