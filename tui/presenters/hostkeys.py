"""New host keys, many at once: what was shown of each, for a person to compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rich.text import Text

from core.config import HostConfig
from tui.presenters.hostview import NEW_KEY, HostResult
from tui.terminal.text import fit, safe

HOW_TO_COMPARE = "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"


@dataclass(frozen=True)
class ShownKey:
    """A host's key that was never seen before.

    Args:
        host: Whose it is.
        fingerprint: Its type and fingerprint, as it is shown.
        key_id: The fingerprint alone.
    """

    host: HostConfig
    fingerprint: str
    key_id: str


def new_keys(hosts: Iterable[HostConfig], results: Mapping[str, HostResult]) -> list[ShownKey]:
    """Return the keys that wait for somebody to accept them."""
    return [
        ShownKey(host, result.fingerprint, result.key_id)
        for host in hosts
        if (result := results.get(host.name)) and result.code == NEW_KEY
    ]


def key_lines(keys: Iterable[ShownKey]) -> list[Text]:
    """Return two lines for each key: whose it is, and its fingerprint."""
    lines = []
    for key in keys:
        lines.append(Text(f"{fit(key.host.name, 24)} {safe(key.host.address, 44)}"))
        lines.append(Text(f"    {safe(key.fingerprint, 64)}"))
    return lines
