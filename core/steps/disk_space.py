"""How much room images take: in the DU's registry, and where a host's Docker stores them."""

from __future__ import annotations

from collections.abc import Iterable

from core.bundle.discovery import registry_bytes as registry_bytes
from core.bundle.model import Image, Layer
from core.hosts.facts import DockerFacts

UNPACKED_RATIO = 3  # of a compressed layer, as layers of real images have it
COPIES_LAYERS = "vfs"
PULLED_AT_ONCE = 3  # layers that an engine keeps packed until they are unpacked


def store_bytes(images: Iterable[Image], docker: DockerFacts, *, load: bool) -> int:
    """Return the room that images take while they come to an engine.

    Args:
        images: Those that it lacks.
        docker: The engine: the containerd store keeps layers packed as well.
        load: They come by `docker load`, which unpacks the whole archive first.
    """
    images = list(images)
    layers = {layer.diff_id or layer.member: layer for image in images for layer in image.layers}
    unpacked = sum(unpacked_bytes(layer) for layer in layers.values())
    if docker.driver == COPIES_LAYERS:
        unpacked = _copied_bytes(images)
    packed = sorted(layer.size_bytes for layer in layers.values())
    if load:
        return 2 * unpacked
    if docker.containerd_store:
        return unpacked + sum(packed)
    return unpacked + sum(packed[-PULLED_AT_ONCE:])


def _copied_bytes(images: Iterable[Image]) -> int:
    """Return the room for layers each of which is a copy of all below it, and of its own."""
    copies: dict[tuple[str, ...], int] = {}
    for image in images:
        chain: tuple[str, ...] = ()
        total = 0
        for layer in image.layers:
            chain = (*chain, layer.diff_id or layer.member)
            total += unpacked_bytes(layer)
            copies[chain] = total
    return sum(copies.values())


def unpacked_bytes(layer: Layer) -> int:
    """Return the size of a layer's tar: known where it stands plain in the bundle."""
    if layer.source_digest:
        plain = layer.source_digest == layer.diff_id
    else:
        plain = layer.bundle_bytes != layer.size_bytes
    return layer.bundle_bytes if plain else UNPACKED_RATIO * layer.size_bytes
