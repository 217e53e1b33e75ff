"""Which documents an import may need: those that have a manifest's, an index's or a config's keys.

An archive may hold hundreds of others, of megabytes each (SBOMs); they are looked at one by one and
not kept. Small ones are kept whatever they are, as long as there is room.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

_SMALL_BYTES = 256 << 10
MARK = b"\xef\xbb\xbf"
"""UTF-8's byte order mark: some editors, and Windows' tools, begin a text with it."""
MARKS = (MARK, b"\xff\xfe", b"\xfe\xff")
"""The same in UTF-8 and in UTF-16."""
_KEYS = frozenset({"rootfs", "manifests", "layers", "fslayers", "blobs"})
_IN_TEXT = tuple(f'"{key}"'.encode() for key in _KEYS)


def is_to_be_kept(document: bytes, room_bytes: int) -> bool:
    """Whether a document may be an index, a manifest or a config, or is small.

    One with the keys of these that cannot be parsed may be: whoever needs it is to hear that it is
    damaged.

    Args:
        document: Its text.
        room_bytes: How much more may be kept.
    """
    if len(document) <= min(_SMALL_BYTES, room_bytes):
        return True
    lower = document.lower()
    if not any(key in lower for key in _IN_TEXT):
        return False
    try:
        found = json.loads(document)
    except (ValueError, RecursionError):
        return True
    if isinstance(found, list):  # manifest.json of docker save, by another name
        found = found[0] if found else {}
    return isinstance(found, dict) and not _KEYS.isdisjoint(key.lower() for key in found)


def in_any_case(found: Mapping[str, object], key: str) -> object:
    """Return the value of a key as Go reads it: spelled so, else in any case (old jib); or None."""
    if key in found:
        return found[key]
    wanted = key.lower()
    return next((value for name, value in found.items() if name.lower() == wanted), None)
