"""Chunks packed by themselves and joined are one ordinary gzip member."""

from __future__ import annotations

import gzip
import io
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bundle.layers import CHUNK_BYTES
from core.registry.imports import parallel_gzip as pack


def packed(data: bytes, chunk_bytes: int = CHUNK_BYTES, level: int = pack.LEVEL) -> bytes:
    chunks = [data[start : start + chunk_bytes] for start in range(0, len(data), chunk_bytes)]
    crc = 0
    for chunk in chunks:
        crc = pack.checksum(chunk, crc)
    blocks = b"".join(pack.deflate(chunk, level) for chunk in chunks)
    return pack.HEADER + blocks + pack.trailer(crc, len(data))


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311 - test data, no secret


@pytest.mark.parametrize("off", [-1, 0, 1])
@pytest.mark.parametrize("chunks", [1, 2])
@pytest.mark.parametrize("kind", ["zeros", "noise", "text"])
def test_around_the_borders_of_chunks(off: int, chunks: int, kind: str) -> None:
    size = chunks * CHUNK_BYTES + off
    data = {"zeros": bytes(size), "noise": noise(size), "text": (b"airferry " * size)[:size]}[kind]
    assert data == gzip.decompress(packed(data))


@given(
    data=st.binary(max_size=5000) | st.integers(0, 5000).map(noise),
    chunk_bytes=st.integers(1, 700),
    level=st.integers(0, 3),
)
@settings(max_examples=150, deadline=None)
def test_any_data_in_chunks_of_any_size_at_any_level(
    data: bytes, chunk_bytes: int, level: int
) -> None:
    assert data == gzip.decompress(packed(data, chunk_bytes, level))


def test_the_hardest_level_packs_better_than_the_lightest() -> None:
    text = b"".join(f"line {number} of a log, {number % 7}\n".encode() for number in range(20_000))
    lightest, hardest = (len(packed(text, level=level)) for level in (0, 3))
    assert hardest < lightest


@pytest.mark.parametrize("size", [0, 1, 511, 512, 1024])
def test_small_layers(size: int) -> None:
    assert bytes(size) == gzip.decompress(packed(bytes(size)))


def test_one_member_and_nothing_after_it() -> None:
    """Some readers take the first member only (intel/isa-l#143)."""
    data = noise(3000) * 3
    unpacker = zlib.decompressobj(31)
    assert data == unpacker.decompress(packed(data, 1000))
    assert (True, b"") == (unpacker.eof, unpacker.unused_data)


def test_the_same_layer_always_gives_the_same_bytes() -> None:
    data = noise(2000, 2) + bytes(5000)
    assert packed(data, 700) == packed(data, 700)


def test_the_header_tells_no_time_and_no_name() -> None:
    with gzip.GzipFile(fileobj=io.BytesIO(packed(b"x"))) as file:
        assert b"x" == file.read()
        assert 0 == file.mtime
    assert 0 == packed(b"x")[3]


def test_a_length_beyond_four_gigabytes_is_told_modulo() -> None:
    assert (5).to_bytes(4, "little") == pack.trailer(0, (1 << 32) + 5)[-4:]


def test_what_can_be_packed_gets_smaller() -> None:
    assert len(packed(bytes(CHUNK_BYTES))) < CHUNK_BYTES // 50
