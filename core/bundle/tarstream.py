"""Reading tar archives from a stream, one member after the other, trusting nothing.

The standard library's reader keeps every header in memory, takes extended headers of any size,
and cuts short in silence. A bundle may be anything, so this one bounds what it keeps, refuses what
no bundle writer makes (devices, sparse files, absurd sizes), and tells a cut file from its end.
Follows POSIX.1-1988 (ustar) and -2001 (pax), and GNU's long names and base-256 numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from core.bundle.decompress import Readable, compression_of
from core.bundle.first_bytes import TEXT, form_of
from core.bundle.left_out import LeftOut, Why
from core.errors import BundleCorrupt, BundleTruncated, NotABundle, UnfitBundle, UnsafeBundle

BLOCK = 512
MAX_EXTENDED_BYTES = 1 << 20
MAX_MEMBER_BYTES = 1 << 50
MAX_TAIL_BYTES = 64 << 20
MIN_SEEK_BYTES = 64 << 10
_MAX_DIGITS = 20
_LABEL = b"V"
_JOINED = "behind the end of the archive (were files joined with cat?)"


class Kind(Enum):
    """What a member is; every other type is refused, but for labels, which say nothing."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symbolic link"
    HARDLINK = "hard link"


_KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"5": Kind.DIRECTORY,
}


@dataclass(frozen=True)
class Member:
    """One member of the archive.

    `offset_bytes` is where its content begins in the (decompressed) archive.
    """

    name: str
    kind: Kind
    size_bytes: int
    link: str
    offset_bytes: int


class Archive(Protocol):
    """Members one after the other; the content of the present one can be read."""

    @property
    def left_out(self) -> list[LeftOut]:
        """What was passed over, when all members were seen."""

    def __iter__(self) -> Iterator[Member]:
        """Yield the members; what was not read of one is passed over."""

    def read(self, limit_bytes: int) -> bytes:
        """Return the next bytes of the present member, at most `limit_bytes`; empty at its end."""


