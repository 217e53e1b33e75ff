"""One image out of its config and layers: checked against each other, and its manifest written.

The same for every kind of archive; how images are found in one is the business of `docker_archive`
and `oci_layout`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from core.bundle.documents import in_any_case
from core.bundle.left_out import LeftOut, Why
from core.bundle.members import Members
from core.bundle.model import (
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
    Image,
    Layer,
    sha256_digest,
)
from core.bundle.reference import Reference, reference_in_bundle
from core.errors import MADE_WRONG, BundleCorrupt, UnsafeBundle
from core.printable import printable
from core.words import count

MAX_IMAGES = 4000
MAX_LAYERS = 1000
_PLATFORM = re.compile(r"[A-Za-z0-9_.-]{1,40}(/[A-Za-z0-9_.-]{1,40}){1,2}")


def build_image(
    members: Members[Layer],
    config_name: str,
    references: tuple[Reference, ...],
    layer_names: list[str],
) -> Image:
    """Return an image, its layers compared with the diff IDs of its config.

    Layers that were only listed (no `diff_id`) take it from there.

    Args:
        members: What the pass over the bundle found.
        config_name: Member name of the config.
        references: The image's names.
        layer_names: Member names of its layers, lowest first.

    Raises:
        BundleCorrupt: something named is missing, or has another digest.
    """
    title = references[0].familiar if references else repr(config_name)
    config = members.document(config_name, f"image {title}: the config ")
    platform, diff_ids = _config_facts(members, config_name)
    found = [layer_of(members, name, title) for name in layer_names]
    image = Image(
        image_id=sha256_digest(config),
        references=references,
        platform=platform,
        config_size_bytes=len(config),
        layers=_checked_layers(members.label, title, found, diff_ids),
    )
    return _with_manifest(image)


def layer_of(members: Members[Layer], name: str, title: str) -> Layer:
    """Return a layer by its member name.

    Raises:
        BundleCorrupt: the archive does not hold it.
    """
    layer = members.layers.get(members.resolve(name))
    if layer is None:
        raise members.lacking(name, f"image {title}: the layer ")
    member = members.resolve(name)
    members.used.add(member)
    return replace(layer, member=members.root + member)


def references_of(
    label: str, tags: object, left_out: list[LeftOut], image_id: str = "", digest: str = ""
) -> tuple[Reference, ...]:
    """Take names apart, each once.

    Args:
        label: The bundle's name, for messages.
        tags: The names.
        left_out: Where those go that no registry takes.
        image_id: As for `reference_in_bundle`.
        digest: As for `reference_in_bundle`.

    Raises:
        BundleCorrupt: this is no list of names.
    """
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise BundleCorrupt(f"{label}: RepoTags is no list of names", remedy=MADE_WRONG)
    found: dict[Reference, None] = {}
    for tag in tags:
        try:
            reference = reference_in_bundle(tag, image_id, digest)
        except UnsafeBundle:
            left_out.append(LeftOut(Why.BAD_NAME, printable(tag)[:200], "no registry takes it"))
        else:
            found.update({reference: None} if reference else {})
    return tuple(found)


def _config_facts(members: Members[Layer], config_name: str) -> tuple[str, list[str]]:
    config = members.json(config_name)
    rootfs = in_any_case(config, "rootfs") if isinstance(config, dict) else None
    if not isinstance(config, dict) or not isinstance(rootfs, dict):
        raise BundleCorrupt(
            f"{members.label}: {config_name!r} is no image config", remedy=MADE_WRONG
        )
    diff_ids = in_any_case(rootfs, "diff_ids") or []
    if not isinstance(diff_ids, list) or len(diff_ids) > MAX_LAYERS:
        raise BundleCorrupt(
            f"{members.label}: {config_name!r} has diff_ids that are no list", remedy=MADE_WRONG
        )
    facts = {key: in_any_case(config, key) for key in ("os", "architecture", "variant")}
    return platform_name(facts), [str(diff_id) for diff_id in diff_ids]


def platform_name(facts: Mapping[Any, object]) -> str:
    """Return `os/architecture` or `os/architecture/variant` of a config or a descriptor."""
    name = f"{facts.get('os') or 'linux'}/{facts.get('architecture') or 'amd64'}"
    if facts.get("variant"):
        name += f"/{facts['variant']}"
    return name if _PLATFORM.fullmatch(name) else "unknown/unknown"


def _checked_layers(
    label: str, title: str, found: list[Layer], diff_ids: list[str]
) -> tuple[Layer, ...]:
    if len(found) != len(diff_ids):
        raise BundleCorrupt(
            f"{label}: image {title} has {count(len(found), 'layer')}, its config names "
            f"{len(diff_ids)}",
            remedy=MADE_WRONG,
        )
    for number, (layer, diff_id) in enumerate(zip(found, diff_ids, strict=True), 1):
        if layer.diff_id and layer.diff_id != diff_id:
            raise BundleCorrupt(
                f"{label}: image {title}: layer {number} of {len(found)} is damaged "
                f"(it is {layer.diff_id}, should be {diff_id})"
            )
    return tuple(replace(layer, diff_id=d) for layer, d in zip(found, diff_ids, strict=True))


def _with_manifest(image: Image) -> Image:
    """Write the manifest of an image whose layers are all in the registry.

    Docker's schema 2, which every engine takes; it has no layers of zstd, so those make it OCI's.
    """
    if not all(layer.digest for layer in image.layers):
        return image
    is_oci = any(layer.media_type == OCI_LAYER_ZSTD for layer in image.layers)
    layers = [
        {"mediaType": layer.media_type, "size": layer.size_bytes, "digest": layer.digest}
        for layer in image.layers
    ]
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST if is_oci else DOCKER_MANIFEST,
        "config": {
            "mediaType": OCI_CONFIG if is_oci else DOCKER_CONFIG,
            "size": image.config_size_bytes,
            "digest": image.image_id,
        },
        "layers": layers,
    }
    text = json.dumps(manifest, separators=(",", ":"))
    return replace(image, manifest=text, manifest_type=str(manifest["mediaType"]))
