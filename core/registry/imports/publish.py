"""Giving imported images their names: mounts from the staging repository, then the tags.

A tag is put only when everything that it needs is there, and no tag of a bundle before all of the
bundle was read and verified.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from core.bundle.carried import Carried, CarriedKind
from core.bundle.model import Bundle, Image, ManifestList
from core.bundle.reference import Reference, digest_tag
from core.errors import Cancelled
from core.registry.api.client import RegistryClient
from core.registry.api.parallel import Name, asked
from core.registry.content.missing import MissingPart
from core.registry.content.referrers import is_of_referrers, lacks_of_referrers, put_referrers
from core.registry.content.snapshot import Document
from core.registry.content.staging import STAGE
from core.registry.imports.equivalence import is_as_good


def lacks_of_stage(bundle: Bundle, client: RegistryClient) -> list[MissingPart]:
    """Return the blobs of a bundle that the staging repository lacks: it must be read again."""
    blobs = {digest: size for image in bundle.images for digest, size in _blobs(image).items()}
    blobs |= {digest: size for one in bundle.carried for digest, size in one.blobs}
    there = asked(lambda digest: client.blob_size(STAGE, digest), blobs)
    return [
        MissingPart(bundle.name, f"blob {digest}", size)
        for digest, size in blobs.items()
        if there[digest] != size
    ]


def lacks_of_names(bundle: Bundle, client: RegistryClient) -> list[MissingPart]:
    """Return each tag, manifest and blob of a bundle that is not under its name in the registry.

    A name may stand for the same images in another encoding; what the bundle has a digest for is
    there by that all the same.
    """
    manifests, blobs = _wanted(bundle)
    filed = asked(lambda key: client.manifest_digest(*key), manifests)
    sizes = asked(lambda key: client.blob_size(*key), blobs)
    lacks: list[MissingPart] = []

    def look_at(name: str, repository: str, digest: str, what: str) -> None:
        if filed[repository, digest] is None:
            lacks.append(MissingPart(name, what, 0))

    def look_at_blobs(name: str, repository: str, wanted: Iterable[tuple[str, int]]) -> None:
        lacks.extend(
            MissingPart(name, f"blob {digest}", size)
            for digest, size in wanted
            if sizes[repository, digest] != size
        )

    for reference, images in bundle.references.items():
        repository, named = reference.site_repository, _stands_for(bundle, reference, images)
        name = f"{repository}:{reference.tag}"
        if filed[repository, reference.tag] != named.manifest_digest:
            if not is_as_good(client, repository, reference.tag, images):
                lacks.append(MissingPart(name, "tag", 0))
            elif named.is_kept:
                look_at(name, repository, named.manifest_digest, f"{named.manifest_digest}")
            else:
                continue
        for image in images:
            if (repository, image.manifest_digest) in filed:
                what = f"manifest for {image.platform}"
                look_at(name, repository, image.manifest_digest, what)
            look_at_blobs(name, repository, _blobs(image).items())
    for one in bundle.carried:
        for place in one.repositories:
            repository, name = place.site_repository, _title(one, place)
            look_at(name, repository, one.manifest_digest, f"{one.kind} {one.manifest_digest}")
            look_at_blobs(name, repository, one.blobs)
        for own in one.references:
            look_at(f"{own.site_repository}:{own.tag}", own.site_repository, own.tag, "tag")
    return [*lacks, *lacks_of_referrers(bundle, client)]


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
        putting = _Putting(bundle, client, repository, lambda: _go_on(stop))
        return putting.put()

    _, blobs = _wanted(bundle)
    with client.ended_by(stop):
        asked(bring, blobs)
        return sum(asked(put, _repositories(bundle)).values())


def _repositories(bundle: Bundle) -> list[str]:
    names = [*bundle.references, *(r for one in bundle.carried for r in one.repositories)]
    return list(dict.fromkeys(reference.site_repository for reference in names))


def _stands_for(
    bundle: Bundle, reference: Reference, images: tuple[Image, ...]
) -> Image | ManifestList:
    return bundle.list_of(reference) or images[0]


def _wanted(bundle: Bundle) -> tuple[dict[Name, str], dict[Name, int]]:
    """Return the digest of each (repository, tag or digest), and the size of each blob there."""
    manifests: dict[Name, str] = {}
    blobs: dict[Name, int] = {}
    by_digest = _put_by_digest(bundle)
    for reference, images in bundle.references.items():
        repository, named = reference.site_repository, _stands_for(bundle, reference, images)
        manifests[repository, reference.tag] = named.manifest_digest
        if named.is_kept:
            manifests[repository, named.manifest_digest] = named.manifest_digest
        for image in images:
            if isinstance(named, ManifestList) or image.manifest_digest in by_digest:
                manifests[repository, image.manifest_digest] = image.manifest_digest
            blobs.update({(repository, d): size for d, size in _blobs(image).items()})
    for one in bundle.carried:
        for place in one.repositories:
            manifests[place.site_repository, one.manifest_digest] = one.manifest_digest
            blobs.update({(place.site_repository, d): size for d, size in one.blobs})
        for own in one.references:
            manifests[own.site_repository, own.tag] = one.manifest_digest
    return manifests, blobs


def _put_by_digest(bundle: Bundle) -> set[str]:
    """Return what the indexes name that are carried: it has to be there before them."""
    texts = [one.manifest for one in bundle.carried if one.kind is CarriedKind.INDEX]
    return {digest for text in texts for digest in Document("", text.encode()).children}


@dataclass(frozen=True)
class _Putting:
    """Puts all that goes to one repository, each thing after what it needs there."""

    bundle: Bundle
    client: RegistryClient
    repository: str
    go_on: Callable[[], None]

    def put(self) -> int:
        bundle, repository = self.bundle, self.repository
        named = [
            (reference, images)
            for reference, images in bundle.references.items()
            if reference.site_repository == repository
        ]
        by_digest = _put_by_digest(bundle)
        for reference, images in named:
            is_list = bundle.list_of(reference) is not None
            for image in images:
                if is_list or image.manifest_digest in by_digest:
                    self._put_by_digest(image)
        for one in bundle.carried:
            if repository in {place.site_repository for place in one.repositories}:
                self._put_carried(one)
        put = sum(self._put_tag(reference, images) for reference, images in named)
        put_referrers(bundle, self.client, repository, self.go_on)
        return put

    def _put_by_digest(self, one: Image | Carried | ManifestList, tag: str = "") -> None:
        self.go_on()
        if self.client.manifest_digest(self.repository, one.manifest_digest) is None:
            reference = tag or one.manifest_digest
            self.client.put_manifest(self.repository, reference, one.manifest, one.manifest_type)

    def _put_carried(self, one: Carried) -> None:
        """Put what travels along; a tag of its own that is there stays, unless this is new."""
        own = [name.tag for name in one.references if name.site_repository == self.repository]
        is_new = self.client.manifest_digest(self.repository, one.manifest_digest) is None
        for tag in own:
            self.go_on()
            there = self.client.manifest_digest(self.repository, tag)
            if there is None or (is_new and not is_of_referrers(tag)):
                self.client.put_manifest(self.repository, tag, one.manifest, one.manifest_type)
        self._put_by_digest(one)

    def _put_tag(self, reference: Reference, images: tuple[Image, ...]) -> bool:
        self.go_on()
        client, repository, tag = self.client, self.repository, reference.tag
        named = _stands_for(self.bundle, reference, images)
        filed = client.manifest_digest(repository, tag)
        if filed == named.manifest_digest:
            return False
        if filed and is_as_good(client, repository, tag, images):
            if named.is_kept:
                self._put_by_digest(named, digest_tag(named.manifest_digest))
            return False
        client.put_manifest(repository, tag, named.manifest, named.manifest_type)
        return True


def _title(one: Carried, place: Reference) -> str:
    own = next((name for name in one.references), place)
    return f"{own.site_repository}:{own.tag}"


def _blobs(image: Image) -> dict[str, int]:
    """Return digest and size of everything that an image's manifest names."""
    layers = {layer.digest: layer.size_bytes for layer in image.layers}
    return {**layers, image.image_id: image.config_size_bytes}


def _go_on(stop: threading.Event) -> None:
    if stop.is_set():
        raise Cancelled("the import was ended")
