"""A bundle's bytes as they lie on the stick: parts one after the other, counted, summed, skipped.

Nothing is written to disk. A directory that is an OCI layout is read as if it were an archive.
"""

from __future__ import annotations

import io
import os
import select
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from core.bundle.checksums import Sum, sums_beside
from core.bundle.decompress import ReadAhead, compression_of, decompressed
from core.bundle.directory import DirectoryArchive
from core.bundle.errors import readable, without_waiting
from core.bundle.model import BundleFile
from core.bundle.parts import next_part, require_all
from core.bundle.tarstream import BLOCK, Archive, TarStream, begins_archive
from core.errors import BundleError, BundleTruncated, NotABundle

_HEAD_BYTES = BLOCK
_POLL_MS = 200
NO_WRITER_S = 5.0
"""How long a named pipe may be without anybody who writes into it."""
DESCRIPTORS = Path("/dev/fd")
"""A bundle of a path in here is a descriptor that this process inherited (standard input)."""
STDIN_TITLE = "standard input"


class RawSource:
    """The bytes of a bundle's files, one file after the other.

    Args:
        file: The bundle.
        go_on: Called before every read; raises to end the reading (how a cancel gets in).
        sums: Checksums to be compared; with any, every byte is read.
    """

    def __init__(self, file: BundleFile, go_on: Callable[[], None], sums: list[Sum]) -> None:
        self.read_bytes = 0
        self._name = file.name
        self._go_on = go_on
        self._sums = sums
        self._waiting = list(file.files)
        self._present: Path = self._waiting[0]
        self._open: BinaryIO | None = None
        self._seekable = not sums and len(self._waiting) == 1
        self._pushed_back = b""
        self._is_pipe = False

    def head(self) -> bytes:
        """Return the first bytes without taking them."""
        head = b""
        while len(head) < _HEAD_BYTES and (more := self.read(_HEAD_BYTES - len(head))):
            head += more
        self._pushed_back = head
        return head

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most `size`; empty at the end of the last file.

        Raises:
            BundleError: the file cannot be read.
        """
        if self._pushed_back:
            data, self._pushed_back = self._pushed_back[:size], self._pushed_back[size:]
            return data
        while True:
            self._go_on()
            with readable(self._present):
                file = self._file()
                data = self._awaited(file, size) if self._is_pipe else file.read(size)
            if data or not self._next_file():
                break
        self.read_bytes += len(data)
        for expected in self._sums:
            expected.update(self._present, data)
        return data

    def skip(self, size: int) -> bool:
        """Pass over bytes without reading them; False where that cannot be done.

        Raises:
            BundleTruncated: the file ends before.
        """
        if not self._seekable or self._pushed_back:
            return False
        file = self._file()
        if self._is_pipe:
            return False
        with readable(self._present):
            end = os.fstat(file.fileno()).st_size
            if file.tell() + size > end:
                raise BundleTruncated(f"{self._name}: ends in the middle, at byte {end}")
            file.seek(size, os.SEEK_CUR)
        self.read_bytes += size
        return True

    def finish(self) -> None:
        """Read what is left, and compare the checksums; nothing of the bundle counts before.

        Raises:
            BundleCorrupt: a file has another checksum than is written beside it.
        """
        while self._sums and self.read(1 << 20):
            pass
        for expected in self._sums:
            expected.compare(self._name)

    def close(self) -> None:
        """Close the file that is open."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _file(self) -> BinaryIO:
        if self._open is None:
            self._present = self._waiting.pop(0)
            with readable(self._present):
                self._open = _opened(self._present)
                self._is_pipe = not stat.S_ISREG(os.fstat(self._open.fileno()).st_mode)
        return self._open

    def _awaited(self, file: BinaryIO, size: int) -> bytes:
        """Wait until a pipe has something to read or ends, and be ready to end meanwhile.

        A named pipe that nobody has opened for writing yet looks ended to a read, and has nothing
        to tell to a poll.

        Raises:
            BundleError: nobody came to write into it.
        """
        waiting, since = select.poll(), time.monotonic()
        waiting.register(file, select.POLLIN)
        while not waiting.poll(_POLL_MS):
            self._go_on()
            if self._present.parent == DESCRIPTORS:
                continue  # was given to us open, and reading would wait
            data = file.read(size)
            if data:
                return data
            if data is None:
                since = time.monotonic()  # somebody has it open, and writes nothing yet
            elif time.monotonic() - since > NO_WRITER_S:
                raise BundleError(
                    f"{self._present}: a named pipe into which nobody writes",
                    remedy="Start what writes into it first, or name a file.",
                )
        return file.read(size)

    def _next_file(self) -> bool:
        if not self._waiting:
            return False
        self.close()
        return True


def _opened(path: Path) -> BinaryIO:
    """Open a file; one that we were given open (`/dev/fd/N`) may be a socket, which has no path."""
    if path.parent != DESCRIPTORS:
        return open(path, "rb", buffering=0, opener=without_waiting)
    file = io.FileIO(os.dup(int(path.name)))
    if file.seekable():
        file.seek(0)
    return cast("BinaryIO", file)


@dataclass
class OpenBundle:
    """A bundle that is being read: its members, and how much of it was read."""

    archive: Archive
    _raw: RawSource | DirectoryArchive

    @property
    def read_bytes(self) -> int:
        """How many bytes of the files were read or passed over."""
        return self._raw.read_bytes

    def finish(self) -> None:
        """Compare checksums, when all members were seen.

        Raises:
            BundleCorrupt: a file has another checksum than is written beside it.
        """
        self._raw.finish()


@contextmanager
def open_bundle(
    file: BundleFile, go_on: Callable[[], None] = lambda: None, *, check_sums: bool = True
) -> Iterator[OpenBundle]:
    """Open a bundle for one pass.

    Args:
        file: The bundle.
        go_on: Called before every read; raises to end the reading.
        check_sums: Compare the checksums that lie beside it; then every byte is read.

    Raises:
        BundleError: it cannot be opened.
    """
    if file.path.is_dir():
        archive = DirectoryArchive(file, go_on)
        yield OpenBundle(archive, archive)
        return
    sums = sums_beside(file) if check_sums else []
    with ExitStack() as stack, next_part_named(file):
        raw = stack.enter_context(closing(RawSource(file, go_on, sums)))
        head = raw.head()
        if file.parts:
            require_all(file.parts, first_begins_archive=begins_archive(head))
        if not head:
            raise NotABundle(f"{file.name}: the file is empty")
        compression = compression_of(head)
        if not compression:
            yield OpenBundle(TarStream(raw, file.name, raw.skip), raw)
            return
        ahead = ReadAhead(decompressed(compression, raw, file.name))
        stack.callback(ahead.close)
        yield OpenBundle(TarStream(ahead, file.name), raw)


@contextmanager
def next_part_named(file: BundleFile) -> Iterator[None]:
    """Say of a split bundle that ends too early which part would be the next."""
    try:
        yield
    except BundleTruncated as error:
        if not file.parts:
            raise
        raise BundleTruncated(
            f"{error.what} (after {file.parts[-1].name}; is there a {next_part(file.parts)}?)",
            remedy="Copy all parts of the bundle into the same directory.",
        ) from error
