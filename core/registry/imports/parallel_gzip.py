"""Gzip made by all cores at once, as one ordinary member.

A layer is cut into chunks of 1 MiB. Each becomes raw deflate blocks that end on a byte boundary and
are not final (a sync flush), so the pieces joined in order, between a gzip header and a final empty
block with CRC-32 and length (RFC 1952), are one member that every reader takes. Several members
would be simpler, but not every reader takes those (intel/isa-l#143). The header carries no time, so
the same layer always gives the same digest.
"""

from __future__ import annotations

import struct

from isal import isal_zlib

LEVEL = 1
HEADER = bytes.fromhex("1f8b08000000000000ff")
_LAST_BLOCK = b"\x03\x00"


def deflate(chunk: bytes, level: int = LEVEL) -> bytes:
    """Return one chunk as deflate blocks that can be joined to others.

    Args:
        chunk: About a mebibyte of the layer.
        level: How hard to compress, 0 to 3.
    """
    packer = isal_zlib.compressobj(level, isal_zlib.DEFLATED, -15)
    packed: bytes = packer.compress(chunk) + packer.flush(isal_zlib.Z_SYNC_FLUSH)
    return packed


def checksum(chunk: bytes, so_far: int = 0) -> int:
    """Return the CRC-32 of everything up to and including this chunk."""
    crc: int = isal_zlib.crc32(chunk, so_far)
    return crc


def trailer(crc: int, size_bytes: int) -> bytes:
    """Return what ends the member: the final block, the CRC-32 and the length modulo 2^32."""
    return _LAST_BLOCK + struct.pack("<II", crc, size_bytes & 0xFFFFFFFF)
