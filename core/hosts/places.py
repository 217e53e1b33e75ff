"""Where a job writes something on a host, as `facts.sh` tells: room, inodes, protection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_PREFIX = "place_"
_FIELDS = 8
_LONGEST = 18  # digits of a number; nothing on a host needs more


@dataclass(frozen=True)
class Place:
    """A directory or a file that is there, or the nearest above it that is.

    Args:
        path: Which one.
        mount: Where its file system is mounted.
        free_bytes: Room there; None if it is not known.
        free_inodes: Files that may still be made there; None if there is no limit to them, or it
            is not known.
        kind: Of the file system.
        options: It is mounted with these.
        writable: Whether root may write it; yes where only root could tell.
    """

    path: str
    mount: str = ""
    free_bytes: int | None = None
    free_inodes: int | None = None
    kind: str = ""
    options: frozenset[str] = frozenset()
    writable: bool = True

    @property
    def is_read_only(self) -> bool:
        """Whether its file system is mounted so."""
        return "ro" in self.options

    @property
    def runs_no_programs(self) -> bool:
        """Whether its file system is mounted so."""
        return "noexec" in self.options


def places_in(values: Mapping[str, str]) -> dict[str, Place]:
    """Return the places by the names that `facts.sh` gives them; none of an odd answer.

    Args:
        values: What it printed.
    """
    by_root = values.get("places_asked_by") == "0"
    found = {}
    for key, value in values.items():
        fields = value.split(" ", _FIELDS - 1)
        if key.startswith(_PREFIX) and len(fields) == _FIELDS:
            found[key.removeprefix(_PREFIX)] = _place(fields, by_root=by_root)
    return found


def _place(fields: list[str], *, by_root: bool) -> Place:
    kib, inodes, free_inodes, kind, options, may, mount, path = fields
    free = number_in(kib)
    limited = number_in(inodes)  # none where they are made as they are needed: btrfs
    return Place(
        path,
        "" if mount == "-" else mount,
        None if free is None else free << 10,
        number_in(free_inodes) if limited else None,
        "" if kind == "-" else kind,
        frozenset(options.split(",")) - {"-"},
        may == "yes" or not by_root,
    )


def number_in(text: str) -> int | None:
    """Return a number that is one; None for everything else."""
    is_one = text.isascii() and text.isdigit() and len(text) <= _LONGEST
    return int(text) if is_one else None
