"""One layer as it comes by: its raw bytes, what is inside, and the digests of both."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from core.bundle.decompress import ReadAhead, compression_of, decompressed
from core.bundle.tarstream import Archive, Member

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class LayerDigests:
    """What a layer turned out to be: the digest of it as it stands, and that of its tar."""

    source_digest: str
    diff_id: str


class LayerStream:
    """The content of the present member of an archive, which is a layer.

    Args:
        archive: The bundle.
        member: The layer's member.
        head: The bytes of it that were read already.
        label: The bundle's name, for messages.
    """

    def __init__(self, archive: Archive, member: Member, head: bytes, label: str) -> None:
        self.member = member
        self.name = f"{label}: the layer {member.name!r}"
        self.compression = compression_of(head)
        self._archive = archive
        self._next = self._filled(head)

    @property
    def first_chunk(self) -> bytes:
        """The first chunk, without taking it."""
        return self._next

    def raw_chunks(self) -> Iterator[bytes]:
        """Yield the layer as it stands in the bundle."""
        while chunk := self._take():
            yield chunk

    def plain_chunks(self, passed: Callable[[bytes], object] = len) -> Iterator[bytes]:
        """Yield the layer's tar.

        Args:
            passed: Called with every raw chunk, in order.

        Raises:
            BundleCorrupt, BundleTruncated: it is not what its first bytes say.
        """
        inside = decompressed(self.compression, _Tee(self, passed), self.name)
        with contextlib.ExitStack() as stack:
            if self.compression:
                inside = ReadAhead(inside)
                stack.callback(inside.close)
            while chunk := inside.read(CHUNK_BYTES):
                yield chunk
        # What stands behind the compressed data belongs to the blob all the same.
        for rest in self.raw_chunks():
            passed(rest)

    def digests(self, moved: Callable[[], None]) -> LayerDigests:
        """Read all of it, and return the digests; `moved` is called after every chunk."""
        plain, raw = hashlib.sha256(), hashlib.sha256()
        for chunk in self.plain_chunks(raw.update if self.compression else lambda _: None):
            plain.update(chunk)
            moved()
        diff_id = "sha256:" + plain.hexdigest()
        return LayerDigests("sha256:" + raw.hexdigest() if self.compression else diff_id, diff_id)

    def _take(self) -> bytes:
        chunk = self._next
        if chunk:
            self._next = self._filled(b"")
        return chunk

    def _filled(self, head: bytes) -> bytes:
        return head + self._archive.read(CHUNK_BYTES - len(head))


class _Tee:
    """The raw chunks, for a decompressor to read; each is passed on as well."""

    def __init__(self, layer: LayerStream, passed: Callable[[bytes], object]) -> None:
        self._chunks = layer.raw_chunks()
        self._passed = passed
        self._chunk = b""

    def read(self, size: int, /) -> bytes:
        if not self._chunk:
            self._chunk = next(self._chunks, b"")
            if self._chunk:
                self._passed(self._chunk)
        data, self._chunk = self._chunk[:size], self._chunk[size:]
        return data
