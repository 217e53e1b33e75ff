"""Bundles split to fit on a stick: `x.tar.gz.00`, `.aa`, `.part1`, as split(1) and others do.

FAT holds no file over 4 GiB, so most large bundles travel in parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from core.errors import BundleError

_ARCHIVE = r".+\.(?:tar|tgz|tbz2?|txz|tzst|oci|img)(?:\.(?:gz|zst|xz|bz2))?"
_PATTERNS = (
    re.compile(rf"(?P<stem>{_ARCHIVE})(?P<mark>\.)(?P<number>\d{{1,3}})"),
    re.compile(rf"(?P<stem>{_ARCHIVE})(?P<mark>\.?)(?P<letters>[a-z]{{2,3}})"),
    re.compile(r"(?P<stem>.+)(?P<mark>[.-]part[.-]?)(?P<number>\d{1,4})"),
    re.compile(r"(?P<stem>.+)(?P<mark>[.-]part[.-]?)(?P<letters>[a-z]{2})"),
)
# What stands behind an archive's name and is no part of it.
_OTHER_ENDINGS = frozenset(
    {"gz", "bz", "xz", "zst", "lz", "lzo", "asc", "sig", "txt", "md", "log", "bak", "old", "new"}
)


@dataclass(frozen=True)
class PartName:
    """The name of a part, taken apart; `number` counts from 0 for letters."""

    stem: str
    mark: str
    number: int
    width: int
    is_letters: bool

    @property
    def series(self) -> tuple[str, str, int]:
        """What the parts of one bundle have in common."""
        return self.stem, self.mark, self.width if self.is_letters else 0

    def __str__(self) -> str:
        suffix = str(self.number).rjust(self.width, "0")
        if self.is_letters:
            suffix = "".join(
                chr(ord("a") + self.number // 26**place % 26)
                for place in reversed(range(self.width))
            )
        return f"{self.stem}{self.mark}{suffix}"

    def numbered(self, number: int) -> PartName:
        """Return the name of another part of the same bundle."""
        return PartName(self.stem, self.mark, number, self.width, self.is_letters)


def part_name(name: str) -> PartName | None:
    """Take the name of a part apart; None for any other name."""
    for pattern in _PATTERNS:
        match = pattern.fullmatch(name)
        if match and "number" in match.groupdict():
            digits = match["number"]
            return PartName(match["stem"], match["mark"], int(digits), len(digits), False)
        if match and match["letters"] not in _OTHER_ENDINGS:
            letters, number = match["letters"], 0
            for letter in letters:
                number = number * 26 + ord(letter) - ord("a")
            return PartName(match["stem"], match["mark"], number, len(letters), True)
    return None


def parts_of(path: Path, among: Iterable[Path]) -> tuple[Path, ...]:
    """Return all parts of the bundle that a path is a part of, in order; empty where it is none.

    Args:
        path: A part, or the name that the bundle had before it was split.
        among: The files beside it.
    """
    wanted = part_name(path.name)
    found = [(name, other) for other in among if (name := part_name(other.name)) is not None]
    if wanted is None:
        found = [(name, other) for name, other in found if name.stem == path.name]
        wanted = found[0][0] if found else None
    if wanted is None:
        return ()
    same = [(name.number, other) for name, other in found if name.series == wanted.series]
    return tuple(other for _, other in sorted(same))


def require_all(parts: tuple[Path, ...], *, first_begins_archive: bool) -> None:
    """Refuse a series with a gap.

    Args:
        parts: In order.
        first_begins_archive: Whether the first one begins as an archive does.

    Raises:
        BundleError: parts are missing; they are named.
    """
    missing = missing_parts(parts, first_begins_archive=first_begins_archive)
    if missing:
        name = part_name(parts[0].name)
        stem = name.stem if name else parts[0].name
        raise BundleError(
            f"{stem}: missing {', '.join(missing[:5])} beside {parts[0].name}",
            remedy="Copy all parts of the bundle into the same directory.",
        )


def missing_parts(parts: tuple[Path, ...], *, first_begins_archive: bool) -> list[str]:
    """Return the names of the parts that a series lacks before its last one.

    Args:
        parts: In order.
        first_begins_archive: Whether the first one begins as an archive does.
    """
    names = [name for part in parts if (name := part_name(part.name)) is not None]
    there = {name.number for name in names}
    first = names[0].number
    wanted = range(first if first_begins_archive else max(0, first - 1), names[-1].number + 1)
    return [str(names[0].numbered(number)) for number in wanted if number not in there]


def next_part(parts: tuple[Path, ...]) -> str:
    """Return the name that one more part would have."""
    last = part_name(parts[-1].name)
    return str(last.numbered(last.number + 1)) if last else ""
