"""Going through the indexes of an OCI image layout: each manifest that they name, there or not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.bundle.artifacts import is_attestation
from core.bundle.blobs import blob_name
from core.bundle.images import MAX_IMAGES, platform_name
from core.bundle.members import Members
from core.bundle.model import Layer, sha256_digest
from core.bundle.nodes import is_no_image
from core.bundle.oci_names import names_in
from core.bundle.problems import Problems
from core.bundle.usable import require_sha256, require_size
from core.errors import MADE_WRONG, BundleCorrupt, UnfitBundle, UnsafeBundle

INDEX = "index.json"
MAX_INDEX_DEPTH = 4
_DIGEST = re.compile(r"[a-z0-9]+:[0-9a-f]{32,128}")
_SCHEMA_1 = "a manifest of Docker's schema 1, which no engine pulls any more"
Descriptor = Mapping[str, object]


@dataclass
class Found:
    """A manifest that an index names, in the archive or not.

    Args:
        digest: Its digest.
        top: The number of the entry of index.json that leads to it.
        names: The names that this entry gives.
        descriptor: The descriptor of it in its index.
        document: The manifest; None where it is not in the archive.
        depth: How many indexes lie between it and index.json.
    """

    digest: str
    top: int
    names: tuple[str, ...]
    descriptor: Descriptor
    document: object
    depth: int

    @property
    def group(self) -> object:
        """What it has in common with the other platforms of the same image."""
        return self.names or (self.top if self.depth else None)

    @property
    def platform(self) -> str:
        """The platform that its index says; empty where that says none."""
        said = self.descriptor.get("platform")
        return platform_name(said) if isinstance(said, dict) else ""

    @property
    def title(self) -> str:
        """What it is called in messages: a name, or its digest."""
        return self.names[0] if self.names else self.digest


@dataclass
class Walk:
    """What looking through the indexes found."""

    manifests: list[Found] = field(default_factory=list)
    absent: list[Found] = field(default_factory=list)

    @property
    def is_of_one(self) -> bool:
        """Whether all images are platforms of one, so that the file's name can be its name."""
        return len({(found.top, found.depth and 1) for found in self.manifests}) == 1


def walk_of(members: Members[Layer], problems: Problems) -> Walk:
    """Look through all indexes.

    A small file can name the same index over and over, level by level; so what is looked at is
    counted, not only how deep it lies.
    """
    walk = Walk()
    seen: set[tuple[str, int]] = set()
    waiting = [
        Found(str(entry["digest"]), top, names_in(entry), entry, None, 0)
        for top, entry in enumerate(entries_of(members, members.json(INDEX)))
    ][::-1]
    for _ in range(MAX_IMAGES):
        if not waiting:
            return walk
        found = waiting.pop()
        if is_attestation(found.descriptor):
            continue
        with problems.noted():
            require_sha256(members.label, found.digest)
            if (data := members.find(blob_name(found.digest))) is None:
                walk.absent.append(found)
                continue
            found.document = _verified(members, found, data)
            inner = _inner(members, found)
            waiting += inner[::-1]
            if inner or _is_index(found.document):
                continue
            if is_no_image(members, found.descriptor, found.document):
                continue
            if (found.digest, found.top) not in seen:
                seen.add((found.digest, found.top))
                walk.manifests.append(found)
    raise UnsafeBundle(f"{members.label}: more than {MAX_IMAGES} images")


def _inner(members: Members[Layer], found: Found) -> list[Found]:
    if not _is_index(found.document):
        return []
    if found.depth >= MAX_INDEX_DEPTH:
        raise BundleCorrupt(f"{members.label}: indexes are nested too deeply", remedy=MADE_WRONG)
    return [
        Found(str(entry["digest"]), found.top, found.names, entry, None, found.depth + 1)
        for entry in entries_of(members, found.document)
    ]


def _is_index(document: object) -> bool:
    return isinstance(document, dict) and "manifests" in document


def entries_of(members: Members[Layer], index: object) -> list[Descriptor]:
    """Return the descriptors that an index names.

    Raises:
        BundleCorrupt: it is no index, or one of them is none.
    """
    match index:
        case {"manifests": list(entries)}:
            pass
        case _:
            raise BundleCorrupt(
                f"{members.label}: index.json lists no manifests", remedy=MADE_WRONG
            )
    if not all(_is_sound(entry) for entry in entries):
        raise BundleCorrupt(
            f"{members.label}: an index has a damaged descriptor", remedy=MADE_WRONG
        )
    return entries


def _is_sound(entry: object) -> bool:
    match entry:
        case {"digest": str(digest), **rest}:
            notes = rest.get("annotations")
            return bool(_DIGEST.fullmatch(digest)) and (notes is None or isinstance(notes, dict))
    return False


def _verified(members: Members[Layer], found: Found, data: bytes) -> object:
    name = blob_name(found.digest)
    if sha256_digest(data) != found.digest:
        raise BundleCorrupt(f"{members.label}: {name!r} has another digest than its name")
    require_size(members.label, repr(name), found.descriptor, len(data))
    return members.json(name)


def parts_of(label: str, document: object) -> tuple[Descriptor, list[Descriptor]]:
    """Return the descriptors of a manifest's config and layers."""
    match document:
        case {"config": dict(config), "layers": (list() | None) as layers}:
            return _descriptor(label, config), [_descriptor(label, layer) for layer in layers or []]
        case {"fsLayers": list()}:
            raise UnfitBundle(f"{label}: {_SCHEMA_1}")
        case _:
            raise BundleCorrupt(f"{label}: a manifest without config and layers", remedy=MADE_WRONG)


def _descriptor(label: str, descriptor: object) -> Descriptor:
    match descriptor:
        case {"digest": str(digest)} if isinstance(descriptor, dict) and _DIGEST.fullmatch(digest):
            require_sha256(label, digest)
            return descriptor
        case _:
            raise BundleCorrupt(
                f"{label}: a manifest names a layer without a digest", remedy=MADE_WRONG
            )
