"""The blobs of the DU's own registry as files: what its API cannot say, that they are still whole.

CNCF distribution asks for a blob's size only, and takes no upload of what it believes to have. So
bit rot is found, and mended, where it stores: `docker/registry/v2/blobs/sha256/ab/abcd.../data`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

_BLOBS = Path("docker/registry/v2/blobs/sha256")
_READ_BYTES = 1 << 20


class BlobFiles:
    """The files of a registry that stores in a directory.

    Args:
        directory: Its `registryDir`.
    """

    def __init__(self, directory: Path) -> None:
        self._blobs = directory / _BLOBS

    def damaged(
        self, digests: Iterable[str], go_on: Callable[[], None], told: Callable[[int], None]
    ) -> Iterator[str]:
        """Yield those of the blobs that are there and are not what their digest says.

        Args:
            digests: The blobs to look at.
            go_on: Called again and again; raises to end it.
            told: Told the bytes of each piece that was read.

        Raises:
            OSError: a file cannot be read.
        """
        for digest in digests:
            found = hashlib.sha256()
            try:
                with self._path(digest).open("rb", buffering=0) as file:
                    while piece := file.read(_READ_BYTES):
                        go_on()
                        found.update(piece)
                        told(len(piece))
            except FileNotFoundError:
                continue
            if f"sha256:{found.hexdigest()}" != digest:
                yield digest

    def pieces(self, digest: str, size_bytes: int) -> Iterator[memoryview] | None:
        """Return a blob's bytes as they lie there; None if it is not there in that size.

        A piece is to be done with when the next one is asked for. Whether they have that digest is
        the reader's to see.

        Raises:
            OSError: the file cannot be read (when the pieces are asked for).
        """
        try:
            file = self._path(digest).open("rb", buffering=0)
        except OSError:
            return None
        if os.fstat(file.fileno()).st_size != size_bytes:
            file.close()
            return None
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        return _pieces_of(file)

    def remove(self, digest: str) -> None:
        """Remove a damaged blob, so that the registry takes it again.

        Raises:
            OSError: it cannot be removed.
        """
        self._path(digest).unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        hexadecimal = digest.removeprefix("sha256:")
        return self._blobs / hexadecimal[:2] / hexadecimal / "data"


def _pieces_of(file: BinaryIO) -> Iterator[memoryview]:
    with file:
        buffer = memoryview(bytearray(_READ_BYTES))
        while size := file.readinto(buffer):  # type: ignore[attr-defined]
            yield buffer[:size]
