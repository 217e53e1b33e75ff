"""A layer as it comes by: its bytes, what is inside, and the digests of both."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bundle.layers import CHUNK_BYTES, LayerDigests, LayerStream
from core.bundle.tarstream import BLOCK, Member, TarStream
from core.errors import BundleCorrupt, BundleTruncated
from tests.support.archives import digest_of
from tests.support.layouts import Entry, packed, tar_bytes
from tests.support.oci import zstd_packed

MIB = 1 << 20
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": packed,
    "zstd": zstd_packed,
}


def stream_of(layer: bytes, *, head_bytes: int = BLOCK) -> LayerStream:
    """Return the layer, the one member of an archive, of which the first bytes were read."""
    archive = TarStream(io.BytesIO(tar_bytes([Entry("l", layer)])), "b.tar")
    member: Member = next(iter(archive))
    return LayerStream(archive, member, archive.read(head_bytes), "b.tar")


def nothing() -> None:
    """Do nothing when bytes have moved."""


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("size", [1, 511, BLOCK, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 1])
def test_digests_of_the_blob_and_of_what_is_inside(kind: str, size: int) -> None:
    content = (b"airferry" * size)[:size]
    blob = PACKERS[kind](content)
    stream = stream_of(blob)
    assert kind == stream.compression
    assert LayerDigests(digest_of(blob), digest_of(content)) == stream.digests(nothing)


@pytest.mark.parametrize("kind", PACKERS)
def test_chunks(kind: str) -> None:
    blob = PACKERS[kind](bytes(3 * CHUNK_BYTES) + b"x")
    assert blob == b"".join(stream_of(blob).raw_chunks())
    raw: list[bytes] = []
    plain = list(stream_of(blob).plain_chunks(raw.append))
    assert bytes(3 * CHUNK_BYTES) + b"x" == b"".join(plain)
    assert blob == b"".join(raw)
    assert {True} == {len(chunk) <= CHUNK_BYTES for chunk in (*raw, *plain)}


def test_the_first_chunk_can_be_seen_before() -> None:
    layer = bytes(CHUNK_BYTES) + b"more"
    stream = stream_of(layer)
    assert bytes(CHUNK_BYTES) == stream.first_chunk
    assert layer == b"".join(stream.raw_chunks())


def test_progress_is_told_while_it_is_read() -> None:
    told = []
    stream_of(bytes(3 * CHUNK_BYTES)).digests(lambda: told.append(1))
    assert 3 == len(told)


@given(
    members=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    padding=st.sampled_from([0, 8, 512]),
)
@settings(max_examples=50, deadline=None)
def test_several_gzip_members_and_what_stands_behind_them(
    members: list[bytes], padding: int
) -> None:
    """Padding is no content, but it is part of the blob."""
    blob = b"".join(gzip.compress(member) for member in members) + bytes(padding)
    found = stream_of(blob).digests(nothing)
    assert LayerDigests(digest_of(blob), digest_of(b"".join(members))) == found


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_bomb_takes_no_memory(kind: str) -> None:
    blob = PACKERS[kind](bytes(64 * MIB))
    stream = stream_of(blob)
    tracemalloc.start()
    try:
        stream.digests(nothing)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 16 * MIB


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_every_cut_within_the_compressed_data_is_told(kind: str) -> None:
    blob = PACKERS[kind](b"airferry" * 100)
    for cut in range(6, len(blob)):
        with pytest.raises(BundleTruncated, match="the layer 'l': the compressed data ends"):
            stream_of(blob[:cut]).digests(nothing)


@pytest.mark.parametrize("place", [-1, -5, 12])
def test_damage_is_told(place: int) -> None:
    blob = bytearray(packed(b"airferry" * 100))
    blob[place] ^= 0xFF
    with pytest.raises(BundleCorrupt, match=r"b\.tar: the layer 'l': the compressed data"):
        stream_of(bytes(blob)).digests(nothing)


def test_junk_after_the_end_is_told() -> None:
    with pytest.raises(BundleCorrupt, match="the layer 'l'"):
        stream_of(packed(b"x") + b"junk and more").digests(nothing)


@pytest.mark.parametrize("kind", ["", "gzip"])
def test_an_archive_that_ends_within_the_layer(kind: str) -> None:
    blob = PACKERS[kind](bytes(range(256)) * 20_000)
    data = tar_bytes([Entry("l", blob)])[: BLOCK + len(blob) - 100]
    archive = TarStream(io.BytesIO(data), "b.tar")
    member = next(iter(archive))
    head = archive.read(BLOCK)
    with pytest.raises(BundleTruncated):
        LayerStream(archive, member, head, "b.tar").digests(nothing)
