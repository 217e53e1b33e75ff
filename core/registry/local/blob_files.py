"""The blobs of the DU's own registry as files: what its API cannot say, that they are still whole.

CNCF distribution asks for a blob's size only, and takes no upload of what it believes to have. So
bit rot is found, and mended, where it stores: `docker/registry/v2/blobs/sha256/ab/abcd.../data`.

Its storage of whole blobs is simple, and the same in all versions 2 and 3. What is read or put
here instead of going through it saves a copy through two sockets and a slow hash; who does so asks
the registry afterwards whether it knows the blob, and else takes the way through it.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from core.files import sync_file, write_whole
from core.registry.local.storage import LinkType, Storage

_DRAFTS = "airferry-restore"
_READ_BYTES = 1 << 20


class BlobFiles:
    """The files of a registry that stores in a directory.

    Args:
        directory: Its `registryDir`.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._storage = Storage(directory)

    def damaged(
        self, digests: Iterable[str], go_on: Callable[[], None], told: Callable[[int], None]
    ) -> Iterator[str]:
        """Yield those of the blobs that are there and are not whole, see `Storage.is_damaged`.

        Args:
            digests: The blobs to look at.
            go_on: Called again and again; raises to end it.
            told: Told the bytes of each piece that was read.

        Raises:
            OSError: this process cannot read a file.
        """
        for digest in digests:
            if self._storage.is_damaged(digest, go_on, told):
                yield digest

    def pieces(self, digest: str, size_bytes: int) -> Iterator[memoryview] | None:
        """Return a blob's bytes as they lie there; None if it is not there in that size.

        A piece is to be done with when the next one is asked for. Whether they have that digest is
        the reader's to see.

        Raises:
            OSError: the file cannot be read (when the pieces are asked for).
        """
        try:
            file = self._storage.blob_path(digest).open("rb", buffering=0)
        except OSError:
            return None
        if os.fstat(file.fileno()).st_size != size_bytes:
            file.close()
            return None
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        return _pieces_of(file)

    def put(self, repository: str, digest: str, pieces: Iterable[bytes]) -> None:
        """Store a blob as the registry would, and make it known in a repository.

        Whatever ends it before, the blob is not there under its name.

        Args:
            repository: See `Lacks.links`.
            digest: Its digest, which the pieces are to have: they raise if they have another.
            pieces: Its content.

        Raises:
            OSError: it cannot be written, or is there already.
            AirferryError: what `pieces` raised.
        """
        path = self._storage.blob_path(digest)
        if path.exists():
            raise FileExistsError(errno.EEXIST, "it is there, and the registry does not know it")
        draft = self.directory / _DRAFTS / path.parent.name
        draft.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb", buffering=0) as file:
            for piece in pieces:
                write_whole(file, piece)
            sync_file(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.rename(path)
        try:
            self._storage.put_link(self._link(repository, digest), digest)
        except OSError:
            self.take_back(repository, digest)
            raise

    def clear_drafts(self) -> None:
        """Remove what puts that were cut off have left, also those of a killed run."""
        shutil.rmtree(self.directory / _DRAFTS, ignore_errors=True)

    def take_back(self, repository: str, digest: str) -> None:
        """Remove what was put where no registry looks.

        Raises:
            OSError: it cannot be removed.
        """
        paths = [self._link(repository, digest), self._storage.blob_path(digest)]
        for path in paths:
            with suppress(FileNotFoundError, NotADirectoryError):
                path.unlink()
        for directory in (above for path in paths for above in path.parents):
            if self.directory in directory.parents:
                with suppress(OSError):  # it holds more, or another thread was faster
                    directory.rmdir()

    def remove(self, digest: str) -> None:
        """Remove a damaged blob, so that the registry takes it again.

        Raises:
            OSError: it cannot be removed.
        """
        self._storage.blob_path(digest).unlink(missing_ok=True)

    def _link(self, repository: str, digest: str) -> Path:
        return self._storage.link_path(LinkType.PART, repository, digest)


def _pieces_of(file: BinaryIO) -> Iterator[memoryview]:
    with file:
        buffer = memoryview(bytearray(_READ_BYTES))
        while size := file.readinto(buffer):  # type: ignore[attr-defined]
            yield buffer[:size]
