"""Ways to damage a bundle, each a function of a random source and the bytes."""

from __future__ import annotations

import random
from collections.abc import Callable

BLOCK = 512
MAX_INSERTED = 4096
Damage = Callable[[random.Random, bytes], bytes]
_FIELDS = {  # of a tar header (POSIX.1-1988): offset and length
    "name": (0, 100),
    "mode": (100, 8),
    "size": (124, 12),
    "type": (156, 1),
    "link": (157, 100),
    "magic": (257, 8),
    "prefix": (345, 155),
}
_VALUES = (
    b"",
    b"\0" * 12,
    b"77777777777\0",
    b"-1\0",
    b"\x80" + b"\xff" * 11,
    b"\xff" * 12,
    b"0000000000\0",
    b"00000001000\0",
    b"../../etc/passwd\0",
    b"/etc/passwd\0",
    b"manifest.json\0",
    b"index.json\0",
    b"a/" * 40,
    b"L",
    b"K",
    b"x",
    b"g",
    b"S",
    b"1",
    b"2",
    b"3",
    b"5",
    b"7",
    b"\xc3\x28\0",
)
_WORDS = (
    b"null",
    b"[]",
    b"{}",
    b'""',
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"[" * 3000,
    b'{"manifests":[]}',
    b'"sha256:' + b"0" * 64 + b'"',
    b'"../../x"',
    b"true",
)


def flip(source: random.Random, data: bytes) -> bytes:
    """Flip one to eight bits."""
    changed = bytearray(data)
    for _ in range(source.randint(1, 8)):
        changed[source.randrange(len(changed))] ^= 1 << source.randrange(8)
    return bytes(changed)


def cut(source: random.Random, data: bytes) -> bytes:
    """Leave out the end."""
    return data[: source.randrange(1, len(data))]


def drop(source: random.Random, data: bytes) -> bytes:
    """Leave out some blocks."""
    start = source.randrange(len(data)) // BLOCK * BLOCK
    return data[:start] + data[start + BLOCK * source.randint(1, 8) :] or data


def repeat(source: random.Random, data: bytes) -> bytes:
    """Put some blocks in twice."""
    start = source.randrange(len(data)) // BLOCK * BLOCK
    end = start + BLOCK * source.randint(1, 16)
    return data[:end] + data[start:end] + data[end:]


def insert(source: random.Random, data: bytes) -> bytes:
    """Put noise, or zeros, somewhere."""
    at, size = source.randrange(len(data)), source.randint(1, MAX_INSERTED)
    noise = source.randbytes(size) if source.random() < 0.5 else bytes(size)
    return data[:at] + noise + data[at:]


def header(source: random.Random, data: bytes) -> bytes:
    """Change a field of a tar header, and make its checksum fit again."""
    places = [
        at for at in range(0, len(data) - BLOCK, BLOCK) if data[at + 257 : at + 262] == b"ustar"
    ]
    if not places:
        return flip(source, data)
    at = source.choice(places)
    block = bytearray(data[at : at + BLOCK])
    start, length = _FIELDS[source.choice(list(_FIELDS))]
    value = source.choice(_VALUES)[:length]
    block[start : start + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return data[:at] + bytes(block) + data[at + BLOCK :]


def document(source: random.Random, data: bytes) -> bytes:
    """Change a value of some JSON in place, keeping its length."""
    starts = [at for at in range(0, len(data), BLOCK) if data[at : at + 1] in (b"{", b"[")]
    if not starts:
        return flip(source, data)
    start = source.choice(starts)
    text = data[start : start + BLOCK * 4].split(b"\0", 1)[0]
    if len(text) < 4:
        return flip(source, data)
    at = source.randrange(len(text))
    word = source.choice(_WORDS)
    changed = (text[:at] + word + text[at + len(word) :])[: len(text)]
    return data[:start] + changed + data[start + len(text) :]


ALL: tuple[Damage, ...] = (flip, cut, drop, repeat, insert, header, header, document, document)
