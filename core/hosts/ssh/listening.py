"""Where a host's sshd listens for us: on the host's own loopback, and nowhere beyond it.

GatewayPorts may have sshd listen to the whole network whatever it is asked for, and it says so to
nobody but, in a message for debugging, to the client. So the host is asked who listens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

LOOPBACK = "127.0.0.1"
# As /proc/net/tcp writes addresses: as numbers, so by the byte order of the host.
_LOOPBACKS = ("0100007F", "7F000001")
_WILDCARDS = ("0" * 8, "0" * 32)
_LISTENS = re.compile(r"^ *[0-9]+: ([0-9A-F]{8}|[0-9A-F]{32}):[0-9A-F]{4} ", re.MULTILINE)
_OVERRIDDEN = "overridden by server GatewayPorts"


def who_listens(port: int) -> str:
    """Return the command that prints the lines of /proc/net of those who listen on a port."""
    asked = f'":{port:04X} [0-9A-F]*:[0-9A-F]* 0A "'
    return f"grep -h {asked} /proc/net/tcp /proc/net/tcp6 2>/dev/null"


def is_exposed(lines: str, told: Iterable[str]) -> bool:
    """Whether a port that was to be bound to loopback is open to the network.

    Others may listen on the same port of other addresses, but not on loopback, once it is taken.

    Args:
        lines: What `who_listens` has printed; empty where the host does not show it.
        told: The messages for debugging that sshd has sent.
    """
    found = set(_LISTENS.findall(lines))  # a login may have printed more
    if found:
        return not found.intersection(_LOOPBACKS) and bool(found.intersection(_WILDCARDS))
    return any(_OVERRIDDEN in line for line in told)
