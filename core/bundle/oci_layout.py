"""The images of an OCI image layout: `index.json`, nested indexes, manifests, several platforms.

Follows the OCI image specification 1.1. An index may name platforms that are not in the file (every
engine since Docker 25 writes such); what is there is taken. Attestations belong to no engine's pull
and are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from core.bundle.images import MAX_IMAGES, build_image, layer_of, platform_name, references_of
from core.bundle.members import Members
from core.bundle.model import (
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYOUT,
    OCI_MANIFEST,
    Contents,
    Image,
    Layer,
    ManifestList,
    sha256_digest,
)
from core.bundle.problems import Problems
from core.bundle.reference import Reference
from core.errors import BundleCorrupt, UnsafeBundle

INDEX = "index.json"
MAX_INDEX_DEPTH = 4
_NAME_ANNOTATIONS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_ATTESTATION = "vnd.docker.reference.type"
_DIGEST = re.compile(r"[a-z0-9]+:[0-9a-f]{32,128}")
_CONFIGS = (OCI_CONFIG, DOCKER_CONFIG)
_LAYERS = ("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.")
Descriptor = Mapping[str, object]


@dataclass
class _Found:
    """A manifest that is in the archive: how it is named, and its descriptor in its index."""

    digest: str
    names: tuple[str, ...]
    descriptor: Descriptor
    document: object
    index_digest: str


@dataclass
class _Walk:
    """What looking through the indexes found."""

    manifests: list[_Found] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    absent_names: dict[tuple[str, ...], None] = field(default_factory=dict)
    attestations: int = 0
    artifacts: int = 0
    whole_indexes: dict[str, int] = field(default_factory=dict)


def oci_contents(members: Members[Layer], stem: str, problems: Problems) -> Contents:
    """Return what an OCI layout holds: images of one platform each, and lists that tie them.

    Args:
        members: What the pass over the bundle found.
        stem: The name for images that have only a tag, or none at all.
        problems: Where single images' problems go.

    Raises:
        BundleCorrupt: something named is missing, or has another digest.
        UnsafeBundle: indexes that no tool writes.
    """
    walk = _walk(members, problems)
    built: dict[str, Image] = {}
    named: dict[Reference, list[_Found]] = {}
    after_file: dict[Reference, None] = {}
    alone = len({found.index_digest or found.digest for found in walk.manifests}) == 1
    for found in walk.manifests:
        with problems.noted():
            references = _references(members.label, found, stem, alone=alone)
            image = built.get(found.digest) or _oci_image(members, found, references)
            together = tuple(dict.fromkeys((*image.references, *references)))
            built[found.digest] = replace(image, references=together)
            for reference in references:
                if found.digest not in [one.digest for one in named.setdefault(reference, [])]:
                    named[reference].append(found)
            if not any(map(_is_whole, found.names)):
                after_file.update(dict.fromkeys(references))
    for reference in list(named):
        with problems.noted():
            _require_one_each(members.label, reference, named, built)
    lists = _lists(members, named, built, walk)
    notes = [f"{digest} is named, but not in the file" for digest in walk.absent]
    notes += [f"{name.familiar} is named after the file" for name in after_file]
    if walk.attestations:
        notes.append(f"attestations left out, which no engine pulls: {walk.attestations}")
    if walk.artifacts:
        notes.append(f"artifacts left out, which are no images: {walk.artifacts}")
    return Contents(tuple(built.values()), tuple(lists), tuple(notes), OCI_LAYOUT)


def _walk(members: Members[Layer], problems: Problems) -> _Walk:
    """Look through all indexes.

    A small file can name the same index over and over, level by level; so what is looked at is
    counted, not only how deep it lies.
    """
    walk = _Walk()
    seen: set[tuple[str, tuple[str, ...]]] = set()
    waiting: list[tuple[Descriptor, tuple[str, ...], str, int]] = [
        (entry, (), "", 0) for entry in reversed(_entries(members, members.json(INDEX)))
    ]
    for _ in range(MAX_IMAGES):
        if not waiting:
            _require_some_of_each(members.label, walk, problems)
            return walk
        entry, outer_names, index_digest, depth = waiting.pop()
        digest, names = str(entry["digest"]), _names(entry) or outer_names
        name = blob_name(digest)
        if _is_attestation(entry):
            walk.attestations += 1
            continue
        if name not in members.documents and not depth:
            with problems.noted():
                raise BundleCorrupt(f"{members.label}: {name!r} is named but not in the archive")
            continue
        if name not in members.documents:
            walk.absent_names.setdefault(names)
            platform = entry.get("platform")
            where = f"{platform_name(platform)}, " if isinstance(platform, dict) else ""
            walk.absent.append(f"{where}{digest}")
            continue
        document = _verified(members, name, digest)
        if isinstance(document, dict) and "manifests" in document:
            if depth >= MAX_INDEX_DEPTH:
                raise BundleCorrupt(f"{members.label}: indexes are nested too deeply")
            entries = _entries(members, document)
            walk.whole_indexes[digest] = len(entries)
            waiting += [(inner, names, digest, depth + 1) for inner in entries[::-1]]
        elif _is_artifact(document):
            walk.artifacts += 1
        elif (digest, names) not in seen:
            seen.add((digest, names))
            walk.manifests.append(_Found(digest, names, entry, document, index_digest))
    raise UnsafeBundle(f"{members.label}: more than {MAX_IMAGES} images")


def _require_some_of_each(label: str, walk: _Walk, problems: Problems) -> None:
    """Refuse a name of which not one platform is in the file: it would vanish in silence."""
    there = {found.names for found in walk.manifests}
    for names in walk.absent_names:
        with problems.noted():
            if names and names not in there:
                raise BundleCorrupt(f"{label}: no platform of {names[0]!r} is in the file")


def _entries(members: Members[Layer], index: object) -> list[Descriptor]:
    match index:
        case {"manifests": list(entries)}:
            pass
        case _:
            raise BundleCorrupt(f"{members.label}: index.json lists no manifests")
    if not all(_is_sound(entry) for entry in entries):
        raise BundleCorrupt(f"{members.label}: an index has a damaged descriptor")
    return entries


def _is_sound(entry: object) -> bool:
    match entry:
        case {"digest": str(digest), **rest}:
            notes = rest.get("annotations")
            return bool(_DIGEST.fullmatch(digest)) and (notes is None or isinstance(notes, dict))
    return False


def _names(entry: Descriptor) -> tuple[str, ...]:
    annotations = entry.get("annotations")
    if not isinstance(annotations, dict):
        return ()
    found = [annotations.get(key) for key in _NAME_ANNOTATIONS]
    # podman writes an image's ID where it knows no name.
    return tuple(
        name for name in found if isinstance(name, str) and name and not _DIGEST.fullmatch(name)
    )


def _is_attestation(entry: Descriptor) -> bool:
    annotations, platform = entry.get("annotations"), entry.get("platform")
    if isinstance(annotations, dict) and _ATTESTATION in annotations:
        return True
    return isinstance(platform, dict) and platform.get("architecture") == "unknown"


def _is_artifact(document: object) -> bool:
    """Whether a manifest is of something else than an image: a chart, a signature."""
    match document:
        case {"config": {"mediaType": str(media_type)}} if media_type not in _CONFIGS:
            return True
        # Signatures of cosign have an image's config, and layers that are none.
        case {"layers": [_, *_] as layers}:
            kinds = [layer.get("mediaType") for layer in layers if isinstance(layer, dict)]
            return all(isinstance(k, str) and not k.startswith(_LAYERS) for k in kinds)
    return False


def _verified(members: Members[Layer], name: str, digest: str) -> object:
    if sha256_digest(members.documents[name]) != digest:
        raise BundleCorrupt(f"{members.label}: {name!r} has another digest than its name")
    return members.json(name)


def _references(label: str, found: _Found, stem: str, *, alone: bool) -> tuple[Reference, ...]:
    """Return the names of a manifest: whole ones, else the file's name with the tag that it has."""
    for name in found.names:
        if _is_whole(name):
            return references_of(label, [name], found.digest, [])
    if not stem or not (found.names or alone):
        return ()
    return references_of(
        label, [f"{stem}:{found.names[0] if found.names else 'latest'}"], found.digest, []
    )


