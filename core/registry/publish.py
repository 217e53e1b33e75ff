"""Giving imported images their names: mounts from the staging repository, then the tags.

A tag is put only when everything that it needs is there, and no tag of a bundle before all of the
bundle was read and verified.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from core.bundle import Bundle, Image, ManifestList, Reference
from core.errors import Cancelled
from core.registry.as_good import is_as_good
from core.registry.asked import Name, asked
from core.registry.client import RegistryClient
from core.registry.one_pass import STAGE


@dataclass(frozen=True)
class Lack:
    """Something that a bundle's record names and the registry does not have (as it should)."""

    name: str
    what: str
    size_bytes: int


def lacks_of_stage(bundle: Bundle, client: RegistryClient) -> list[Lack]:
    """Return the blobs of a bundle that the staging repository lacks: it must be read again."""
    blobs = {digest: size for image in bundle.images for digest, size in _blobs(image).items()}
    there = asked(lambda digest: client.blob_size(STAGE, digest), blobs)
    return [
        Lack(bundle.name, f"blob {digest}", size)
        for digest, size in blobs.items()
        if there[digest] != size
    ]


def lacks_of_names(bundle: Bundle, client: RegistryClient) -> list[Lack]:
    """Return each tag, manifest and blob of a bundle that is not under its name in the registry."""
    manifests, blobs = _wanted(bundle)
    filed = asked(lambda key: client.manifest_digest(*key), manifests)
    sizes = asked(lambda key: client.blob_size(*key), blobs)
    lacks: list[Lack] = []
    for reference, images in bundle.references.items():
        repository = reference.site_repository
        name = f"{repository}:{reference.tag}"
        its_own = filed[repository, reference.tag] == manifests[repository, reference.tag]
        if not its_own:
            if is_as_good(client, repository, reference.tag, images):
                continue
            lacks.append(Lack(name, "tag", 0))
        for image in images:
            if filed.get((repository, image.manifest_digest), "") is None:
                lacks.append(Lack(name, f"manifest for {image.platform}", 0))
            lacks += [
                Lack(name, f"blob {digest}", size)
                for digest, size in _blobs(image).items()
                if sizes[repository, digest] != size
            ]
    return lacks


def publish(bundle: Bundle, client: RegistryClient, stop: threading.Event) -> int:
    """Name every image of an imported bundle; return how many tags were put.

    Raises:
        RegistryError: the registry refused or went away.
        Cancelled: `stop` was set.
    """

    def bring(blob: tuple[str, str]) -> None:
        _go_on(stop)
        if client.blob_size(*blob) is None and not client.mount(*blob, STAGE):
            client.copy_blob(*blob, STAGE)

    def put(repository: str) -> int:
        """Name what goes to one repository; two names of one manifest at once confuse a registry.

        (CNCF distribution writes the link files of its file system in place.)
        """
        found = 0
        for reference, images in named[repository]:
            _go_on(stop)
            found += _put_tag(client, reference, images, bundle.list_of(reference))
        return found

    named: dict[str, list[tuple[Reference, tuple[Image, ...]]]] = {}
    for reference, images in bundle.references.items():
        named.setdefault(reference.site_repository, []).append((reference, images))
    _, blobs = _wanted(bundle)
    with client.ended_by(stop):
        asked(bring, blobs)
        return sum(asked(put, named).values())


def _wanted(bundle: Bundle) -> tuple[dict[Name, str], dict[Name, int]]:
    """Return the digest of each (repository, tag), and the size of each (repository, blob)."""
    manifests: dict[Name, str] = {}
    blobs: dict[Name, int] = {}
    for reference, images in bundle.references.items():
        repository, several = reference.site_repository, bundle.list_of(reference)
        named = several or images[0]
        manifests[repository, reference.tag] = named.manifest_digest
        for image in images:
            if several:
                manifests[repository, image.manifest_digest] = image.manifest_digest
            blobs.update({(repository, d): size for d, size in _blobs(image).items()})
    return manifests, blobs


def _put_tag(
    client: RegistryClient,
    reference: Reference,
    images: tuple[Image, ...],
    several: ManifestList | None,
) -> bool:
    repository, tag = reference.site_repository, reference.tag
    if several:
        for image in images:
            digest = image.manifest_digest
            if client.manifest_digest(repository, digest) is None:
                client.put_manifest(repository, digest, image.manifest, image.manifest_type)
    named = several or images[0]
    filed = client.manifest_digest(repository, tag)
    if filed == named.manifest_digest:
        return False
    if filed and is_as_good(client, repository, tag, images):
        return False
    client.put_manifest(repository, tag, named.manifest, named.manifest_type)
    return True


def _blobs(image: Image) -> dict[str, int]:
    """Return digest and size of everything that an image's manifest names."""
    layers = {layer.digest: layer.size_bytes for layer in image.layers}
    return {**layers, image.image_id: image.config_size_bytes}


def _go_on(stop: threading.Event) -> None:
    if stop.is_set():
        raise Cancelled("the import was ended")
