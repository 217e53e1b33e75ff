"""Four compressions pulled through one reader: whole, cut, damaged, and made to do harm."""

from __future__ import annotations

import bz2
import gc
import gzip
import io
import lzma
import random
import struct
import threading
import tracemalloc
import weakref
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bundle import decompress as decompress_module
from core.bundle.decompress import BLOCK_BYTES, ReadAhead, compression_of, decompressed
from core.errors import BundleCorrupt, BundleError, BundleTruncated, UnsafeBundle
from tests.support.waiting import HANG_S

MIB = 1 << 20
SKIPPABLE = b"\x50\x2a\x4d\x18" + struct.pack("<I", 4) + b"\0\1\2\3"


def zstd(data: bytes, *, checksum: bool = True, size: bool = True) -> bytes:
    packer = zstandard.ZstdCompressor(3, write_checksum=checksum, write_content_size=size)
    return packer.compress(data)


def zstd_stream(data: bytes) -> bytes:
    """Return a frame that does not say how much is in it, as `zstd` makes one out of a pipe."""
    packer = zstandard.ZstdCompressor(3, write_checksum=True).compressobj()
    return packer.compress(data) + packer.flush()


ONE: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 9, mtime=0),
    "zstd": zstd,
    "zstd out of a pipe": zstd_stream,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}
ANY = {
    **ONE,
    "zstd without a checksum": lambda data: zstd(data, checksum=False),
    "zstd without a size": lambda data: zstd(data, size=False),
    "zstd behind a skippable frame": lambda data: SKIPPABLE + zstd(data),
    "zstd before a skippable frame": lambda data: zstd(data) + SKIPPABLE,
    "xz with another check": lambda data: lzma.compress(data, check=lzma.CHECK_SHA256),
    "xz and padding": lambda data: lzma.compress(data) + bytes(8),
    "gzip and padding": lambda data: gzip.compress(data) + bytes(700),
    "bzip2 and padding": lambda data: bz2.compress(data) + bytes(512),
}
FORMATS = ("gzip", "zstd", "xz", "bzip2")


class Trickle(io.BytesIO):
    """Gives a few bytes at a time, as a pipe may."""

    def __init__(self, data: bytes, step: int) -> None:
        super().__init__(data)
        self._step = step

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(self._step, size or 0))


def unpacked(kind: str, data: bytes, *, size: int = MIB, step: int = MIB) -> bytes:
    """Return what is inside, read `size` bytes at a time from a source that gives `step`."""
    inside = decompressed(kind.split()[0], Trickle(data, step), "b.tar")
    return b"".join(iter(lambda: inside.read(size), b""))


def noise(size: int) -> bytes:
    return random.Random(1).randbytes(size)  # noqa: S311 - test data, no secret


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (SKIPPABLE, "zstd"),
        (b"\x5f\x2a\x4d\x18", "zstd"),
        (b"\xfd7zXZ\0", "xz"),
        (b"BZh9", "bzip2"),
        (b"manifest", ""),
        (b"\x60\x2a\x4d\x18", ""),
        (b"", ""),
        (b"\x1f", ""),
    ],
)
def test_compression_is_told_by_the_first_bytes(head: bytes, name: str) -> None:
    assert name == compression_of(head)


def test_what_is_not_compressed_is_read_as_it_is() -> None:
    source = io.BytesIO(b"x")
    assert source is decompressed("", source, "b.tar")


@pytest.mark.parametrize("kind", ANY)
@given(
    pieces=st.lists(st.binary(max_size=300), min_size=1, max_size=3),
    size=st.integers(1, 700),
    step=st.integers(1, 200),
)
@settings(max_examples=15, deadline=None)
def test_members_streams_and_frames_are_read_as_one(
    kind: str, pieces: list[bytes], size: int, step: int
) -> None:
    data = b"".join(map(ANY[kind], pieces))
    assert b"".join(pieces) == unpacked(kind, data, size=size, step=step)


@pytest.mark.parametrize("kind", ONE)
@pytest.mark.parametrize("size", [MIB - 1, MIB, MIB + 1, 3 * MIB + 7])
def test_what_expands_a_thousandfold(kind: str, size: int) -> None:
    assert bytes(size) == unpacked(kind, ONE[kind](bytes(size)), step=1000)


