"""Decompression of whole bundles and of single layers, in bounded memory whatever they expand to.

All four formats are read the same way: pulled, block by block, from something with `read`. What the
compression is, the first bytes say, never the file's name.
"""

from __future__ import annotations

import bz2
import lzma
import queue
import threading
from typing import BinaryIO, Protocol, cast

import zstandard
from isal import igzip, isal_zlib

from core.errors import BundleCorrupt, BundleError, BundleTruncated, UnsafeBundle
from core.threads import put_unless

BLOCK_BYTES = 1 << 20
_ISAL_ERROR = cast("type[Exception]", isal_zlib.error)
_DECOMPRESSION_ERRORS = (_ISAL_ERROR, lzma.LZMAError, zstandard.ZstdError, ValueError)
_MAGICS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ\x00": "xz", b"BZh": "bzip2"}
# zstd -T0 --ultra -22 needs 128 MiB to be unpacked, xz -9 65 MiB; no writer of bundles asks more.
_MAX_WINDOW_BYTES = 128 << 20
_ZSTD_READ_BYTES = 128 << 10
_READ_BYTES = 256 << 10
# Beyond this many bytes, more than this many for one is a bomb: gzip cannot go beyond 1032.
_BOMB_BYTES = 8 << 30
_BOMB_RATIO = 2000
_QUEUE_BLOCKS = 4


