"""Sound bundles to begin with, in every layout and compression."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Callable, Mapping

import zstandard

from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.layouts import crane_entries, docker25_entries, docker29_entries, tar_bytes

BASE = layer_tar(1, 3000)
IMAGES = [
    ImageSpec(["quay.io/a/app:1", "quay.io/a/app:latest"], [BASE, layer_tar(2, 700)]),
    ImageSpec(["tool:2"], [BASE, bytes(1024), layer_tar(3, 400)]),
]


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(3, write_checksum=True).compress(data)


def _members(data: bytes) -> bytes:
    half = len(data) // 2
    return gzip.compress(data[:half], 1) + gzip.compress(data[half:], 1)


LAYOUTS: Mapping[str, bytes] = {
    "docker": docker_archive(IMAGES),
    "docker-gzip-layers": docker_archive(IMAGES, gzip_layers=True),
    "crane": tar_bytes(crane_entries(IMAGES)),
    "docker25": tar_bytes(docker25_entries(IMAGES)),
    "docker29": tar_bytes(docker29_entries(IMAGES[0], "quay.io/a/app:1")),
    "pax": tar_bytes(docker25_entries(IMAGES), tar_format=2),
}
COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": lambda data: gzip.compress(data, 1),
    "members": _members,
    "zstd": _zstd,
    "xz": lambda data: lzma.compress(data, preset=0),
    "bzip2": bz2.compress,
}


def unpacked(data: bytes, limit_bytes: int) -> bytes:
    """Return what is inside, by the standard library's readers; the data itself if it is plain."""
    try:
        if data[:2] == b"\x1f\x8b":
            return gzip.decompress(data)[:limit_bytes]
        if data[:3] == b"BZh":
            return bz2.decompress(data)[:limit_bytes]
        if data[:6] == b"\xfd7zXZ\0":
            return lzma.decompress(data)[:limit_bytes]
        if data[:4] == b"\x28\xb5\x2f\xfd":
            reader = zstandard.ZstdDecompressor().stream_reader(
                io.BytesIO(data), read_across_frames=True
            )
            return reader.read(limit_bytes)
    except (OSError, EOFError, ValueError, lzma.LZMAError, zstandard.ZstdError):
        return b""
    return data
