"""Checksum files that lie beside a bundle: found, read, and compared while the bundle is read.

`SHA256SUMS` (also `sha256sums.txt`, and in a folder `checksum`), `MD5SUMS`, `NAME.sha256` and
`NAME.md5`, as sha256sum, md5sum and BSD's tools write them. Of a split bundle the sums may be those
of the parts or of the whole.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.bundle.errors import is_file, readable
from core.bundle.model import BundleFile
from core.errors import BundleCorrupt, BundleError

LISTS = {"sha256": ("SHA256SUMS", "sha256sums.txt"), "md5": ("MD5SUMS", "md5sums.txt")}
_FOLDER = "checksum"
_HEX_DIGITS = {"sha256": 64, "md5": 32}
_MAX_BYTES = 1 << 20
_GNU = re.compile(r"\\?(?P<sum>[0-9a-fA-F]+)(?:[ \t]+\*?(?P<name>.+))?")
_BSD = re.compile(r"[A-Z0-9-]+ ?\((?P<name>.+)\) ?= ?(?P<sum>[0-9a-fA-F]+)")


@dataclass
class Sum:
    """A checksum that a file, or all parts of a bundle together, must have.

    Args:
        path: The part it is of; None for all of the bundle.
        algorithm: `sha256` or `md5`.
        expected: In lower-case hex.
        written_in: The file in which it stands, for messages.
    """

    path: Path | None
    algorithm: str
    expected: str
    written_in: Path
    _hash: Any = field(init=False)

    def __post_init__(self) -> None:
        # MD5 is no protection against a person, but against a bad stick it does.
        self._hash = hashlib.new(self.algorithm, usedforsecurity=False)

    def update(self, path: Path, data: bytes) -> None:
        """Take the next bytes, read from `path`."""
        if self.path in (None, path):
            self._hash.update(data)

    def compare(self, name: str) -> None:
        """Compare it, when all was read.

        Raises:
            BundleCorrupt: it is another.
        """
        found = self._hash.hexdigest()
        if found != self.expected:
            raise BundleCorrupt(
                f"{self.path.name if self.path else name}: its {self.algorithm} checksum is "
                f"{found}, {self.written_in.name} says {self.expected}",
                remedy="The copy is damaged, or is of another release: copy it again.",
            )


def sums_beside(file: BundleFile) -> list[Sum]:
    """Return the checksums that are written beside a bundle.

    Raises:
        BundleError: a checksum file of this bundle alone holds no checksum.
    """
    if file.path.is_dir():
        return []
    directory = file.path.parent
    wholes: list[Path | None] = [None, *file.parts]
    found = []
    for algorithm in _HEX_DIGITS:
        lists = list(_lists(directory, algorithm))
        for part in wholes:
            name = part.name if part else file.name
            own = directory / f"{name}.{algorithm}"
            if is_file(own):
                found.append(Sum(part, algorithm, _own(own, name, algorithm), own))
            elif listed := _listed(lists, directory / name):
                found.append(Sum(part, algorithm, *listed))
    return found


def sums_key(file: BundleFile) -> str:
    """Return a digest of the checksums that are written beside a bundle: others ask anew.

    Raises:
        BundleError: as for `sums_beside`.
    """
    said = sorted(f"{one.path}\0{one.algorithm}\0{one.expected}" for one in sums_beside(file))
    return hashlib.sha256("\0".join(said).encode()).hexdigest()[:32]


def _own(path: Path, name: str, algorithm: str) -> str:
    """Return the checksum of a file that is about one file; what it is called there is no matter.

    Raises:
        BundleError: there is none in it, or several of other files.
    """
    entries = list(_entries(path, algorithm))
    values = {value for entry, value in entries if entry is None or Path(entry).name == name} or {
        value for _, value in entries
    }
    if len(values) != 1:
        raise BundleError(
            f"{path}: holds no {algorithm} checksum of {name}",
            remedy="Copy the checksum file again, or remove it.",
        )
    return values.pop()


def _lists(directory: Path, algorithm: str) -> Iterator[tuple[Path, list[tuple[str, str]]]]:
    """Yield the lists of many files' checksums, and what stands in each: names and checksums."""
    wanted = {listed.lower() for listed in LISTS[algorithm]}
    for folder in (directory, directory / _FOLDER):
        if not folder.is_dir():
            continue
        with readable(folder):
            named = sorted(path for path in folder.iterdir() if path.name.lower() in wanted)
            paths = [path for path in named if is_file(path)]
        for path in paths:
            entries = _entries(path, algorithm)
            yield path, [(entry, value) for entry, value in entries if entry]


def _listed(lists: list[tuple[Path, list[tuple[str, str]]]], file: Path) -> tuple[str, Path] | None:
    """Return the checksum of a file, and the list that has it; a whole path counts most."""
    for path, entries in lists:
        whole = os.path.relpath(file, path.parent)
        for is_it in (whole.__eq__, lambda entry: posixpath.basename(entry) == file.name):
            for entry, value in entries:
                if is_it(entry):
                    return value, path
    return None


def _entries(path: Path, algorithm: str) -> Iterator[tuple[str | None, str]]:
    """Yield file name (None: not said) and checksum of each line; other lines mean nothing."""
    with readable(path), path.open("rb") as file:
        text = file.read(_MAX_BYTES).decode("utf-8-sig", "replace")
    for line in text.splitlines():
        match = _BSD.fullmatch(line.strip()) or _GNU.fullmatch(line.strip())
        if match and len(match["sum"]) == _HEX_DIGITS[algorithm]:
            name = match["name"]
            if name and line.lstrip().startswith("\\"):
                name = name.replace("\\n", "\n").replace("\\\\", "\\")
            yield name and posixpath.normpath(name), match["sum"].lower()


def is_checksum_file(path: Path) -> bool:
    """Whether a file's name says that it holds checksums."""
    listed = {name.lower() for names in LISTS.values() for name in names}
    return path.suffix.removeprefix(".") in _HEX_DIGITS or path.name.lower() in listed
