"""The digest of what is inside a gzip stream, whatever pieces it comes in."""

from __future__ import annotations

import gzip
import hashlib
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bundle import GunzipHash
from core.errors import BundleCorrupt

MIB = 1 << 20


def digest_inside(data: bytes, step: int) -> str:
    inside = GunzipHash("b.tar: the layer 'l'")
    for start in range(0, len(data), step):
        inside.update(data[start : start + step])
    return inside.digest()


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@given(members=st.lists(st.binary(max_size=300), min_size=1, max_size=4), step=st.integers(1, 200))
@settings(deadline=None)
def test_members_in_any_pieces(members: list[bytes], step: int) -> None:
    data = b"".join(gzip.compress(member) for member in members)
    assert sha256(b"".join(members)) == digest_inside(data, step)


@pytest.mark.parametrize("size", [MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 7])
@pytest.mark.parametrize("step", [7, 1000, MIB])
def test_what_expands_a_thousandfold(size: int, step: int) -> None:
    assert sha256(bytes(size)) == digest_inside(gzip.compress(bytes(size), 9), step)


def test_a_bomb_takes_no_memory() -> None:
    data = gzip.compress(bytes(64 * MIB), 9)
    tracemalloc.start()
    try:
        digest_inside(data, MIB)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 8 * MIB


def test_every_cut_is_told() -> None:
    data = gzip.compress(b"airferry" * 10)
    for cut in range(len(data)):
        with pytest.raises(BundleCorrupt, match="ends too early"):
            digest_inside(data[:cut], 5)


@pytest.mark.parametrize("place", [-1, -5, 12])
def test_damage_is_told(place: int) -> None:
    data = bytearray(gzip.compress(b"airferry" * 100))
    data[place] ^= 0xFF
    with pytest.raises(BundleCorrupt, match="the layer 'l'"):
        digest_inside(bytes(data), 1000)


def test_junk_after_the_end_is_told() -> None:
    with pytest.raises(BundleCorrupt):
        digest_inside(gzip.compress(b"x") + b"junk", 1000)