@pytest.mark.parametrize("kind", ONE)
@pytest.mark.parametrize("content", [b"", b"airferry" * 10, noise(400), bytes(300_000)])
def test_every_cut_is_told(kind: str, content: bytes) -> None:
    data = ONE[kind](content)
    for cut in range(6, len(data)):
        with pytest.raises(BundleTruncated, match=r"b\.tar: the compressed data ends too early"):
            unpacked(kind, data[:cut])


@pytest.mark.parametrize("kind", ONE)
def test_a_cut_in_the_second_one_is_told(kind: str) -> None:
    first, second = ONE[kind](b"first" * 100), ONE[kind](b"second" * 100)
    for cut in range(1, len(second)):
        with pytest.raises(BundleError, match=r"b\.tar: the compressed data"):
            unpacked(kind, first + second[:cut])


def test_cuts_in_a_frame_of_many_blocks() -> None:
    data = zstd(noise(400_000))
    borders = [6 + number * (3 + (128 << 10)) + off for number in range(3) for off in range(-4, 5)]
    for cut in (place for place in borders if place > 4):
        with pytest.raises(BundleTruncated):
            unpacked("zstd", data[:cut])


@pytest.mark.parametrize("kind", ONE)
@pytest.mark.parametrize("content", [b"airferry" * 10, noise(300), noise(50) + bytes(90_000)])
def test_flipped_bits_are_told_or_change_nothing(kind: str, content: bytes) -> None:
    data = ONE[kind](content)
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 8
        try:
            found = unpacked(kind, bytes(flipped))
        except BundleError:
            continue
        # A second magic that is damaged makes a frame one to be skipped: then nothing is left.
        assert found in (content, b"")


@pytest.mark.parametrize("kind", ONE)
def test_junk_behind_the_end_is_told(kind: str) -> None:
    with pytest.raises(BundleError, match=r"b\.tar: the compressed data"):
        unpacked(kind, ONE[kind](b"x") + b"junk and more of it")


