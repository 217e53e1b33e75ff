"""OCI layouts put together blob by blob: whatever indexes, platforms, names and media types.

Generated twins of what containerd, buildkit, skopeo, podman and Docker 25 to 29 write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import zstandard

from tests.support.archives import ImageSpec
from tests.support.layouts import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Entry,
    as_json,
    blob_name,
    descriptor,
    layout_entries,
    packed,
    tar_bytes,
)

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
Descriptor = dict[str, object]


@dataclass(frozen=True)
class Kinds:
    """How an image is stored: media types, and what is done with its layers."""

    layer: str = f"{OCI_LAYER}+gzip"
    pack: Callable[[bytes], bytes] = packed
    manifest: str = OCI_MANIFEST
    config: str = OCI_CONFIG


def zstd_packed(layer: bytes) -> bytes:
    return zstandard.ZstdCompressor(3).compress(layer)


GZIP = Kinds()
PLAIN = Kinds(OCI_LAYER, bytes)
ZSTD = Kinds(f"{OCI_LAYER}+zstd", zstd_packed)
PLAIN_SAID_TO_BE_GZIP = Kinds(pack=bytes)
DOCKER = Kinds(DOCKER_LAYER, packed, DOCKER_MANIFEST, DOCKER_CONFIG)


def manifest_of(image: ImageSpec, kinds: Kinds = GZIP) -> bytes:
    return as_json(
        {
            "schemaVersion": 2,
            "mediaType": kinds.manifest,
            "config": descriptor(image.config, kinds.config),
            "layers": [descriptor(kinds.pack(layer), kinds.layer) for layer in image.layers],
        }
    )


def full_name(name: str) -> Descriptor:
    """Return the annotation that containerd gives a descriptor."""
    return {"annotations": {"io.containerd.image.name": name}}


def ref_name(name: str) -> Descriptor:
    """Return the annotation of the OCI specification: a bare tag, or a whole name."""
    return {"annotations": {"org.opencontainers.image.ref.name": name}}


def on_platform(text: str, os_version: str = "") -> Descriptor:
    names = ("os", "architecture", "variant")
    platform = dict(zip(names, text.split("/"), strict=False))
    return {"platform": {**platform, **({"os.version": os_version} if os_version else {})}}


def noted(entry: Descriptor, *notes: Descriptor) -> Descriptor:
    """Return a descriptor with what its index says of it: names, platform."""
    found = dict(entry)
    for note in notes:
        for key, value in note.items():
            known = found.get(key)
            if isinstance(known, dict) and isinstance(value, dict):
                value = {**known, **value}
            found[key] = value
    return found


@dataclass
class Layout:
    """The blobs of a layout; what is put in comes back as its descriptor."""

    blobs: dict[str, bytes] = field(default_factory=dict)

    def put(self, data: bytes, media_type: str, **more: object) -> Descriptor:
        self.blobs[blob_name(data)] = data
        return descriptor(data, media_type, **more)

    def image(self, image: ImageSpec, kinds: Kinds = GZIP, **more: object) -> Descriptor:
        for blob in (image.config, *map(kinds.pack, image.layers)):
            self.blobs[blob_name(blob)] = blob
        return self.put(manifest_of(image, kinds), kinds.manifest, **more)

    def index(self, *entries: Descriptor, kind: str = OCI_INDEX, **more: object) -> Descriptor:
        text = as_json({"schemaVersion": 2, "mediaType": kind, "manifests": entries})
        return self.put(text, kind, **more)

    def artifact(self, config_type: str, layer: bytes, layer_type: str) -> Descriptor:
        """Put in something that is no image: one layer and a config, `{}` or of its own kind."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.put(b"{}", config_type),
            "layers": [self.put(layer, layer_type)],
        }
        return self.put(as_json(manifest), OCI_MANIFEST)

    def attestation(self) -> Descriptor:
        """Put in what buildkit says of how an image was built."""
        statement = as_json({"_type": "https://in-toto.io/Statement/v0.1"})
        made = self.artifact(OCI_CONFIG, statement, "application/vnd.in-toto+json")
        note = {"vnd.docker.reference.type": "attestation-manifest"}
        return noted(made, on_platform("unknown/unknown"), {"annotations": note})

    def entries(self, *top: Descriptor) -> list[Entry]:
        """Return the members; `top` is what index.json, which comes last, names."""
        index = as_json({"schemaVersion": 2, "manifests": top})
        return layout_entries({**self.blobs, "index.json": index})

    def tar(self, *top: Descriptor) -> bytes:
        return tar_bytes(self.entries(*top))

    def write(self, directory: Path, *top: Descriptor) -> Path:
        """Write the layout as a directory."""
        for entry in self.entries(*top):
            path = directory / entry.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(entry.data)
        return directory


def listing_entry(*images: tuple[ImageSpec, list[str] | None], kinds: Kinds = GZIP) -> Entry:
    """Return the manifest.json of a layout that is a docker-archive as well.

    Args:
        images: Each with its names.
        kinds: How their layers are stored.
    """
    listing = [
        {
            "Config": blob_name(image.config),
            "RepoTags": tags,
            "Layers": [blob_name(kinds.pack(layer)) for layer in image.layers],
        }
        for image, tags in images
    ]
    return Entry("manifest.json", as_json(listing))
