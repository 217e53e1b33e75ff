"""An OCI image layout that lies unpacked in a directory, read as if it were an archive.

Documents come first, then blobs in the order of their names, so the same directory is always the
same sequence of bytes. Links are followed as long as they stay in the directory. The form that
skopeo calls `dir:` is read as well.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from core.bundle.errors import readable
from core.bundle.left_out import LeftOut
from core.bundle.model import BundleFile
from core.bundle.skopeo_dir import VERSION, VERSION_TEXT, is_blob
from core.bundle.tarstream import Kind, Member
from core.errors import BundleTruncated, UnsafeBundle

MAX_FILES = 100_000
_DOCUMENTS = ("oci-layout", "index.json", "manifest.json")
_LINK_REMEDY = "Copy the layout with the files themselves in place of links: cp -rL"


def is_layout(path: Path) -> bool:
    """Whether a directory is one that is read: an OCI image layout, or what skopeo calls `dir:`."""
    return _is_oci_layout(path) or _is_skopeo_dir(path)


def lack_of_layout(path: Path) -> str:
    """Return what keeps a directory from being an OCI image layout, where it is nearly one."""
    there = {name for name in (*_DOCUMENTS, "blobs", "repositories") if (path / name).exists()}
    if "index.json" in there:
        return "the file oci-layout is missing in it"
    if there & {"oci-layout", "blobs"}:
        return "the file index.json is missing in it"
    if "manifest.json" in there or "repositories" in there:
        return "it is an unpacked archive of docker save (tar -cf FILE.tar -C DIRECTORY .)"
    return ""


def _is_oci_layout(path: Path) -> bool:
    return (path / "oci-layout").is_file() and (path / "index.json").is_file()


def _is_skopeo_dir(path: Path) -> bool:
    if not (path / VERSION).is_file() or not (path / "manifest.json").is_file():
        return False
    with readable(path), (path / VERSION).open("rb") as file:
        return file.read(len(VERSION_TEXT)) == VERSION_TEXT


def layout_files(directory: Path) -> list[Path]:
    """Return the files of a layout in the order in which they are read, links among them.

    Raises:
        BundleError: the directory cannot be read.
        UnsafeBundle: there are more than any layout has.
    """
    found = [directory / name for name in _DOCUMENTS if os.path.lexists(directory / name)]
    if not _is_oci_layout(directory) and _is_skopeo_dir(directory):
        blobs_beside = [path for path in _entries(directory, directory) if is_blob(path.name)]
        found += [directory / VERSION, *sorted(blobs_beside)]
    blobs = directory / "blobs"
    found += [path for path in (blobs, *_entries(blobs, directory)) if _leads_out(path, directory)]
    for folder in sorted(_entries(blobs, directory)):
        found += sorted(_entries(folder, directory))
        if len(found) > MAX_FILES:
            raise UnsafeBundle(f"{directory.name}: more than {MAX_FILES} files")
    return found


def _entries(directory: Path, root: Path) -> list[Path]:
    if not directory.is_dir() or _leads_out(directory, root):
        return []
    with readable(directory):
        return list(directory.iterdir())


def _leads_out(path: Path, root: Path) -> bool:
    """Whether a path is a link that leads out of the directory, or to nothing, or in a circle."""
    if not path.is_symlink():
        return False
    try:
        return not path.resolve(strict=True).is_relative_to(root.resolve())
    except (OSError, RuntimeError):
        return True


class DirectoryArchive:
    """The files of a layout as members.

    Args:
        file: The bundle, whose path is the directory.
        go_on: Called before every read; raises to end the reading.
    """

    def __init__(self, file: BundleFile, go_on: Callable[[], None]) -> None:
        self.read_bytes = 0
        self.left_out: list[LeftOut] = []
        self._root = file.path
        self._label = file.name
        self._go_on = go_on
        self._open: BinaryIO | None = None
        self._left = 0

    def __iter__(self) -> Iterator[Member]:
        """Yield the files; what was not read of one is passed over.

        Raises:
            BundleError: a file cannot be read.
        """
        offset_bytes = 0
        for path in layout_files(self._root):
            if _leads_out(path, self._root):
                raise UnsafeBundle(
                    f"{self._label}: {path.name!r} is no plain file, but a link that leads out of "
                    "the directory, or to nothing",
                    remedy=_LINK_REMEDY,
                )
            if path.exists() and not path.is_file():
                raise UnsafeBundle(f"{self._label}: {path.name!r} is no plain file")
            with readable(path), path.open("rb", buffering=0) as self._open:
                size = self._left = os.fstat(self._open.fileno()).st_size
                name = path.relative_to(self._root).as_posix()
                yield Member(name, Kind.FILE, size, "", offset_bytes)
            self.read_bytes += self._left
            offset_bytes += size
        self._left = 0

    def read(self, limit_bytes: int) -> bytes:
        """Return the next bytes of the present file, at most `limit_bytes`; empty at its end."""
        wanted = min(limit_bytes, self._left)
        if not wanted or self._open is None:
            return b""
        pieces = []
        while wanted:
            self._go_on()
            with readable(self._root):
                piece = self._open.read(wanted)
            if not piece:
                raise BundleTruncated(f"{self._label}: a file got shorter while it was read")
            pieces.append(piece)
            wanted -= len(piece)
            self._left -= len(piece)
            self.read_bytes += len(piece)
        return b"".join(pieces)

    def finish(self) -> None:
        """Do nothing: every blob's name is its checksum."""