def _is_whole(name: str) -> bool:
    return "/" in name or ":" in name


def _oci_image(members: Members[Layer], found: _Found, references: tuple[Reference, ...]) -> Image:
    match found.document:
        case {
            "config": {"digest": str(config_digest)},
            "layers": (list() | None) as descriptors,
            **rest,
        }:
            wanted = [_layer_digest(members.label, entry) for entry in descriptors or []]
        case _:
            raise BundleCorrupt(f"{members.label}: a manifest without config and layers")
    names = [blob_name(digest) for digest in wanted]
    image = build_image(members, blob_name(config_digest), references, names)
    platform = found.descriptor.get("platform")
    if isinstance(platform, dict):  # says more than many a config: the variant
        image = replace(image, platform=platform_name(platform))
    if image.image_id != config_digest:
        raise BundleCorrupt(f"{members.label}: the config {config_digest} is damaged")
    for number, (name, digest) in enumerate(zip(names, wanted, strict=True), 1):
        source_digest = layer_of(members, name, image.title).source_digest
        if source_digest and source_digest != digest:
            raise BundleCorrupt(
                f"{members.label}: image {image.title}: layer {number} of {len(wanted)} is damaged "
                f"(it is {source_digest}, should be {digest})"
            )
    if not image.manifest or [layer.digest for layer in image.layers] != wanted:
        return image
    media_type = str(rest.get("mediaType") or found.descriptor.get("mediaType") or OCI_MANIFEST)
    manifest = members.documents[blob_name(found.digest)].decode()
    return replace(image, manifest=manifest, manifest_type=media_type)


