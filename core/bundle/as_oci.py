"""The same images with OCI's manifests instead of Docker's, for registries that take no others.

Only media types change, so configs, layers and image IDs stay. Digests of manifests do not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from core.bundle.carried import Carried, CarriedKind
from core.bundle.left_out import LeftOut, Why
from core.bundle.model import (
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Bundle,
    Image,
    ManifestList,
)
from core.words import count

_DOCKER_LAYER = "application/vnd.docker.image.rootfs."
_OCI_LAYER = "application/vnd.oci.image.layer."
_LAYERS = {
    f"{_DOCKER_LAYER}diff.tar": f"{_OCI_LAYER}v1.tar",
    f"{_DOCKER_LAYER}diff.tar.gzip": f"{_OCI_LAYER}v1.tar+gzip",
    f"{_DOCKER_LAYER}diff.tar.zstd": f"{_OCI_LAYER}v1.tar+zstd",
    f"{_DOCKER_LAYER}foreign.diff.tar": f"{_OCI_LAYER}nondistributable.v1.tar",
    f"{_DOCKER_LAYER}foreign.diff.tar.gzip": f"{_OCI_LAYER}nondistributable.v1.tar+gzip",
}
_KINDS = {
    DOCKER_MANIFEST: OCI_MANIFEST,
    DOCKER_MANIFEST_LIST: OCI_INDEX,
    DOCKER_CONFIG: OCI_CONFIG,
    **_LAYERS,
}
_DOCKER = (DOCKER_MANIFEST, DOCKER_MANIFEST_LIST)
_REASON = "the registry takes OCI manifests only, and written anew it would have another digest"


def needs_docker(bundle: Bundle) -> bool:
    """Whether a bundle has manifests of Docker's kinds."""
    kinds = [one.manifest_type for one in bundle.images]
    kinds += [one.manifest_type for one in bundle.lists]
    return any(kind in _DOCKER for kind in kinds)


def as_oci(bundle: Bundle) -> Bundle:
    """Return a bundle with OCI's manifests only; its notes say what became of digests.

    What travels with the images cannot be written anew without losing what it is for: what is not
    OCI's, or names what is not, is left out.
    """
    images = tuple(_image(image) for image in bundle.images)
    changed = {
        old.manifest_digest: new
        for old, new in zip(bundle.images, images, strict=True)
        if old.manifest != new.manifest
    }
    lists = tuple(_list(several, changed) for several in bundle.lists)
    gone = [one for one in bundle.carried if _is_lost(one, changed)]
    return replace(
        bundle,
        images=images,
        lists=lists,
        carried=tuple(one for one in bundle.carried if one not in gone),
        left_out=(
            *bundle.left_out,
            *(LeftOut(Why(o.kind.lower()), f"{o.kind} {o.manifest_digest}", _REASON) for o in gone),
        ),
        notes=(*bundle.notes, *_notes(bundle, images, lists)),
    )


def _image(image: Image) -> Image:
    if image.manifest_type != DOCKER_MANIFEST or not image.manifest:
        return image
    document: dict[str, Any] = json.loads(image.manifest)
    document["mediaType"] = OCI_MANIFEST
    document["config"] = _renamed(document["config"])
    document["layers"] = [_renamed(layer) for layer in document["layers"]]
    text = json.dumps(document, separators=(",", ":"))
    return replace(image, manifest=text, manifest_type=OCI_MANIFEST, is_kept=False)


def _renamed(descriptor: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(descriptor.get("mediaType", ""))
    return {**descriptor, "mediaType": _KINDS.get(kind, kind)}


def _list(several: ManifestList, changed: Mapping[str, Image]) -> ManifestList:
    document: dict[str, Any] = json.loads(several.manifest)
    entries = document["manifests"]
    is_docker = several.manifest_type == DOCKER_MANIFEST_LIST
    if not is_docker and not any(entry["digest"] in changed for entry in entries):
        return several
    document["mediaType"] = OCI_INDEX
    document["manifests"] = [
        _pointing_to(entry, changed[entry["digest"]]) if entry["digest"] in changed else entry
        for entry in entries
    ]
    text = json.dumps(document, separators=(",", ":"))
    return replace(several, manifest=text, manifest_type=OCI_INDEX)


def _pointing_to(entry: Mapping[str, Any], image: Image) -> dict[str, Any]:
    size, kind = len(image.manifest.encode()), image.manifest_type
    return {**entry, "mediaType": kind, "digest": image.manifest_digest, "size": size}


def _is_lost(one: Carried, changed: Mapping[str, Image]) -> bool:
    if one.manifest_type in _DOCKER:
        return True
    if one.kind is not CarriedKind.INDEX:
        return False
    entries = json.loads(one.manifest).get("manifests") or []
    return any(e.get("digest") in changed or e.get("mediaType") in _DOCKER for e in entries)


def _notes(bundle: Bundle, images: tuple[Image, ...], lists: tuple[ManifestList, ...]) -> list[str]:
    """Say what was written anew, and the digests of what had one of its own before."""
    pairs: list[tuple[Image | ManifestList, Image | ManifestList]] = [
        *zip(bundle.images, images, strict=True),
        *zip(bundle.lists, lists, strict=True),
    ]
    changed = [(old, new) for old, new in pairs if old.manifest != new.manifest]
    number = count(len(changed), "manifest")
    return [
        f"the registry takes OCI manifests only: {number} written anew as such, image IDs stay",
        *(
            f"{old.references[0].familiar}: {old.manifest_digest} is {new.manifest_digest} there"
            for old, new in changed
            if old.is_kept and old.references
        ),
    ]
