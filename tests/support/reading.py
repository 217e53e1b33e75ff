"""Reading a bundle from memory with every layer checked, and what the result is compared with."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence

from core.bundle.contents import contents_of
from core.bundle.layers import LayerStream
from core.bundle.members import Members, collect
from core.bundle.model import (
    DOCKER_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    Contents,
    Image,
    Layer,
    sha256_digest,
)
from core.bundle.problems import Problems
from core.bundle.tarstream import Member, TarStream
from core.errors import Cancelled
from tests.support.archives import ImageSpec

LABEL = "b.tar"
Facts = tuple[tuple[str, ...], str, tuple[str, ...]]


def members_in(data: bytes, label: str = LABEL, *, stored: bool = False) -> Members[Layer]:
    """Return the members of an uncompressed bundle, every layer hashed.

    Args:
        data: The bundle.
        label: The name of its file.
        stored: As if an import had put the layers into the registry, compressed ones as they are.
    """
    archive = TarStream(io.BytesIO(data), label)

    def take(member: Member, head: bytes) -> Layer:
        layer = LayerStream(archive, member, head, label)
        found = layer.digests(lambda: None)
        made = sha256_digest(b"gzip of " + found.diff_id.encode())
        blob = found.source_digest if layer.compression else made
        return Layer(
            diff_id=found.diff_id,
            digest=blob if stored else "",
            size_bytes=member.size_bytes,
            media_type=OCI_LAYER_ZSTD if layer.compression == "zstd" else DOCKER_LAYER_GZIP,
            source_digest=found.source_digest,
            bundle_bytes=member.size_bytes,
        )

    return collect(archive, Members[Layer](label), take)


def contents_in(
    data: bytes, label: str = LABEL, *, stored: bool = False, problems: Problems | None = None
) -> Contents:
    """Return what is in an uncompressed bundle; `stored` as with `members_in`."""
    return contents_of(members_in(data, label, stored=stored), problems)


def images_in(data: bytes) -> tuple[Image, ...]:
    """Return the images of an uncompressed bundle."""
    return contents_in(data).images


def names_in(contents: Contents) -> list[tuple[str, ...]]:
    """Return the names of each image."""
    return [tuple(name.familiar for name in image.references) for image in contents.images]


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


def cancelled_after(calls: int) -> Callable[[], None]:
    """Return what a reader asks before each read: a person ends it after so many of them."""
    left = iter(range(calls))

    def go_on() -> None:
        if next(left, None) is None:
            raise Cancelled("ended")

    return go_on
