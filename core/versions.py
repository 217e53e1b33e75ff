"""Versions compared by their leading numbers: `20.10.24+dfsg1`, `v-5.6.0-2161634`, `5.2`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import zip_longest

_BUNDLE = re.compile(r"(?:docker|kubedu)-imgs-(?:v-?)?([0-9]+\.[0-9]+(?:\.[0-9]+)?)")
_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+)*")


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of the first dotted group: (20, 10, 24); empty where there is none."""
    found = _NUMBERS.search(version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def release_in(file_name: str) -> str:
    """Return the release in the name of one of the vendor's bundles, if it is one.

    `docker-imgs-v-5.6.0-2161634.tar.gz` is of release 5.6.0.
    """
    found = _BUNDLE.match(file_name)
    return found[1] if found else ""


def newest(versions: Iterable[str]) -> str:
    """Return the latest of some versions; empty where there is none."""
    return max(versions, key=numbers, default="")


def is_older(version: str, other: str) -> bool:
    """Whether a version comes before another; what one leaves out counts as zero."""
    for left, right in zip_longest(numbers(version), numbers(other), fillvalue=0):
        if left != right:
            return left < right
    return False
