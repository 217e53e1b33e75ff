"""Giving imported images their names: mounts from the staging repository, then the tags.

A tag is put only when everything that it needs is there, and no tag of a bundle before all of the
bundle was read and verified.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from core.bundle import Bundle, Image, Reference
from core.errors import Cancelled, NameCollision, RegistryError
from core.registry.client import RegistryClient
from core.registry.ingest import STAGE


@dataclass(frozen=True)
class Lack:
    """Something that a bundle's record names and the registry does not have (as it should)."""

    name: str
    what: str
    size_bytes: int


def site_names(bundles: Iterable[Bundle]) -> dict[str, tuple[Bundle, Image, Reference]]:
    """Return each name (`path:tag`) that the bundles' images get on the site.

    Raises:
        NameCollision: two different images would get the same name; both are named.
    """
    names: dict[str, tuple[Bundle, Image, Reference]] = {}
    for bundle in bundles:
        for image in bundle.images:
            for reference in image.references:
                name = f"{reference.site_repository}:{reference.tag}"
                if name in names and names[name][1].image_id != image.image_id:
                    other_bundle, _, other = names[name]
                    raise NameCollision(
                        f"{reference} of {bundle.name} and {other} of {other_bundle.name} "
                        f"are different images and would both be {name}"
                    )
                names.setdefault(name, (bundle, image, reference))
    return names


def lacks_of_stage(bundle: Bundle, client: RegistryClient) -> Iterator[Lack]:
    """Yield the blobs of a bundle that are not in the staging repository: it must be read again."""
    for digest, size in bundle.blobs.items():
        if client.blob_size(STAGE, digest) != size:
            yield Lack(bundle.name, f"blob {digest}", size)
    for image in bundle.images:
        if client.blob_size(STAGE, image.image_id) is None:
            yield Lack(bundle.name, f"config {image.image_id}", image.config_size_bytes)


def lacks_of_names(bundle: Bundle, client: RegistryClient) -> Iterator[Lack]:
    """Yield each tag, manifest and blob of a bundle that is not under its name in the registry."""
    for image in bundle.images:
        for reference in image.references:
            repository, tag = reference.site_repository, reference.tag
            name = f"{repository}:{tag}"
            if client.manifest_digest(repository, tag) != image.manifest_digest:
                yield Lack(name, "tag", 0)
            blobs = {layer.digest: layer.size_bytes for layer in image.layers}
            for digest, size in {**blobs, image.image_id: image.config_size_bytes}.items():
                if client.blob_size(repository, digest) != size:
                    yield Lack(name, f"blob {digest}", size)


def publish(bundle: Bundle, client: RegistryClient, stop: threading.Event) -> int:
    """Name every image of an imported bundle; return how many tags were put.

    Raises:
        RegistryError: the registry refused or went away.
        Cancelled: `stop` was set.
    """
    named = [(image, reference) for image in bundle.images for reference in image.references]
    for image, reference in named:
        _mount_all(client, image, reference.site_repository, stop)
    put = 0
    for image, reference in named:
        if stop.is_set():
            raise Cancelled("the import was ended")
        repository, tag = reference.site_repository, reference.tag
        if client.manifest_digest(repository, tag) != image.manifest_digest:
            client.put_manifest(repository, tag, image.manifest, image.manifest_type)
            put += 1
    return put


def _mount_all(
    client: RegistryClient, image: Image, repository: str, stop: threading.Event
) -> None:
    for digest in dict.fromkeys([*(layer.digest for layer in image.layers), image.image_id]):
        if stop.is_set():
            raise Cancelled("the import was ended")
        if client.blob_size(repository, digest) is not None:
            continue
        if not client.mount(repository, digest, STAGE):
            client.copy_blob(repository, digest, STAGE)
        if client.blob_size(repository, digest) is None:
            raise RegistryError(f"{client.address}: {repository} did not take the blob {digest}")
