"""What stands behind `/`: words that a row must have, or with `!` must not have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

HELP = "/ shows only rows with all of the words typed; !word: only rows without it."


def matches(query: str, fields: Iterable[str]) -> bool:
    """Whether a row is to be shown.

    Args:
        query: Words, in any case; each must be part of some field, one with `!` of none.
        fields: What the row says.
    """
    text = "\n".join(fields).lower()
    words = query.lower().split()
    return all(_holds(word, text) for word in words)


def _holds(word: str, text: str) -> bool:
    if word.startswith("!"):
        return len(word) == 1 or word[1:] not in text
    return word in text


def next_sort(orders: Mapping[str, object], now: str) -> str:
    """Return the name of the order that `s` changes to: the one after, after the last the first."""
    found = list(orders)
    return found[(found.index(now) + 1) % len(found)]
