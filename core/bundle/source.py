"""A bundle's bytes, front to back: counted as they are read, decompressed on the way.

What the compression is, the first bytes say, never the file's name. Nothing is written to disk.
"""

from __future__ import annotations

import bz2
import io
import lzma
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from isal import igzip_threaded

from core.bundle.gunzip import IsalError
from core.errors import BundleCorrupt, BundleError, BundleTruncated, NotABundle

READ_SIZE = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
XZ_MAGIC = b"\xfd7zXZ\x00"
BZIP2_MAGIC = b"BZh"


def compression_of(head: bytes) -> str:
    """Return `gzip`, `zstd`, `xz`, `bzip2`, or an empty string for none of these.

    Args:
        head: At least the first six bytes.
    """
    magics = {GZIP_MAGIC: "gzip", ZSTD_MAGIC: "zstd", XZ_MAGIC: "xz", BZIP2_MAGIC: "bzip2"}
    return next((name for magic, name in magics.items() if head.startswith(magic)), "")


class CountedFile(io.RawIOBase):
    """A file that counts what was read of it and asks before each read whether to go on.

    Args:
        path: The bundle.
        go_on: Called before every read; raises to end the reading (how a cancel gets in).
    """

    def __init__(self, path: Path, go_on: Callable[[], None]) -> None:
        self._file: BinaryIO = path.open("rb", buffering=0)
        self._go_on = go_on
        self.size_bytes = os.fstat(self._file.fileno()).st_size
        self.read_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        self._go_on()
        count = cast("io.FileIO", self._file).readinto(buffer)  # type: ignore[arg-type]
        self.read_bytes += count or 0
        return count or 0

    def close(self) -> None:
        self._file.close()
        super().close()


class BundleStream:
    """The decompressed bytes; what goes wrong in reading them becomes one of our errors.

    Only the reading: what else fails while a bundle is open is not the bundle's fault.

    Args:
        path: The bundle.
        stream: Its decompressed bytes.
    """

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self._path = path
        self._stream = stream

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`; empty at the end.

        Raises:
            BundleTruncated, BundleCorrupt: from the decompression.
            BundleError: the file cannot be read.
        """
        with readable(self._path):
            return self._stream.read(size)


@contextmanager
def open_bundle(
    path: Path, go_on: Callable[[], None] = lambda: None
) -> Iterator[tuple[BundleStream, CountedFile]]:
    """Open a bundle for one pass: the decompressed stream, and the file that counts bytes read.

    Raises:
        BundleError: the file cannot be opened, or is compressed in a way that is not read.
    """
    with readable(path):
        file = CountedFile(path, go_on)
    with file:
        with readable(path):
            head = file.read(6) or b""
            file._file.seek(0)
        file.read_bytes = 0
        if not head:
            raise NotABundle(f"{path.name}: the file is empty")
        with _decompressed(path, file, compression_of(head)) as stream:
            yield BundleStream(path, stream), file


def _decompressed(path: Path, file: CountedFile, compression: str) -> BinaryIO:
    if compression == "gzip":
        return cast("BinaryIO", igzip_threaded.open(file, "rb", threads=1, block_size=READ_SIZE))
    if compression == "xz":
        return cast("BinaryIO", lzma.LZMAFile(cast("BinaryIO", file)))
    if compression == "bzip2":
        return cast("BinaryIO", bz2.BZ2File(cast("BinaryIO", file)))
    if compression == "zstd":
        raise BundleError(
            f"{path.name}: compressed with zstd, which this version does not read",
            remedy="Unpack it first: zstd -d FILE",
        )
    return cast("BinaryIO", file)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the system and the decompressors raise while `path` is read into our errors."""
    try:
        yield
    except EOFError as error:
        raise BundleTruncated(f"{path.name}: the compressed data ends too early") from error
    except (IsalError, lzma.LZMAError, ValueError) as error:
        raise BundleCorrupt(f"{path.name}: the compressed data is damaged: {error}") from error
    except OSError as error:
        if error.errno is None:
            raise BundleCorrupt(f"{path.name}: the compressed data is damaged: {error}") from error
        raise BundleError(
            f"{path}: cannot be read: {error.strerror}",
            remedy="Is the stick still in and readable? Then run the same command again.",
        ) from error
