"""What a registry lacks of a bundle."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MissingPart:
    """Something that a bundle's record names and the registry does not have (as it should)."""

    name: str
    what: str
    size_bytes: int