def _layer_digest(label: str, descriptor: object) -> str:
    match descriptor:
        case {"digest": str(digest)} if _DIGEST.fullmatch(digest):
            return digest
        case _:
            raise BundleCorrupt(f"{label}: a manifest names a layer without a digest")


def _require_one_each(
    label: str,
    reference: Reference,
    named: dict[Reference, list[_Found]],
    built: dict[str, Image],
) -> None:
    """Refuse a name that stands for two images of the same platform; nobody has it then."""
    several = named[reference]
    if len({_platform_key(found, built[found.digest]) for found in several}) == len(several):
        return
    for found in named.pop(reference):
        image = built[found.digest]
        left = tuple(name for name in image.references if name != reference)
        built[found.digest] = replace(image, references=left)
    raise BundleCorrupt(f"{label}: {reference.familiar} stands for two images of one platform")


def _platform_key(found: _Found, image: Image) -> tuple[str, str]:
    """Return what tells an image from others of its name; Windows has one for each build."""
    platform = found.descriptor.get("platform")
    build = platform.get("os.version") if isinstance(platform, dict) else ""
    return image.platform, str(build or "")


def _lists(
    members: Members[Layer],
    named: Mapping[Reference, list[_Found]],
    built: Mapping[str, Image],
    walk: _Walk,
) -> list[ManifestList]:
    """Tie together what several platforms have under one name; several names may share a list."""
    found: dict[tuple[str, ...], ManifestList] = {}
    for reference, several in named.items():
        if len(several) < 2:
            continue
        key = tuple(one.digest for one in several)
        known = found.get(key) or _list(members, several, built, walk)
        found[key] = replace(known, references=(*known.references, reference))
    return list(found.values())


def _list(
    members: Members[Layer], several: list[_Found], built: Mapping[str, Image], walk: _Walk
) -> ManifestList:
    """Return the bundle's own index where all that it names is pushed as it is, else a new one."""
    images = [built[found.digest] for found in several]
    if not all(image.manifest for image in images):
        return ManifestList((), "", OCI_INDEX)
    index_digest = several[0].index_digest
    unchanged = [image.manifest_digest for image in images] == [one.digest for one in several]
    is_whole = walk.whole_indexes.get(index_digest) == len(several)
    if unchanged and is_whole and {one.index_digest for one in several} == {index_digest}:
        text = members.documents[blob_name(index_digest)].decode()
        media_type = json.loads(text).get("mediaType")
        return ManifestList((), text, str(media_type or OCI_INDEX))
    only_docker = all(image.manifest_type == DOCKER_MANIFEST for image in images)
    media_type = DOCKER_MANIFEST_LIST if only_docker else OCI_INDEX
    entries = [_entry(one, image) for one, image in zip(several, images, strict=True)]
    index = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}
    return ManifestList((), json.dumps(index, separators=(",", ":")), media_type)


def _entry(found: _Found, image: Image) -> dict[str, object]:
    operating_system, _, rest = image.platform.partition("/")
    architecture, _, variant = rest.partition("/")
    platform = {"os": operating_system, "architecture": architecture}
    if variant:
        platform["variant"] = variant
    return {
        "mediaType": image.manifest_type,
        "digest": image.manifest_digest,
        "size": len(image.manifest.encode()),
        "platform": found.descriptor.get("platform") or platform,
    }


def blob_name(digest: str) -> str:
    """Return the member name of a blob."""
    return "blobs/" + digest.replace(":", "/", 1)