@pytest.mark.parametrize("kind", FORMATS)
def test_what_the_source_raises_comes_through(kind: str) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(min(100, size or 0))
            if not data:
                raise OSError(5, "Input/output error")
            return data

    inside = decompressed(kind, Broken(ONE[kind](noise(5000))[:-20]), "b.tar")
    with pytest.raises(OSError, match="Input/output error"):
        list(iter(lambda: inside.read(MIB), b""))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_bomb_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompress_module, "_BOMB_BYTES", 2 * MIB)
    monkeypatch.setattr(decompress_module, "_BOMB_RATIO", 100)
    with pytest.raises(UnsafeBundle, match=r"b\.tar: .* a decompression bomb"):
        unpacked(kind, ONE[kind](bytes(4 * MIB)), size=MIB // 4)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_bomb_behind_much_else_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompress_module, "_BOMB_BYTES", 2 * MIB)
    monkeypatch.setattr(decompress_module, "_BOMB_RATIO", 10)
    with pytest.raises(UnsafeBundle, match="bomb"):
        unpacked(kind, ONE[kind](noise(MIB // 2)) + ONE[kind](bytes(8 * MIB)))


@pytest.mark.parametrize("kind", FORMATS)
def test_much_of_what_does_not_expand_is_no_bomb(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decompress_module, "_BOMB_BYTES", 1000)
    monkeypatch.setattr(decompress_module, "_BOMB_RATIO", 3)
    assert noise(MIB) == unpacked(kind, ONE[kind](noise(MIB)))


@pytest.mark.parametrize("kind", ONE)
def test_what_expands_takes_no_memory(kind: str) -> None:
    data = ONE[kind](bytes(48 * MIB))
    inside = decompressed(kind.split()[0], io.BytesIO(data), "b.tar")
    tracemalloc.start()
    try:
        while inside.read(MIB):
            pass
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 16 * MIB  # of which xz has 8 as its dictionary


@pytest.mark.parametrize("kind", FORMATS)
def test_a_reader_that_is_let_go_is_freed(kind: str) -> None:
    """A verify of many layers makes many readers, each with a window of megabytes."""
    source = Trickle(ONE[kind](noise(5000)), 100)
    inside = decompressed(kind, source, "b.tar")
    assert b"" != inside.read(1000)
    left = weakref.ref(source)
    del source, inside
    gc.collect()
    assert None is left()


def zstd_frame(window_log: int) -> bytes:
    """Return a frame that claims a window of so many bytes and holds `x`."""
    return b"\x28\xb5\x2f\xfd\0" + bytes([(window_log - 10) << 3]) + b"\x09\0\0x"


def zstd_frame_in_one_piece(size: int) -> bytes:
    """Return a frame of which all must be held at once, as it says."""
    return b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", size) + b"\x09\0\0x"


def xz_with_dictionary(size_code: int) -> bytes:
    """Return a stream that claims another dictionary than it needs; 40 is 4 GiB."""
    data = bytearray(lzma.compress(b"x"))
    assert b"\x02\0\x21\x01" == data[12:16]
    data[16] = size_code
    data[20:24] = struct.pack("<I", zlib.crc32(data[12:20]))
    return bytes(data)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("zstd", zstd_frame(10)),
        pytest.param("zstd", zstd_frame(27), id="zstd --ultra -22"),
        ("xz", xz_with_dictionary(0)),
        pytest.param("xz", xz_with_dictionary(28), id="xz -9"),
    ],
)
def test_windows_that_real_writers_use_are_taken(kind: str, data: bytes) -> None:
    assert b"x" == unpacked(kind, data)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        pytest.param("zstd", zstd_frame(28), id="zstd --long=28"),
        pytest.param("zstd", zstd_frame(31), id="zstd --long=31"),
        pytest.param("zstd", zstd_frame_in_one_piece(1 << 40), id="zstd in one piece"),
        pytest.param("xz", xz_with_dictionary(32), id="xz 256 MiB"),
        pytest.param("xz", xz_with_dictionary(40), id="xz 4 GiB"),
    ],
)
def test_windows_beyond_measure_are_refused_for_what_they_are(kind: str, data: bytes) -> None:
    """Nothing is damaged, and to copy it once more would not help."""
    with pytest.raises(BundleError, match=r"b\.tar: .*[Mm]emory") as caught:
        unpacked(kind, data)
    assert not isinstance(caught.value, BundleCorrupt)
    assert BundleError.remedy_text != caught.value.remedy


def readers() -> int:
    return sum(thread.name == "unpack" for thread in threading.enumerate())


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=50), max_size=12),
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=5),
)
@settings(max_examples=30, deadline=None)
def test_reading_ahead_changes_nothing(pieces: list[bytes], sizes: list[int]) -> None:
    waiting = list(pieces)

    class Source:
        def read(self, size: int, /) -> bytes:
            assert BLOCK_BYTES == size
            return waiting.pop(0) if waiting else b""

    ahead = ReadAhead(Source())
    found = b""
    for number in range(1000):
        piece = ahead.read(sizes[number % len(sizes)])
        if not piece:
            break
        found += piece
    assert (b"".join(pieces), b"") == (found, ahead.read(1))
    ahead.close()


def test_an_error_ahead_comes_after_the_data_before_it_and_stays() -> None:
    class Source:
        waiting = (b"first", b"second")

        def read(self, _size: int, /) -> bytes:
            if not self.waiting:
                raise BundleTruncated("ends")
            data, self.waiting = self.waiting[0], self.waiting[1:]  # type: ignore[assignment]
            return data

    ahead = ReadAhead(Source())
    assert [b"first", b"second"] == [ahead.read(100), ahead.read(100)]
    for _ in range(2):
        with pytest.raises(BundleTruncated):
            ahead.read(100)
    ahead.close()


def test_reading_ahead_is_bounded_and_ends_when_it_is_closed() -> None:
    class Endless:
        blocks = 0
        enough = threading.Event()

        def read(self, size: int, /) -> bytes:
            self.blocks += 1
            if self.blocks > 4:
                self.enough.set()
            return bytes(size)

    source = Endless()
    before = readers()
    ahead = ReadAhead(source)
    assert source.enough.wait(HANG_S)
    ahead.close()
    assert before == readers()
    assert source.blocks <= 7
