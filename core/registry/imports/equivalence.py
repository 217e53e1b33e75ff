"""Whether what a name stands for will do in place of a bundle's own manifest.

One image comes encoded in several ways: docker save writes plain layers, crane and skopeo gzip
them, Docker 25 puts it into a list. The config is the same to the byte, so every engine makes the
same image of it, and a name that two bundles have need not go to and fro between two manifests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from core.bundle.model import OCI_LAYER_ZSTD, Image
from core.errors import BundleCorrupt, RegistryDamaged
from core.registry.api.client import RegistryClient
from core.registry.api.parallel import Name, asked
from core.registry.content.snapshot import Document

_ZSTD = "+zstd"


def is_as_good(
    client: RegistryClient, repository: str, reference: str, images: Iterable[Image]
) -> bool:
    """Return whether a name leads to the same images as a bundle's, every part of them there.

    A list that holds more than these will do as well; layers that older engines cannot read
    (zstd) will not, where the bundle's own are others.

    Args:
        client: The registry.
        repository: Where it is.
        reference: The tag, or a digest.
        images: What the name is to stand for.

    Raises:
        RegistryError: the registry refused or went away.
    """
    wanted = {image.image_id: image for image in images}
    try:
        top = _document(client, repository, reference)
        if top is None:
            return False
        below = [_document(client, repository, child) for child in top.children] or [top]
        found = {made.config: made for made in below if made and made.config in wanted}
    except (BundleCorrupt, RegistryDamaged):
        return False
    return found.keys() == wanted.keys() and all(
        _is_whole(client, repository, made) and _is_read_by_as_many(made, wanted[config])
        for config, made in found.items()
    )


def filed_otherwise(
    client: RegistryClient, names: Mapping[Name, tuple[str, tuple[Image, ...]]]
) -> dict[Name, str]:
    """Return what is filed under names in place of a bundle's own manifests, where that will do.

    Args:
        client: The registry.
        names: The digest of the bundle's own manifest, and its images, by (repository, tag).

    Raises:
        RegistryError: the registry refused or went away.
    """
    filed = asked(lambda name: client.manifest_digest(*name), names)
    others = {name: digest for name, digest in filed.items() if digest and digest != names[name][0]}
    good = asked(lambda name: is_as_good(client, *name, names[name][1]), others)
    return {name: digest for name, digest in others.items() if good[name]}


def _document(client: RegistryClient, repository: str, reference: str) -> Document | None:
    found = client.document(repository, reference)
    return Document(*found) if found else None


def _is_whole(client: RegistryClient, repository: str, made: Document) -> bool:
    return all(client.blob_size(repository, digest) == n for digest, n in made.blobs.items())


def _is_read_by_as_many(made: Document, own: Image) -> bool:
    needs_new_engine = any(kind.endswith(_ZSTD) for kind in made.layer_types)
    return not needs_new_engine or any(one.media_type == OCI_LAYER_ZSTD for one in own.layers)
