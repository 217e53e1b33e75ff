"""Reading a bundle from memory with every layer checked, and what the result is compared with."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence

from core.bundle import GunzipHash, Image, Layer, Member, TarStream, collect, images_of
from core.bundle.source import GZIP_MAGIC
from tests.support.archives import ImageSpec

LABEL = "b.tar"
Facts = tuple[tuple[str, ...], str, tuple[str, ...]]


def images_in(data: bytes) -> tuple[Image, ...]:
    """Return the images of an uncompressed bundle; diff IDs are those of the bytes in it."""
    archive = TarStream(io.BytesIO(data), LABEL)

    def take(member: Member, head: bytes) -> Layer:
        content = bytearray(head)
        while piece := archive.read(1 << 16):
            content += piece
        if head.startswith(GZIP_MAGIC):
            inside = GunzipHash(member.name)
            inside.update(bytes(content))
            diff_id = inside.digest()
        else:
            diff_id = "sha256:" + hashlib.sha256(content).hexdigest()
        return Layer(diff_id, "", len(content))

    return images_of(collect(archive, LABEL, take))


def facts_of(images: Sequence[Image]) -> list[Facts]:
    """Return names, image ID and diff IDs of each image."""
    return [
        (tuple(name.familiar for name in image.references), image.image_id, image.diff_ids)
        for image in images
    ]


def facts_wanted(specs: Sequence[ImageSpec]) -> list[Facts]:
    """Return the same of the images that a bundle was made from."""
    return [
        (
            tuple(spec.tags),
            spec.image_id,
            tuple("sha256:" + hashlib.sha256(layer).hexdigest() for layer in spec.layers),
        )
        for spec in specs
    ]
