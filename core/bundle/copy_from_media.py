"""Taking a bundle from a stick: all its files copied, compared, and named only when all are there.

A stick may be pulled, or hang for ever in the middle of a read. So it is read by a thread that can
be left behind; what is written lies under passing names until the last byte was compared.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.bundle.checksums import LISTS, Sum, sums_beside
from core.bundle.directory import layout_files
from core.bundle.discovery import bundle_file, fingerprint_of
from core.bundle.errors import is_file, readable
from core.bundle.model import BundleFile
from core.bundle.parts import parts_of
from core.errors import BundleCorrupt, BundleError, BundleExists, BundleTruncated
from core.files import rename_durably, sync_file, write_atomically
from core.threads import out_of_thread

DRAFT = ".airferry-take-"
"""What the names of files begin with that are not complete yet."""
_CHUNK_BYTES = 1 << 20
_SYNC_BYTES = 16 << 20  # so little is under way that a cancel need not wait for the disk
_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})")
GoOn = Callable[[], None]


@dataclass(frozen=True)
class Taken:
    """What taking a bundle came to.

    Args:
        size_bytes: The bytes that were copied.
        compared: How many checksums were compared.
    """

    size_bytes: int
    compared: int


@dataclass(frozen=True)
class _Piece:
    source: Path
    name: str
    size_bytes: int
    modified_ns: int


def is_taken(file: BundleFile, directory: Path) -> bool:
    """Whether a directory holds the same bundle: name, size, parts and ends. Asks no stick."""
    try:
        there = bundle_file(directory / file.path.name)
    except BundleError:
        return False
    mine = (file.size_bytes, file.fingerprint, [path.name for path in file.parts])
    return mine == (there.size_bytes, there.fingerprint, [path.name for path in there.parts])


def take(file: BundleFile, directory: Path, go_on: GoOn, progress: Callable[[int], None]) -> Taken:
    """Copy a bundle with its parts and checksums.

    Args:
        file: The bundle, on a stick.
        directory: Where it goes; it is there.
        go_on: Called again and again, also while the stick says nothing; raises to end it.
        progress: Told the bytes that are safe so far.

    Raises:
        BundleExists: another file of this name is there.
        BundleError: the stick cannot be read, or is not what its checksums say.
        OSError: it cannot be written.
    """
    if file.is_pipe:
        raise BundleError(f"{file.name}: comes out of a pipe", remedy="Name a file to take.")
    remove_drafts(directory)
    (pieces, sums), *_ = out_of_thread(lambda: [_looked_over(file, directory)], go_on)
    try:
        copying = _Copying(sums, go_on, progress)
        for piece in pieces:
            copying.copy(piece, _draft(piece.name, directory))
        for expected in sums:
            with _blaming_the_stick():
                expected.compare(file.name)
        _note_sums(file, sums, directory)
        names = [file.path.name] if file.path.is_dir() else [piece.name for piece in pieces]
        # A bundle without its beginning is seen to be so: that comes last.
        rename_durably(*((_draft(name, directory), directory / name) for name in reversed(names)))
    finally:
        remove_drafts(directory)
    return Taken(copying.copied_bytes, len(sums) + copying.blobs)


def remove_drafts(directory: Path) -> None:
    """Remove what was not completed, now or in a run that was killed."""
    with suppress(OSError):
        for path in directory.glob(f"{DRAFT}*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _draft(name: str, directory: Path) -> Path:
    """Return the passing name of a file, or of a file in a folder, whose own is not too long."""
    top, *below = Path(name).parts
    number = hashlib.sha256(os.fsencode(top)).hexdigest()[:16]
    return directory.joinpath(f"{DRAFT}{number}", *below)


def _looked_over(file: BundleFile, directory: Path) -> tuple[list[_Piece], list[Sum]]:
    """Return what is to be copied, and what it is to be compared with.

    Raises:
        BundleExists: another file of one of the names is there.
    """
    if file.path.is_dir():
        return _pieces_of_layout(file, directory), []
    _require_no_other_parts(file, directory)
    sums = sums_beside(file)
    pieces = [_piece(path, path.name) for path in file.files]
    lacking = [piece for piece in pieces if not _is_there(piece, directory)]
    if any(expected.path is None for expected in sums):
        return pieces, sums  # the checksum of the whole takes all of it
    paths = {piece.source for piece in lacking}
    return lacking, [expected for expected in sums if expected.path in paths]


def _require_no_other_parts(file: BundleFile, directory: Path) -> None:
    if not file.parts:
        return
    mine = {path.name for path in file.parts}
    there = parts_of(directory / file.path.name, list(directory.iterdir()))
    others = [path for path in there if path.name not in mine]
    if others:
        raise BundleExists(f"{others[0]}: is a part of another {file.name}")


def _pieces_of_layout(file: BundleFile, directory: Path) -> list[_Piece]:
    if os.path.lexists(directory / file.path.name):
        raise BundleExists(f"{directory / file.path.name}: is there already, with other content")
    names = [(path, path.relative_to(file.path.parent)) for path in layout_files(file.path)]
    return [_piece(path, name.as_posix()) for path, name in names]


def _piece(path: Path, name: str) -> _Piece:
    with readable(path):
        facts = path.stat()
    return _Piece(path, name, facts.st_size, facts.st_mtime_ns)


def _is_there(piece: _Piece, directory: Path) -> bool:
    """Whether the same file is there.

    Raises:
        BundleExists: another one is.
    """
    target = directory / piece.name
    if not os.path.lexists(target):
        return False
    same_size = target.is_file() and target.stat().st_size == piece.size_bytes
    if same_size and fingerprint_of([target]) == fingerprint_of([piece.source]):
        return True
    raise BundleExists(f"{target}: is there already, with other content than {piece.source}")


class _Copying:
    """The copying of one bundle."""

    def __init__(self, sums: list[Sum], go_on: GoOn, progress: Callable[[int], None]) -> None:
        self.copied_bytes = 0
        self.blobs = 0
        self._sums = sums
        self._go_on = go_on
        self._progress = progress

    def copy(self, piece: _Piece, draft: Path) -> None:
        """Copy one file under a passing name.

        Raises:
            BundleError: it cannot be read, is shorter than it was, or is damaged.
        """
        draft.parent.mkdir(parents=True, exist_ok=True)
        before, digest = self.copied_bytes, hashlib.sha256()
        blob = _BLOB.search(piece.name)
        with draft.open("wb") as out:
            for chunk in out_of_thread(lambda: _chunks(piece.source), self._go_on):
                out.write(chunk)
                self.copied_bytes += len(chunk)
                for expected in self._sums:
                    expected.update(piece.source, chunk)
                if blob:
                    digest.update(chunk)
                if out.tell() % _SYNC_BYTES < len(chunk):
                    self._safe(out)
            self._safe(out)
        if self.copied_bytes - before != piece.size_bytes:
            raise BundleTruncated(f"{piece.source}: changed while it was copied")
        if blob and blob[1] != digest.hexdigest():
            raise BundleCorrupt(f"{piece.source}: is damaged: its name is not its digest")
        self.blobs += bool(blob)
        os.utime(draft, ns=(piece.modified_ns, piece.modified_ns))

    def _safe(self, out: BinaryIO) -> None:
        sync_file(out)
        self._progress(self.copied_bytes)


def _chunks(path: Path) -> Iterator[bytes]:
    with readable(path), path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


@contextmanager
def _blaming_the_stick() -> Iterator[None]:
    try:
        yield
    except BundleCorrupt as error:
        raise BundleCorrupt(
            error.what, remedy="The file on the stick is damaged: put it on the stick again."
        ) from error


def _note_sums(file: BundleFile, sums: list[Sum], directory: Path) -> None:
    """Write each checksum into a file of its own: lists of both sides may name the same files.

    A name as long as a file system takes has no room for an ending; its checksum goes to a list.
    """
    longest = os.pathconf(directory, "PC_NAME_MAX") - len(".new")
    for expected in sums:
        name = expected.path.name if expected.path else file.name
        own, line = directory / f"{name}.{expected.algorithm}", f"{expected.expected}  {name}\n"
        if len(os.fsencode(own.name)) > longest:
            own = directory / LISTS[expected.algorithm][0]
            line += own.read_text(errors="surrogateescape") if is_file(own) else ""
        write_atomically(own, line.encode(errors="surrogateescape"))
