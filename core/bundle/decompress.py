"""Decompression of whole bundles and of single layers, in bounded memory whatever they expand to.

All four formats are read the same way: pulled, block by block, from something with `read`. What the
compression is, the first bytes say, never the file's name.
"""

from __future__ import annotations

import bz2
import lzma
import queue
import threading
from collections.abc import Callable
from typing import BinaryIO, Protocol, cast

import zstandard
from isal import igzip_lib, isal_zlib

from core.errors import BundleCorrupt, BundleError, BundleTruncated, UnfitBundle, UnsafeBundle
from core.threads import put_unless

BLOCK_BYTES = 1 << 20
_ISAL_ERROR = cast("type[Exception]", isal_zlib.error)
_DECOMPRESSION_ERRORS = (_ISAL_ERROR, lzma.LZMAError, zstandard.ZstdError, ValueError)
_MAGICS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ\x00": "xz", b"BZh": "bzip2"}
# zstd -T0 --ultra -22 needs 128 MiB to be unpacked, xz -9 65 MiB; no writer of bundles asks more.
_MAX_WINDOW_BYTES = 128 << 20
_ZSTD_READ_BYTES = 128 << 10
_READ_BYTES = 256 << 10
# A stream may be a few bytes long (eStargz has one for each file): what is fed to one is copied
# for the next, so each begins with little.
_FIRST_FEED_BYTES = 1 << 10
_FEED_GROWTH = 4
_ZSTD_HEADER_BYTES = 18
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


class _BehindEndError(Exception):
    """What follows a whole stream is no other one."""


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
    is_zstd = compression == "zstd"
    inner = _ZstdReader(counted) if is_zstd else _StreamsReader(counted, compression)
    return _Guarded(inner, counted, label)


class _Counted:
    """The compressed bytes, counted; so it is known how much they have expanded."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self.read_bytes = 0
        self.head = b""

    def read(self, size: int = _READ_BYTES) -> bytes:
        data = self._source.read(size)
        self.read_bytes += len(data)
        if len(self.head) < _ZSTD_HEADER_BYTES:
            self.head += data[:_ZSTD_HEADER_BYTES]
        return data


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
        except _BehindEndError as error:
            raise self._goes_on() from error
        except _DECOMPRESSION_ERRORS as error:
            raise self._damaged(error) from error
        except OSError as error:
            # bz2's own errors are of this kind, without a number of the system's.
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
            window = _window_bytes(self._counted.head)
            why = f" (its window is {window >> 20} MiB)" if window > _MAX_WINDOW_BYTES else ""
            return UnfitBundle(
                f"{self._label}: needs more than {_MAX_WINDOW_BYTES >> 20} MiB of memory to "
                f"unpack{why}",
                remedy="Compress it again without --long (zstd), or with -9 at most (xz).",
            )
        return BundleCorrupt(f"{self._label}: the compressed data is damaged: {error}")

    def _goes_on(self) -> BundleError:
        return BundleCorrupt(
            f"{self._label}: the compressed data ends, and something else lies behind its end",
            remedy="What was appended to it? Cut that off, or get the bundle from its maker again.",
        )


def _window_bytes(head: bytes) -> int:
    """Return how much of what is unpacked a frame of zstd refers back to; 0 where unknown."""
    try:
        return int(zstandard.get_frame_parameters(head).window_size)
    except zstandard.ZstdError:
        return 0


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
            # The first frame's magic was seen before: this is one behind it.
            if "Unknown frame descriptor" in str(error):
                raise _BehindEndError from error
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


class _Stream(Protocol):
    """One stream on its way through a decompressor of the standard library's form."""

    @property
    def eof(self) -> bool:
        """Whether its end was seen."""

    @property
    def needs_input(self) -> bool:
        """Whether there is nothing left of what it was fed."""

    @property
    def unused_data(self) -> bytes:
        """What was fed behind its end."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return what comes out next."""


_STREAMS: dict[str, Callable[[], _Stream]] = {
    "gzip": lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP),
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_WINDOW_BYTES),
    "bzip2": bz2.BZ2Decompressor,
}


class _StreamsReader:
    """One or more gzip, xz or bzip2 streams; zeros between and behind them are padding."""

    def __init__(self, source: Readable, compression: str) -> None:
        self._source = source
        self._magic = next(magic for magic, name in _MAGICS.items() if name == compression)
        self._new_stream = _STREAMS[compression]
        self._stream = self._new_stream()
        self._feed_bytes = _FIRST_FEED_BYTES
        self._begun = b""
        self._rest = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        while True:
            if self._stream.eof and not self._begin_next():
                return b""
            feed = self._next_feed() if self._stream.needs_input else b""
            if data := self._stream.decompress(feed, size):
                return data

    def _next_feed(self) -> bytes:
        feed = self._begun or self._next_piece()
        self._begun = b""
        if not feed:
            raise EOFError("the last stream is not whole")
        return feed

    def _next_piece(self) -> bytes:
        if not self._rest:
            self._rest = memoryview(self._source.read(_READ_BYTES))
        piece, self._rest = self._rest[: self._feed_bytes], self._rest[self._feed_bytes :]
        self._feed_bytes = min(_READ_BYTES, self._feed_bytes * _FEED_GROWTH)
        return bytes(piece)

    def _begin_next(self) -> bool:
        """Begin the stream behind the one that has ended; False at the end of the source."""
        head = self._stream.unused_data.lstrip(b"\0")
        self._feed_bytes = _FIRST_FEED_BYTES
        while len(head) < len(self._magic) and (piece := self._next_piece()):
            head = (head + piece).lstrip(b"\0")
        if not head:
            return False
        if not head.startswith(self._magic):
            if self._magic.startswith(head):
                raise EOFError("of the last stream only the beginning is there")
            raise _BehindEndError
        self._stream, self._begun = self._new_stream(), head
        self._feed_bytes = _FIRST_FEED_BYTES
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
