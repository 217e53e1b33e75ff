"""What is known of a bundle: its images, their names and their layers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from core.bundle.reference import Reference

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def sha256_digest(data: bytes) -> str:
    """Return the digest of bytes as the OCI specs write it: `sha256:<hex>`."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Layer:
    """A layer as the registry holds it.

    A bundle that was only listed has layers without `digest` (and `diff_id` from the config).
    """

    diff_id: str
    digest: str
    size_bytes: int
    media_type: str = DOCKER_LAYER_GZIP


@dataclass(frozen=True)
class Image:
    """One image of a bundle.

    `image_id` is the digest of the config. `manifest` is the text that is pushed under each tag,
    empty for a bundle that was only listed.
    """

    image_id: str
    references: tuple[Reference, ...]
    platform: str
    config_size_bytes: int
    layers: tuple[Layer, ...]
    manifest: str = ""
    manifest_type: str = DOCKER_MANIFEST

    @property
    def manifest_digest(self) -> str:
        """The digest under which a registry files the manifest."""
        return sha256_digest(self.manifest.encode())

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """The digests of the uncompressed layers, lowest first."""
        return tuple(layer.diff_id for layer in self.layers)


@dataclass(frozen=True)
class Bundle:
    """A bundle file, and what it holds once it was read."""

    name: str
    size_bytes: int
    images: tuple[Image, ...]
    imported: bool

    @property
    def blobs(self) -> dict[str, int]:
        """Digest and size of every layer, each once."""
        return {layer.digest: layer.size_bytes for image in self.images for layer in image.layers}


@dataclass(frozen=True)
class BundleFile:
    """A file that is to be imported; `key` tells this very content's file from any other."""

    path: Path
    size_bytes: int
    modified_ns: int

    @property
    def name(self) -> str:
        """The file's name, which is how people speak of it."""
        return self.path.name

    @property
    def key(self) -> str:
        """An identity from name, size and time: a changed or replaced file has another."""
        identity = f"{self.name}\0{self.size_bytes}\0{self.modified_ns}"
        return hashlib.sha256(identity.encode()).hexdigest()[:32]