class Readable(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most `size`; empty at the end."""


def compression_of(head: bytes) -> str:
    """Return `gzip`, `zstd`, `xz`, `bzip2`, or an empty string for none of these.

    Args:
        head: At least the first six bytes.
    """
    # A frame to be skipped (RFC 8878, 3.1.2): pzstd begins its files with one.
    if head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50:
        return "zstd"
    return next((name for magic, name in _MAGICS.items() if head.startswith(magic)), "")


def decompressed(compression: str, source: Readable, label: str) -> Readable:
    """Return what is inside a compressed source; several members or frames are read as one.

    Args:
        compression: As `compression_of` tells; an empty string returns the source itself.
        source: The compressed bytes.
        label: What is being read, for messages.

    Returns:
        Something whose `read` raises BundleTruncated, BundleCorrupt, UnsafeBundle (for a bomb), and
        what the source raises.
    """
    if not compression:
        return source
    counted = _Counted(source)
    inner: Readable
    if compression == "gzip":
        inner = igzip.IGzipFile(fileobj=cast("BinaryIO", counted))
    elif compression == "zstd":
        inner = _ZstdReader(counted)
    else:
        inner = _StreamsReader(counted, compression)
    return _Guarded(inner, counted, label)


class _Counted:
    """The compressed bytes, counted; so it is known how much they have expanded."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self.read_bytes = 0

    def read(self, size: int = _READ_BYTES) -> bytes:
        data = self._source.read(size)
        self.read_bytes += len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Guarded:
    """What comes out, with an eye on how much that is for what went in."""

    def __init__(self, inner: Readable, counted: _Counted, label: str) -> None:
        self._inner = inner
        self._counted = counted
        self._label = label
        self._out_bytes = 0

    def read(self, size: int, /) -> bytes:
        try:
            data = self._inner.read(size)
        except EOFError as error:
            raise BundleTruncated(f"{self._label}: the compressed data ends too early") from error
        except _DECOMPRESSION_ERRORS as error:
            raise self._damaged(error) from error
        except OSError as error:
            # The gzip reader's own errors are of this kind, without a number of the system's.
            raise self._damaged(error) if error.errno is None else error from error
        self._out_bytes += len(data)
        if self._out_bytes > max(_BOMB_BYTES, _BOMB_RATIO * self._counted.read_bytes):
            raise UnsafeBundle(
                f"{self._label}: {self._counted.read_bytes} bytes unpack to more than "
                f"{self._out_bytes}: a decompression bomb"
            )
        return data

    def _damaged(self, error: Exception) -> BundleError:
        if "memory" in str(error).lower():
            return UnsafeBundle(
                f"{self._label}: needs more than {_MAX_WINDOW_BYTES >> 20} MiB of memory to unpack",
                remedy="Compress it again without --long (zstd), or with -9 at most (xz).",
            )
        return BundleCorrupt(f"{self._label}: the compressed data is damaged: {error}")


class _ZstdReader:
    """Frames of zstd (RFC 8878), and the certainty that the last one was whole."""

    def __init__(self, source: Readable) -> None:
        self._input = _WithSentinel(source)
        decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
        # No reference from the input back to this object: the library's objects take no part in
        # Python's collection of cycles, and would never be freed.
        self._frames = decompressor.stream_reader(
            cast("BinaryIO", self._input), read_size=_ZSTD_READ_BYTES, read_across_frames=True
        )

    def read(self, size: int, /) -> bytes:
        try:
            return self._frames.read(size)
        except zstandard.ZstdError as error:
            if self._input.ended:
                raise EOFError("the last frame is not whole") from error
            raise


class _WithSentinel:
    """The compressed bytes, and one more frame, to be skipped, behind them.

    The library takes the end of the input in the middle of a frame for the end of the data. Where
    the last frame is whole the sentinel changes nothing; inside of one it can be neither a block
    nor a checksum, and the library says so.
    """

    _SENTINEL = b"\x50\x2a\x4d\x18" + (192 << 10).to_bytes(4, "little") + b"\xff" * (192 << 10)

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._left = self._SENTINEL
        self.ended = False

    def read(self, size: int) -> bytes:
        if not self.ended and (data := self._source.read(size)):
            return data
        self.ended = True
        data, self._left = self._left[:size], self._left[size:]
        return data


class _StreamsReader:
    """One or more xz or bzip2 streams; zeros between and behind them are padding."""

    def __init__(self, source: Readable, compression: str) -> None:
        self._source = source
        self._compression = compression
        self._stream = self._new_stream()
        self._rest = b""

    def _new_stream(self) -> lzma.LZMADecompressor | bz2.BZ2Decompressor:
        if self._compression == "xz":
            return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_WINDOW_BYTES)
        return bz2.BZ2Decompressor()

    def read(self, size: int, /) -> bytes:
        while True:
            if self._stream.eof and not self._begin_next():
                return b""
            if self._stream.needs_input and not self._rest:
                self._rest = self._source.read(_READ_BYTES)
                if not self._rest:
                    raise EOFError("the last stream is not whole")
            feed, self._rest = self._rest, b""
            data = self._stream.decompress(feed, size)
            if data:
                return data

    def _begin_next(self) -> bool:
        rest = self._stream.unused_data.lstrip(b"\0")
        while not rest:
            more = self._source.read(_READ_BYTES)
            if not more:
                return False
            rest = more.lstrip(b"\0")
        self._stream, self._rest = self._new_stream(), rest
        return True


class ReadAhead:
    """Reads from another thread, a few blocks ahead: decompression goes on beside the hashing.

    Args:
        source: Read by that thread only, from now on.
    """

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._blocks: queue.Queue[bytes | BaseException] = queue.Queue(_QUEUE_BLOCKS)
        self._closed = threading.Event()
        self._block = b""
        self._end: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="unpack", daemon=True)
        self._thread.start()

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most `size` and at most a block."""
        if not self._block and not self._ended():
            self._take()
        data, self._block = self._block[:size], self._block[size:]
        return data

    def _ended(self) -> bool:
        if self._end is not None and not isinstance(self._end, StopIteration):
            raise self._end
        return self._end is not None

    def _take(self) -> None:
        block = self._blocks.get()
        if isinstance(block, bytes):
            self._block = block
        else:
            self._end = block
            self._ended()

    def close(self) -> None:
        """End the thread, also when not all was read."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while block := self._source.read(BLOCK_BYTES):
                if not self._put(block):
                    return
            self._put(StopIteration())
        except BaseException as error:  # noqa: BLE001 - handed to the reader as it is
            self._put(error)

    def _put(self, block: bytes | BaseException) -> bool:
        return put_unless(self._blocks, block, self._closed.is_set)
