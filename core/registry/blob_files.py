"""The blobs of the DU's own registry as files: what its API cannot say, that they are still whole.

CNCF distribution asks for a blob's size only, and takes no upload of what it believes to have. So
bit rot is found, and mended, where it stores: `docker/registry/v2/blobs/sha256/ab/abcd.../data`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

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

    def remove(self, digest: str) -> None:
        """Remove a damaged blob, so that the registry takes it again.

        Raises:
            OSError: it cannot be removed.
        """
        self._path(digest).unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        hexadecimal = digest.removeprefix("sha256:")
        return self._blobs / hexadecimal[:2] / hexadecimal / "data"
