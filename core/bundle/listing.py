"""What is in a bundle: listed by its headers, or verified to the last byte; imported by neither."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from isal import isal_zlib

from core.bundle.blobs import BlobStream
from core.bundle.contents import contents_of
from core.bundle.layers import LayerStream
from core.bundle.members import Members, collect
from core.bundle.model import DOCKER_LAYER_GZIP, OCI_LAYER_ZSTD, Bundle, BundleFile, Contents, Layer
from core.bundle.problems import Problems
from core.bundle.source import OpenBundle, next_part_named, open_bundle
from core.bundle.tarstream import Member

TakeLayer = Callable[[LayerStream], Layer]
TakeBlob = Callable[[BlobStream], int]


def list_bundle(
    file: BundleFile,
    go_on: Callable[[], None] = lambda: None,
    progress: Callable[[int], None] = lambda _: None,
) -> Bundle:
    """Read what is in a bundle without hashing its layers; of a plain tar, only the headers.

    What a layer's blob will have in the registry is estimated from its first mebibyte.

    Args:
        file: The bundle.
        go_on: Called before every read; raises to end the reading.
        progress: Told the bytes of the file read or passed over so far.

    Raises:
        BundleError: it cannot be read, or is not whole.
    """
    reading: list[OpenBundle] = []

    def told() -> None:
        go_on()
        for opened in reading:
            progress(opened.read_bytes)

    with open_bundle(file, told, check_sums=False) as opened:
        reading.append(opened)
        try:
            members = Members[Layer](file.name)
            _read_layers(opened, file, (_listed, _passed_over), members)
        finally:
            # The bundle knows `told`: zstd's objects in such a circle would never be let go.
            reading.clear()
    return bundle_of(file, contents_of(members), imported=False)


def verify_bundle(
    file: BundleFile,
    go_on: Callable[[], None] = lambda: None,
    progress: Callable[[int], None] = lambda _: None,
    problems: Problems | None = None,
) -> Bundle:
    """Check everything that an import would check: every byte, digest and checksum.

    Args:
        file: The bundle.
        go_on: Called before every read; raises to end the reading.
        progress: Told the bytes of the file read so far.
        problems: Where those go that leave something whole; the first one is raised if None.

    Raises:
        BundleError: it is not whole, or not what it claims.
    """

    def verified(layer: LayerStream) -> Layer:
        listed = _listed(layer)
        digests = layer.digests(lambda: progress(opened.read_bytes))
        return replace(listed, diff_id=digests.diff_id, source_digest=digests.source_digest)

    def compared(blob: BlobStream) -> int:
        for _ in blob.compared():
            progress(opened.read_bytes)
        return blob.member.size_bytes

    problems = problems or Problems(keep_going=False)
    members = Members[Layer](file.name)
    with open_bundle(file, go_on) as opened, problems.noted(), next_part_named(file):
        _read_layers(opened, file, (verified, compared), members, problems)
        opened.finish()
    return bundle_of(file, contents_of(members, problems), imported=False)


def bundle_of(
    file: BundleFile, contents: Contents, *, imported: bool, carries: bool = True
) -> Bundle:
    """Return the record of a bundle that was read."""
    return Bundle(
        name=file.name,
        size_bytes=file.size_bytes,
        images=contents.images,
        imported=imported,
        lists=contents.lists,
        notes=contents.notes,
        layout=contents.layout,
        left_out=contents.left_out,
        carried=contents.carried,
        carries=carries,
    )


def _read_layers(
    opened: OpenBundle,
    file: BundleFile,
    take: tuple[TakeLayer, TakeBlob],
    members: Members[Layer],
    problems: Problems | None = None,
) -> None:
    take_layer, take_blob = take

    def taken(member: Member, head: bytes) -> Layer:
        return take_layer(LayerStream(opened.archive, member, head, file.name))

    def blob_taken(member: Member, head: bytes) -> int:
        return take_blob(BlobStream(opened.archive, member, head, file.name))

    collect(opened.archive, members, taken, problems, blob_taken)


def _passed_over(blob: BlobStream) -> int:
    return blob.member.size_bytes


def _listed(layer: LayerStream) -> Layer:
    size = layer.member.size_bytes
    sample = layer.first_chunk
    packed = size
    if sample and not layer.compression:
        packed = size * len(isal_zlib.compress(sample, 1)) // len(sample)
    media_type = OCI_LAYER_ZSTD if layer.compression == "zstd" else DOCKER_LAYER_GZIP
    return Layer("", "", size_bytes=packed, media_type=media_type, bundle_bytes=size)