class TarStream:
    """An archive that is read once, front to back.

    Args:
        stream: The decompressed bytes.
        label: The bundle's name, for messages.
        seek: Passes over so many bytes without reading them, or says that it cannot.
    """

    def __init__(
        self, stream: Readable, label: str, seek: Callable[[int], bool] = lambda _: False
    ) -> None:
        self._stream = stream
        self._label = label
        self._seek = seek
        self._position = 0
        self._left = 0
        self._padding = 0
        self.left_out: list[LeftOut] = []

    def __iter__(self) -> Iterator[Member]:
        """Yield the members; what was not read of one is passed over.

        Raises:
            BundleTruncated: the file ends before the archive does.
            NotABundle: this is no tar archive.
            UnsafeBundle: a member is of a kind or size that no bundle has.
        """
        while (member := self._next()) is not None:
            yield member

    def read(self, limit_bytes: int) -> bytes:
        """Return the next bytes of the present member, at most `limit_bytes`; empty at its end."""
        wanted = min(limit_bytes, self._left)
        if not wanted:
            return b""
        data = self._exactly(wanted)
        self._left -= len(data)
        return data

    def _next(self) -> Member | None:
        self._skip(self._left + self._padding)
        extended: dict[str, str] = {}
        while True:
            header = self._header()
            if header is None:
                return None
            kind, size = header[156:157], _number(header[124:136])
            if size is None or not 0 <= size <= MAX_MEMBER_BYTES:
                raise UnsafeBundle(f"{self._label}: a member has an impossible size")
            if kind in b"xgLK":
                self._extend(extended, kind, size)
                continue
            if kind == _LABEL:
                self._skip(size + -size % BLOCK)
                continue
            return self._member(header, kind, size, extended)

    def _header(self) -> bytes | None:
        at_start = self._position == 0
        header = self._exactly(BLOCK, end_allowed=True)
        if not header:
            if at_start:
                raise NotABundle(f"{self._label}: the file is empty")
            raise BundleTruncated(f"{self._label}: ends without the archive's end mark")
        if not header.strip(b"\0"):
            self._read_tail()
            return None
        if not _checksum_fits(header):
            if at_start:
                raise self._no_tar(header)
            raise BundleCorrupt(
                f"{self._label}: has a damaged tar header (at byte {self._position - BLOCK})"
            )
        return header

    def _no_tar(self, head: bytes) -> NotABundle:
        """Return the error that says what is here in a tar's place."""
        packed = compression_of(head)
        if packed:
            what = f"is compressed twice ({packed} within)"
            return NotABundle(
                f"{self._label}: {what}", remedy="Unpack it once, and name the result."
            )
        form = form_of(head)
        if form is None:
            return NotABundle(f"{self._label}: is not a tar archive (at byte 0)")
        return NotABundle(f"{self._label}: is {form.what}", remedy=form.remedy)

    def _read_tail(self) -> None:
        """Read what follows the end mark: only at its very end do compressed data prove whole.

        Zeros are padding; of anything else it is told what it is. A second archive may be as large
        as the first, and is not read.
        """
        end = self._position
        found: _Behind | None = None
        while piece := self._stream.read(1 << 20):
            found = found or _behind(piece, self._position)
            self._position += len(piece)
            if self._position - end > MAX_TAIL_BYTES:
                if found and found.is_archive:
                    break
                raise UnsafeBundle(f"{self._label}: goes on after the archive's end (byte {end})")
        if found:
            where = f"byte {found.offset_bytes} of {self._label}"
            self.left_out.append(LeftOut(Why.BEHIND_END, found.what, f"{where}, {_JOINED}"))

    def _extend(self, extended: dict[str, str], kind: bytes, size: int) -> None:
        if size > MAX_EXTENDED_BYTES:
            raise UnsafeBundle(f"{self._label}: an extended header of {size} bytes")
        data = self._exactly(size)
        self._skip(-size % BLOCK)
        if kind == b"L":
            extended["path"] = _text(data)
        elif kind == b"K":
            extended["linkpath"] = _text(data)
        elif kind == b"x":
            extended.update(self._pax_records(data))
        # A global header (`g`) says when an archive was made, or of which commit.

    def _pax_records(self, data: bytes) -> Iterator[tuple[str, str]]:
        while data.strip(b"\0"):
            length, space, _ = data.partition(b" ")
            number = _decimal(length) if space else None
            if number is None or not len(length) + 1 < number <= len(data):
                raise BundleCorrupt(f"{self._label}: a damaged pax header")
            record = data[len(length) + 1 : number].removesuffix(b"\n")
            key, _, value = record.partition(b"=")
            yield _text(key), _text(value)
            data = data[number:]

    def _member(self, header: bytes, kind: bytes, size: int, extended: dict[str, str]) -> Member:
        name = extended.get("path") or _header_name(header)
        if kind == b"S" or any(key.startswith("GNU.sparse") for key in extended):
            raise UnfitBundle(
                f"{self._label}: {name!r} is sparse, which no engine reads",
                remedy="Pack it again without --sparse (-S).",
            )
        if kind == b"M":
            raise UnfitBundle(
                f"{self._label}: is one of the volumes that tar --multi-volume wrote",
                remedy="Put them together with tar -xM, and pack it in one: split may cut that.",
            )
        if kind not in _KINDS:
            raise UnsafeBundle(f"{self._label}: {name!r} is a device or of unknown kind")
        if "size" in extended:
            claimed = _decimal(extended["size"].encode())
            if claimed is None or claimed > MAX_MEMBER_BYTES:
                raise UnsafeBundle(f"{self._label}: {name!r} has an impossible size")
            size = claimed
        member_kind = _KINDS[kind]
        if member_kind is not Kind.FILE:
            size = 0
        link = extended.get("linkpath") or _text(header[157:257])
        self._left, self._padding = size, -size % BLOCK
        return Member(name, member_kind, size, link, self._position)

    def _exactly(self, size: int, *, end_allowed: bool = False) -> bytes:
        data = self._stream.read(size)
        while len(data) < size:
            more = self._stream.read(size - len(data))
            if not more:
                break
            data += more
        self._position += len(data)
        if len(data) < size and not (end_allowed and not data):
            if self._position < BLOCK:
                raise self._too_short(data)
            raise BundleTruncated(f"{self._label}: ends in the middle, at byte {self._position}")
        return data

    def _too_short(self, data: bytes) -> NotABundle:
        form = form_of(data)
        if compression_of(data) or (form and form != TEXT):
            return self._no_tar(data)
        return NotABundle(f"{self._label}: is not a tar archive (too short for one)")

    def _skip(self, size: int) -> None:
        self._left = self._padding = 0
        if size > MIN_SEEK_BYTES and self._seek(size):
            self._position += size
            return
        while size:
            step = min(size, 1 << 20)
            self._exactly(step)
            size -= step


@dataclass(frozen=True)
class _Behind:
    """What lies behind an archive's end."""

    offset_bytes: int
    what: str
    is_archive: bool


def _behind(piece: bytes, offset_bytes: int) -> _Behind | None:
    """Return what a piece of what lies behind the end begins with, where it is not only zeros."""
    blank = len(piece) - len(piece.lstrip(b"\0"))
    if blank == len(piece):
        return None
    place, head = offset_bytes + blank, piece[blank : blank + BLOCK]
    if len(head) == BLOCK and _checksum_fits(head):
        return _Behind(place, "a second archive", is_archive=True)
    if compression_of(head):
        return _Behind(place, "a second, compressed archive", is_archive=True)
    return _Behind(place, "something that is no archive", is_archive=False)


def _decimal(digits: bytes) -> int | None:
    """Return a pax number; Python refuses to read one of thousands of digits."""
    return int(digits) if digits.isdigit() and len(digits) <= _MAX_DIGITS else None


def _number(field: bytes) -> int | None:
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    digits = field.strip(b" \0")
    if not digits:
        return 0
    try:
        return int(digits, 8)
    except ValueError:
        return None


def is_tar_header(block: bytes) -> bool:
    """Whether 512 bytes begin a tar archive: a header, or the zeros of an empty one."""
    return not block.strip(b"\0") or _checksum_fits(block)


def begins_archive(head: bytes) -> bool:
    """Whether the first bytes of a file, up to a block, are those of a tar, plain or compressed."""
    return bool(compression_of(head)) or is_tar_header(head.ljust(BLOCK, b"\1"))


def _checksum_fits(header: bytes) -> bool:
    stored = _number(header[148:156])
    return stored == sum(header[:148]) + sum(header[156:]) + 8 * 0x20


def _header_name(header: bytes) -> str:
    name = _text(header[:100])
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")
