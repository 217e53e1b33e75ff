"""From the members of a bundle to its images: docker-archive and OCI image layout.

Where a file has both (Docker 25 and later), `manifest.json` wins and is checked by diff IDs: early
engines of that line wrote OCI manifests without layers (moby#47065).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from core.bundle.members import Members
from core.bundle.model import (
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    OCI_MANIFEST,
    Image,
    Layer,
    sha256_digest,
)
from core.bundle.reference import Reference, is_tagged, parse_reference
from core.errors import BundleCorrupt, BundleError, NotABundle, UnsafeBundle

_NAME_ANNOTATIONS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_DIGEST_NAME = re.compile(r"(?:sha256:|blobs/sha256/)?([0-9a-f]{64})(?:\.json)?")
MAX_INDEX_DEPTH = 4
MAX_IMAGES = 4000
Annotations = Mapping[str, object]


def images_of(members: Members[Layer]) -> tuple[Image, ...]:
    """Tie layers and documents together.

    Layers that were hashed are compared with what the bundle says of them; layers that were only
    listed (no `diff_id`) take it from there.

    Raises:
        NotABundle: there is nothing in it that describes images.
        BundleCorrupt: something named is missing, or has another digest.
    """
    if "manifest.json" in members.documents:
        return tuple(_docker_images(members))
    if "index.json" in members.documents:
        return tuple(_oci_images(members))
    raise NotABundle(f"{members.label}: an archive, but not of images (no manifest.json)")


def _docker_images(members: Members[Layer]) -> Iterator[Image]:
    listing = members.json("manifest.json")
    if not isinstance(listing, list) or not listing:
        raise BundleCorrupt(f"{members.label}: manifest.json lists no image")
    if len(listing) > MAX_IMAGES:
        raise UnsafeBundle(f"{members.label}: more than {MAX_IMAGES} images")
    for entry in listing:
        match entry:
            # Go writes a list that was never filled (an image without layers) as null.
            case {"Config": str(config_name), "Layers": (list() | None) as layer_names, **rest}:
                references = _references(members.label, rest.get("RepoTags") or [])
                layers = [_layer(members, str(name)) for name in layer_names or []]
                yield _docker_image(members, config_name, references, layers)
            case _:
                raise BundleCorrupt(f"{members.label}: manifest.json has an entry without Layers")


def _docker_image(
    members: Members[Layer], config_name: str, references: tuple[Reference, ...], found: list[Layer]
) -> Image:
    config_bytes = members.document(config_name)
    platform, diff_ids = _config_facts(members, config_name)
    title = references[0].familiar if references else config_name
    image_id = sha256_digest(config_bytes)
    promised = _DIGEST_NAME.fullmatch(config_name)
    if promised and f"sha256:{promised[1]}" != image_id:
        raise BundleCorrupt(
            f"{members.label}: image {title}: its config is damaged (it is {image_id}, "
            f"its name is {config_name})"
        )
    image = Image(
        image_id=image_id,
        references=references,
        platform=platform,
        config_size_bytes=len(config_bytes),
        layers=_checked_layers(members.label, title, found, diff_ids),
    )
    return replace(image, manifest=_docker_manifest(image))


def _config_facts(members: Members[Layer], config_name: str) -> tuple[str, list[str]]:
    match members.json(config_name):
        case {"rootfs": dict(rootfs), **rest}:
            platform = f"{rest.get('os', 'linux')}/{rest.get('architecture', 'amd64')}"
            diff_ids = rootfs.get("diff_ids") or []
        case _:
            raise BundleCorrupt(f"{members.label}: {config_name!r} is no image config")
    if not isinstance(diff_ids, list):
        raise BundleCorrupt(f"{members.label}: {config_name!r} has diff_ids that are no list")
    return platform, [str(diff_id) for diff_id in diff_ids]


def _checked_layers(
    label: str, title: str, found: list[Layer], diff_ids: list[str]
) -> tuple[Layer, ...]:
    if len(found) != len(diff_ids):
        raise BundleCorrupt(
            f"{label}: image {title} has {len(found)} layers, its config names {len(diff_ids)}"
        )
    for number, (layer, diff_id) in enumerate(zip(found, diff_ids, strict=True), 1):
        if layer.diff_id and layer.diff_id != diff_id:
            raise BundleCorrupt(
                f"{label}: image {title}: layer {number} of {len(found)} is damaged "
                f"(it is {layer.diff_id}, should be {diff_id})"
            )
    return tuple(replace(layer, diff_id=d) for layer, d in zip(found, diff_ids, strict=True))


def _docker_manifest(image: Image) -> str:
    """Write the schema 2 manifest of an image whose layers are all in the registry."""
    if not all(layer.digest for layer in image.layers):
        return ""
    config = {
        "mediaType": DOCKER_CONFIG,
        "size": image.config_size_bytes,
        "digest": image.image_id,
    }
    layers = [
        {"mediaType": layer.media_type, "size": layer.size_bytes, "digest": layer.digest}
        for layer in image.layers
    ]
    manifest = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": config,
        "layers": layers,
    }
    return json.dumps(manifest, separators=(",", ":"))


def _layer(members: Members[Layer], name: str) -> Layer:
    layer = members.layers.get(members.resolve(name))
    if layer is None:
        raise BundleCorrupt(f"{members.label}: the layer {name!r} is named but not in the archive")
    return layer


def _references(label: str, tags: object) -> tuple[Reference, ...]:
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise BundleCorrupt(f"{label}: RepoTags is no list of names")
    try:
        return tuple(dict.fromkeys(parse_reference(tag) for tag in tags if is_tagged(tag)))
    except UnsafeBundle as error:
        raise UnsafeBundle(f"{label}: {error.what}") from error


def _oci_images(members: Members[Layer]) -> Iterator[Image]:
    found: dict[Reference, Image] = {}
    for notes, manifest_bytes in _oci_manifests(members):
        image = _oci_image(members, notes, manifest_bytes)
        for reference in image.references:
            if reference in found and found[reference].image_id != image.image_id:
                raise BundleError(
                    f"{members.label}: {reference.familiar} is there for several platforms, "
                    "which this version does not import",
                    remedy="Save the bundle for one platform only.",
                )
            found[reference] = image
        yield image


def _oci_manifests(members: Members[Layer]) -> Iterator[tuple[Annotations, bytes]]:
    """Yield each image manifest that is in the archive; indexes may name others that are not.

    A small file can name the same index over and over, level by level; so what is looked at is
    counted, not only how deep it lies.
    """
    waiting = _descriptors(members, members.json("index.json"), {}, 0)
    for _ in range(MAX_IMAGES):
        if not waiting:
            return
        digest, annotations, depth = waiting.pop()
        name = _blob_name(digest)
        if name not in members.documents or "vnd.docker.reference.type" in annotations:
            continue
        if sha256_digest(members.documents[name]) != digest:
            raise BundleCorrupt(f"{members.label}: {name!r} has another digest than its name")
        document = members.json(name)
        if isinstance(document, dict) and "manifests" in document:
            waiting += _descriptors(members, document, annotations, depth + 1)
        else:
            yield annotations, members.documents[name]
    raise UnsafeBundle(f"{members.label}: more than {MAX_IMAGES} images")


def _descriptors(
    members: Members[Layer], index: object, names: Annotations, depth: int
) -> list[tuple[str, Annotations, int]]:
    """Return digest, annotations (with those of the index) and depth of each entry, last first."""
    if depth > MAX_INDEX_DEPTH:
        raise BundleCorrupt(f"{members.label}: indexes are nested too deeply")
    match index:
        case {"manifests": list(descriptors)}:
            pass
        case _:
            raise BundleCorrupt(f"{members.label}: index.json lists no manifests")
    found: list[tuple[str, Annotations, int]] = []
    for descriptor in descriptors:
        match descriptor:
            case {"digest": str(digest), "annotations": dict(annotations)}:
                found.append((digest, {**names, **annotations}, depth))
            case {"digest": str(digest), **rest} if not rest.get("annotations"):
                found.append((digest, names, depth))
            case _:
                raise BundleCorrupt(f"{members.label}: an index has a damaged descriptor")
    return found[::-1]


def _oci_image(members: Members[Layer], annotations: Annotations, manifest_bytes: bytes) -> Image:
    match json.loads(manifest_bytes):
        case {
            "config": {"digest": str(config_digest)},
            "layers": (list() | None) as descriptors,
            **rest,
        }:
            wanted = [_layer_digest(members.label, entry) for entry in descriptors or []]
        case _:
            raise BundleCorrupt(f"{members.label}: a manifest without config and layers")
    references = _annotated_references(members.label, annotations)
    found = [_layer(members, _blob_name(digest)) for digest in wanted]
    image = _docker_image(members, _blob_name(config_digest), references, found)
    if image.image_id != config_digest:
        raise BundleCorrupt(f"{members.label}: the config {config_digest} is damaged")
    if [layer.digest for layer in found] != wanted:
        return image
    media_type = str(rest.get("mediaType") or OCI_MANIFEST)
    return replace(image, manifest=manifest_bytes.decode(), manifest_type=media_type)


def _layer_digest(label: str, descriptor: object) -> str:
    match descriptor:
        case {"digest": str(digest)}:
            return digest
        case _:
            raise BundleCorrupt(f"{label}: a manifest names a layer without a digest")


def _annotated_references(label: str, annotations: Annotations) -> tuple[Reference, ...]:
    for key in _NAME_ANNOTATIONS:
        name = annotations.get(key)
        if isinstance(name, str) and ("/" in name or ":" in name):
            return _references(label, [name])
    return ()


def _blob_name(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/", 1)
