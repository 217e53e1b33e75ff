"""What a server has offered before it hung up (RFC 4253, 7.1).

A server that has no algorithm in common with us may hang up before asyncssh has looked at its list.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from asyncssh.kex import get_default_kex_algs
from asyncssh.mac import get_default_mac_algs

from core.hosts.ssh.algorithms import CIPHERS, HOST_KEYS

_KEXINIT = 20
_COOKIE_BYTES = 16
_LISTS = ("key exchange", "host key", "encryption", "encryption", "MAC", "MAC")
_NEEDS_MAC = "-ctr"


def nothing_in_common(heard: bytes) -> tuple[str, str] | None:
    """Return of which kind no algorithm is common, and what the server has of it.

    Args:
        heard: The first bytes of the server.
    """
    ours = {
        "key exchange": {name.decode() for name in get_default_kex_algs()},
        "host key": set(HOST_KEYS),
        "encryption": set(CIPHERS),
        "MAC": {name.decode() for name in get_default_mac_algs()},
    }
    for kind, theirs in _offered(heard):
        common = ours[kind] & set(theirs.split(","))
        if not common:
            return kind, theirs
        if kind == "encryption" and not all(name.endswith(_NEEDS_MAC) for name in common):
            return None  # these need no MAC beside them
    return None


def _offered(heard: bytes) -> Iterator[tuple[str, str]]:
    start = 0 if heard.startswith(b"SSH-") else heard.find(b"\nSSH-") + 1
    packet = heard[start:].partition(b"\n")[2]
    if packet[5:6] != bytes([_KEXINIT]):
        return
    place = 6 + _COOKIE_BYTES
    for kind in _LISTS:
        if place + 4 > len(packet):
            return
        (length,) = struct.unpack_from(">I", packet, place)
        place += 4 + length
        if place > len(packet):
            return
        yield kind, packet[place - length : place].decode("ascii", "replace")
