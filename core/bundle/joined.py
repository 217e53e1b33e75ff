"""A bundle's files as one file that can be sought in, whole or split.

For archives that are looked into here and there (backups), where `source` reads front to back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from core.bundle.errors import readable
from core.errors import BundleTruncated


class JoinedFiles:
    """Files one after the other.

    Args:
        paths: The files.
        label: What people call them together, for messages.
        go_on: Called before every read; raises to end the reading.
    """

    def __init__(
        self, paths: Sequence[Path], label: str, go_on: Callable[[], None] = lambda: None
    ) -> None:
        self._paths = paths
        self._label = label
        self._go_on = go_on
        self._sizes: list[int] = []
        for path in paths:
            with readable(path):
                self._sizes.append(path.stat().st_size)
        self._open: tuple[int, BinaryIO] | None = None
        self.position = 0

    @property
    def size_bytes(self) -> int:
        """The size of all of them."""
        return sum(self._sizes)

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most `size`; empty at the end of the last file.

        Raises:
            BundleError: a file cannot be read.
        """
        self._go_on()
        number, offset = self.place()
        if number == len(self._paths):
            return b""
        with readable(self._paths[number]):
            file = self._file(number)
            file.seek(offset)
            data = file.read(min(size, self._sizes[number] - offset))
        if not data:
            raise BundleTruncated(f"{self._label}: a file got shorter while it was read")
        self.position += len(data)
        return data

    def skip(self, size: int) -> bool:
        """Pass over bytes without reading them.

        Raises:
            BundleTruncated: the last file ends before.
        """
        if self.position + size > self.size_bytes:
            raise BundleTruncated(f"{self._label}: ends in the middle, at byte {self.size_bytes}")
        self.position += size
        return True

    def pieces(self, offset: int, size: int, at_once: int = 1 << 20) -> Iterator[bytes]:
        """Yield so many bytes from a place on.

        Raises:
            BundleTruncated: the last file ends before.
        """
        self.position = offset
        while size:
            data = self.read(min(size, at_once))
            if not data:
                raise BundleTruncated(f"{self._label}: ends in the middle, at byte {self.position}")
            size -= len(data)
            yield data

    def close(self) -> None:
        """Close the file that is open."""
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def place(self) -> tuple[int, int]:
        """Return the number of the file in which the position is, and where it is in it."""
        offset = self.position
        for number, size in enumerate(self._sizes):
            if offset < size:
                return number, offset
            offset -= size
        return len(self._paths), 0

    def _file(self, number: int) -> BinaryIO:
        if self._open is None or self._open[0] != number:
            self.close()
            self._open = number, self._paths[number].open("rb", buffering=0)
        return self._open[1]
