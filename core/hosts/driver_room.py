"""The room that a storage driver has where the file system does not tell it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.hosts.places import number_in

_UNITS = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([kKMGT]?B)")
# By driver: what `docker info` calls the room that is left.
_LEFT = {"devicemapper": "Data Space Available", "zfs": "Space Available"}


def driver_free_bytes(driver: str, status: Sequence[object]) -> int | None:
    """Return the room that is left to a driver; None where the file system tells it.

    Args:
        driver: Its name.
        status: What `docker info` says of it: pairs of words.
    """
    for pair in status:
        if isinstance(pair, list) and len(pair) == 2 and pair[0] == _LEFT.get(driver):
            return _bytes_in(str(pair[1]))
    return None


def _bytes_in(text: str) -> int | None:
    found = _SIZE.fullmatch(text)
    return int(float(found[1]) * _UNITS[found[2]]) if found else number_in(text)
