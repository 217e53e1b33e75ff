"""The files and directories that dockerRepo names, looked into once for all hosts of a run.

A directory may be a repository or packages as they are, or hold archives of such, among other
artifacts of the site: image bundles are known by their first member and not read any further.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from core.bundle.discovery import bundle_file
from core.bundle.errors import readable
from core.bundle.left_out import LeftOut
from core.bundle.source import open_bundle
from core.bundle.tarstream import BLOCK, Archive, Kind, Member, begins_archive
from core.errors import AirferryError, BundleError, NotABundle
from core.hosts.docker_install.package_files import DEB_MAGIC, RPM_MAGIC, Package, read_package

MAX_FILES = 200_000
_IMAGES = re.compile(
    r"([0-9a-f]{64}(/.*|\.json|\.tar|)|blobs(/.*|)|oci-layout|index\.json|manifest\.json)"
)
_INDEX = re.compile(r"Packages(\.(gz|xz|bz2|lz4|zst))?|repomd\.xml")


@dataclass(frozen=True)
class Source:
    """An archive, or files that lie in a directory; `files` is empty for an archive."""

    path: Path
    files: tuple[tuple[str, Path], ...] = ()

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.path.name

    @contextmanager
    def open(self) -> Iterator[Archive]:
        """Open it for one pass over its members.

        Raises:
            BundleError: it cannot be read, or is no whole archive.
        """
        if self.files:
            yield _Files(self)
            return
        with open_bundle(bundle_file(self.path), check_sums=False) as opened:
            yield opened.archive

    def state(self) -> tuple[object, ...]:
        """Return what changes when the source does."""
        paths = [path for _, path in self.files] or [self.path]
        facts = [path.stat() for path in paths]
        return self, tuple((fact.st_size, fact.st_mtime_ns) for fact in facts)


@dataclass(frozen=True)
class Looked:
    """What a source holds: packages, the indexes of repositories, and the sizes of all files."""

    source: Source
    packages: tuple[Package, ...] = ()
    indexes: tuple[str, ...] = ()
    sizes: tuple[tuple[str, int], ...] = ()
    other: str = ""
    """Why there is nothing to be had from it: no archive, images, damage."""


class _Files:
    """Files of a directory as members, in the order of their names."""

    def __init__(self, source: Source) -> None:
        self.left_out: list[LeftOut] = []
        self._source = source
        self._open: BinaryIO | None = None

    def __iter__(self) -> Iterator[Member]:
        for name, path in self._source.files:
            with readable(path), path.open("rb", buffering=0) as self._open:
                yield Member(name, Kind.FILE, os.fstat(self._open.fileno()).st_size, "", 0)

    def read(self, limit_bytes: int) -> bytes:
        """Return the next bytes of the present file, at most `limit_bytes`; empty at its end."""
        pieces = b""
        while self._open and len(pieces) < limit_bytes:
            with readable(self._source.path):
                piece = self._open.read(limit_bytes - len(pieces))
            if not piece:
                break
            pieces += piece
        return pieces


_looks: dict[tuple[object, ...], Looked] = {}
_looking = threading.Lock()


def look_into(paths: Iterable[Path]) -> list[Looked]:
    """Look into all that dockerRepo names; what cannot be read says so in its `other`.

    Nothing is read a second time while it stays as it is: 200 hosts ask the same question.
    """
    found = []
    loose: list[Path] = []
    for path in paths:
        try:
            found += [_looked(source) for source in _sources(path, loose)]
        except OSError as error:
            found.append(Looked(Source(path), other=f"cannot be read: {error.strerror or error}"))
        except BundleError as error:
            found.append(Looked(Source(path), other=error.what))
    if loose:
        files = tuple((f"{number}/{path.name}", path) for number, path in enumerate(loose))
        found.append(_looked(Source(loose[0], files)))
    return found


def safe_name(name: str) -> str:
    """Return a member's name as a relative path; empty for one that leads elsewhere."""
    path = PurePosixPath(name.lstrip("/"))
    return "" if ".." in path.parts or path == PurePosixPath() else path.as_posix()


def _sources(path: Path, loose: list[Path]) -> Iterator[Source]:
    """Yield the archives at a place, and the directory itself as one; bare packages go aside."""
    if not path.is_dir():
        if path.exists() and _head(path).startswith((DEB_MAGIC, RPM_MAGIC)):
            loose.append(path)
        else:
            yield Source(path)
        return
    archives = [each for each in sorted(path.iterdir()) if each.is_file() and _is_archive(each)]
    yield from (Source(each) for each in archives)
    files = tuple(_files_below(path, set(archives)))
    if files:
        yield Source(path, files)


def _is_archive(path: Path) -> bool:
    """Whether a file is an archive, or the first part of one."""
    return not _INDEX.fullmatch(path.name) and begins_archive(_head(path))


def _files_below(root: Path, without: set[Path]) -> Iterator[tuple[str, Path]]:
    count = 0
    for directory, folders, names in os.walk(root):
        if "oci-layout" in names:
            folders.clear()
            continue
        folders.sort()
        for path in (Path(directory) / name for name in sorted(names)):
            count += 1
            if count > MAX_FILES:
                raise BundleError(f"{root}: holds more than {MAX_FILES} files")
            if path not in without and path.is_file():
                yield path.relative_to(root).as_posix(), path


def _looked(source: Source) -> Looked:
    with _looking:
        state = source.state()
        if state not in _looks:
            try:
                _looks[state] = _look(source)
            except NotABundle:
                _looks[state] = Looked(source, other="is no archive")
            except AirferryError as error:
                _looks[state] = Looked(source, other=f"cannot be read: {error.what}")
        return _looks[state]


def _look(source: Source) -> Looked:
    packages, indexes, sizes = [], [], []
    with source.open() as archive:
        for member in archive:
            name = safe_name(member.name)
            if not source.files and _IMAGES.fullmatch(name):
                return Looked(source, other="holds images")
            if member.kind is not Kind.FILE or not name:
                continue
            sizes.append((name, member.size_bytes))
            if _INDEX.fullmatch(PurePosixPath(name).name):
                indexes.append(name)
            elif package := read_package(name, member.size_bytes, archive.read):
                packages.append(package)
    return Looked(source, tuple(packages), tuple(indexes), tuple(sizes))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(BLOCK)
