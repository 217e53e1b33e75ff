"""Words that all sentences share: a number with its noun, a size, the first few of many names."""

from __future__ import annotations

from collections.abc import Sequence

_SHOWN = 3
_SPANS = ((365.25 * 86_400, "year"), (86_400, "day"), (3_600, "hour"), (60, "minute"))


def count(number: int, word: str, plural: str = "") -> str:
    """Return a number with its noun: `1 host`, `3 hosts`.

    Args:
        number: How many.
        word: The noun for one.
        plural: The noun for several, where that is not made by an `s`.
    """
    return f"{number} {word if number == 1 else plural or word + 's'}"


def some_of(names: Sequence[str], limit: int = _SHOWN) -> str:
    """Return the first few names and how many more there are."""
    shown = ", ".join(names[:limit])
    more = len(names) - limit
    return f"{shown} and {more} more" if more > 0 else shown


def size(size_bytes: float) -> str:
    """Return a size with its unit, in powers of ten: `1.3 GB`."""
    for unit, decimals in (("B", 0), ("kB", 0), ("MB", 1), ("GB", 1)):
        rounded = f"{size_bytes:.{decimals}f}"
        if float(rounded) < 1000:
            return f"{rounded} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"


def duration(seconds: float) -> str:
    """Return a time span by its largest unit: `25 years`, `3 hours`, `6 minutes`."""
    for unit_s, word in _SPANS:
        if seconds >= unit_s:
            return count(round(seconds / unit_s), word)
    return count(round(seconds), "second")
