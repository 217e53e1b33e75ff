"""Reading a backup back from the medium: only what comes back as it was written counts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from core.bundle import TarStream
from core.bundle.decompress import ReadAhead
from core.bundle.draft import Draft
from core.bundle.joined import JoinedFiles
from core.bundle.oci_layout import blob_name
from core.errors import BackupPlaceUnfit, BundleError

_BAD_MEDIUM = "The disk or stick is bad: take another one. Nothing was left there."
_READ_BYTES = 1 << 20


def sums_read_back(
    draft: Draft,
    directory: Path,
    documents: Mapping[str, bytes],
    blobs: Sequence[str],
    go_on: Callable[[], None],
    say: Callable[[str], None],
) -> list[str]:
    """Compare what is on the medium with what it should be; return the SHA-256 of each file.

    Each byte is hashed twice, side by side: for the blob that it is of, and for the file.

    Args:
        draft: What was written.
        directory: Where, for messages.
        documents: Its first members by name.
        blobs: The digests of the others, in order.
        go_on: Called before every read; raises to end the reading.
        say: Told in words how far it is.

    Raises:
        BackupPlaceUnfit: it reads back as something else.
    """
    wanted = [*documents, *map(blob_name, blobs)]
    with closing(draft.read_back(go_on)) as joined:
        summed = _Summed(joined, len(draft.parts))
        with closing(ReadAhead(summed)) as ahead:
            try:
                names = _compared(TarStream(ahead, "the backup"), documents, draft.size_bytes, say)
            except BundleError as error:
                raise _bad_medium(directory, error.what) from error
        if names != wanted:
            raise _bad_medium(directory, "not all of it is there")
        return summed.sums()


def _compared(
    archive: TarStream, documents: Mapping[str, bytes], total: int, say: Callable[[str], None]
) -> list[str]:
    """Return the names of the members, whose content was compared.

    Raises:
        BundleError: a member is not what was written.
    """
    names, read_bytes, told = [], 0, 0
    for member in archive:
        found = hashlib.sha256()
        while piece := archive.read(_READ_BYTES):
            found.update(piece)
            read_bytes += len(piece)
            if 100 * read_bytes // total > told:
                told = 100 * read_bytes // total
                say(f"reading it back, {told} %")
        names.append(member.name)
        expected = member.name.rpartition("/")[2]
        if member.name in documents:
            expected = hashlib.sha256(documents[member.name]).hexdigest()
        if found.hexdigest() != expected:
            raise BundleError(f"{member.name} is another")
    return names


class _Summed:
    """A file in parts, with the SHA-256 of each part that was read."""

    def __init__(self, joined: JoinedFiles, parts: int) -> None:
        self._joined = joined
        self._hashes = [hashlib.sha256() for _ in range(parts)]

    def read(self, size: int, /) -> bytes:
        number, _ = self._joined.place()
        data = self._joined.read(size)
        if data:
            self._hashes[number].update(data)
        return data

    def sums(self) -> list[str]:
        return [found.hexdigest() for found in self._hashes]


def _bad_medium(directory: Path, what: str) -> BackupPlaceUnfit:
    return BackupPlaceUnfit(
        f"what was written to {directory} reads back as something else: {what}", remedy=_BAD_MEDIUM
    )
