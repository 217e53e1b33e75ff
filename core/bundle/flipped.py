"""Whether a document differs from what it should be by one flipped bit."""

from __future__ import annotations

import hashlib

_MAX_BYTES = 32 << 10


def is_one_bit_off(data: bytes, wanted_hex: str) -> bool:
    """Whether flipping a single bit makes bytes have a digest.

    Every bit is tried, so long documents are not looked at: they take seconds.

    Args:
        data: The bytes.
        wanted_hex: Their SHA-256 as it should be, in hex.
    """
    if len(data) > _MAX_BYTES:
        return False
    wanted = bytes.fromhex(wanted_hex)
    before = hashlib.sha256()
    for place, byte in enumerate(data):
        rest = data[place + 1 :]
        for bit in range(8):
            tried = before.copy()
            tried.update(bytes((byte ^ 1 << bit,)))
            tried.update(rest)
            if tried.digest() == wanted:
                return True
        before.update(data[place : place + 1])
    return False
