"""The manifests and indexes of an OCI layout, each with what it names and what of that is there."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from core.bundle.artifacts import is_artifact, is_attestation
from core.bundle.blobs import blob_name
from core.bundle.members import MAX_DOCUMENT_BYTES, Members
from core.bundle.model import OCI_INDEX, OCI_MANIFEST, Image, Layer, sha256_digest
from core.bundle.problems import Problems
from core.bundle.reference import Reference
from core.errors import BundleCorrupt

MAX_NODES = 20_000
MAX_DEPTH = 16
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
Descriptor = Mapping[str, Any]


@dataclass
class Node:
    """A manifest or index of the file.

    Args:
        digest: Its digest.
        entry: The descriptor by which it was found first.
        text: Its bytes as text.
        document: The same, parsed.
        is_artifact: Whether it is of something else than an image.
        image: The image that it is of, if that is taken.
        children: The manifests that it names, where it is an index; absent ones are None.
        blobs: Digest and size of each blob of an artifact; None where one is not at hand as it is.
        own: Tags of its own.
        beside: Names in whose repositories it is needed.
        is_reached: Whether something that has a tag leads to it.
    """

    digest: str
    entry: Descriptor
    text: str
    document: Mapping[str, Any]
    is_artifact: bool = False
    image: Image | None = None
    children: list[tuple[Descriptor, Node | None]] | None = None
    blobs: tuple[tuple[str, int], ...] | None = ()
    own: dict[Reference, None] = field(default_factory=dict)
    beside: dict[Reference, None] = field(default_factory=dict)
    is_reached: bool = False

    @property
    def is_index(self) -> bool:
        return self.children is not None

    @cached_property
    def is_whole(self) -> bool:
        """Whether it can be put as it is, with all that it names."""
        if self.children is not None:
            return all(node is not None and node.is_whole for _, node in self.children)
        if self.image is not None:
            return self.image.manifest_digest == self.digest or not self.image.manifest
        return self.is_artifact and self.blobs is not None

    @cached_property
    def below(self) -> dict[str, Node]:
        """What it names, and what that names, each before what names it."""
        found: dict[str, Node] = {}
        for _, node in self.children or ():
            if node is not None:
                found |= node.below
                found[node.digest] = node
        return found

    @property
    def images(self) -> set[str]:
        """The digest of every image that it is, or names."""
        return {node.digest for node in (self, *self.below.values()) if node.image}

    @property
    def others(self) -> list[Node]:
        """What is no image below it: artifacts, and indexes between."""
        return [node for node in self.below.values() if node.is_index or node.is_artifact]

    @property
    def subject(self) -> str:
        match self.document.get("subject"):
            case {"digest": str(digest)}:
                return digest
        return ""

    @property
    def media_type(self) -> str:
        said = self.document.get("mediaType")
        fallback = OCI_INDEX if self.is_index else OCI_MANIFEST
        return said if isinstance(said, str) and said else fallback

    @property
    def is_pullable(self) -> bool:
        """Whether Docker gets an image out of this index."""
        children = self.children or []
        images = [entry for entry, node in children if node and node.image]
        nested = any(node and node.is_index for _, node in children)
        return bool(images) and not nested and all(map(_says_platform, images))


class Nodes:
    """Finds the manifests and indexes of a layout, each once.

    Args:
        members: What the pass over the bundle found.
        images: Its images by the digest of the manifest that is in the file.
        problems: Where damage of what is no image goes; the first one is raised if None.
    """

    def __init__(
        self, members: Members[Layer], images: Mapping[str, Image], problems: Problems
    ) -> None:
        self._members = members
        self._images = images
        self._problems = problems
        self.found: dict[str, Node | None] = {}

    def get(self, digest: str) -> Node | None:
        """Return what was found under a digest."""
        return self.found.get(digest)

    def look_up(self, entry: Descriptor, depth: int = 0) -> Node | None:
        """Return what a descriptor names; None where that is not in the file, or is damaged."""
        digest = str(entry["digest"])
        if digest in self.found:
            return self.found[digest]
        if len(self.found) >= MAX_NODES or depth > MAX_DEPTH or not _SHA256.fullmatch(digest):
            return None
        self.found[digest] = None
        self.found[digest] = self._made(digest, entry, depth)
        return self.found[digest]

    def _made(self, digest: str, entry: Descriptor, depth: int) -> Node | None:
        data = self._members.documents.get(blob_name(digest))
        document = _parsed(data) if data is not None else None
        if data is None or document is None or not self._is_sound(data, digest):
            return None
        node = Node(digest, entry, data.decode(), document, image=self._images.get(digest))
        children = document.get("manifests")
        if isinstance(children, list):
            node.children = [self._child(child, depth + 1) for child in children]
        elif node.image is None and is_no_image(self._members, entry, document):
            node.is_artifact = True
            node.blobs = self._blobs(document)
        return node

    def _child(self, entry: object, depth: int) -> tuple[Descriptor, Node | None]:
        """Return an entry of an index, and what it names; None where that is another."""
        if not isinstance(entry, dict) or not _is_descriptor(entry):
            return {}, None
        node = self.look_up(entry, depth)
        fits = node is not None and len(node.text.encode()) == entry["size"]
        return entry, node if fits else None

    def _blobs(self, document: Mapping[str, Any]) -> tuple[tuple[str, int], ...] | None:
        layers = document.get("layers")
        parts = [document.get("config"), *(layers if isinstance(layers, list) else ())]
        found: dict[str, int] = {}
        for part in parts:
            if not _is_descriptor(part):
                return None
            digest, size = str(part["digest"]), self._size(part)
            if size is None or size != part["size"]:
                return None
            found[digest] = size
        return tuple(found.items())

    def _size(self, part: Descriptor) -> int | None:
        """Return the size of a blob that the registry gets as it is; None where it gets none.

        Raises:
            BundleCorrupt: it is damaged.
        """
        members, digest = self._members, str(part["digest"])
        name = members.resolve(blob_name(digest))
        members.used.add(name)
        if name not in members.documents and (data := _inline(part)) is not None:
            members.documents.setdefault(name, data)
        if (document := members.documents.get(name)) is not None:
            return len(document) if self._is_sound(document, digest) else None
        if name in members.blobs:
            return members.blobs[name]
        layer = members.layers.get(name)
        if layer is None or layer.digest not in ("", digest):
            return None
        return layer.bundle_bytes

    def _is_sound(self, data: bytes, digest: str) -> bool:
        with self._problems.noted():
            if sha256_digest(data) == digest:
                return True
            label, name = self._members.label, blob_name(digest)
            raise BundleCorrupt(f"{label}: {name!r} has another digest than its name")
        return False


def _says_platform(entry: Descriptor) -> bool:
    match entry.get("platform"):
        case {"os": str(system), "architecture": str(machine)}:
            return bool(system and machine)
    return False


def _is_descriptor(part: object) -> bool:
    match part:
        case {"digest": str(digest), "size": int()}:
            return bool(_SHA256.fullmatch(digest))
    return False


def _inline(part: Descriptor) -> bytes | None:
    """Return a small blob that stands in its descriptor, if it is what that says."""
    try:
        data = base64.b64decode(str(part.get("data") or ""), validate=True)
    except ValueError:
        return None
    return data if sha256_digest(data) == part["digest"] else None


def is_no_image(members: Members[Layer], entry: Descriptor, document: object) -> bool:
    """Whether a manifest is of something else than an image.

    Some artifacts have an image's media types, and a config that is none.
    """
    if is_attestation(entry) or is_artifact(document):
        return True
    match document:
        case {"config": {"digest": str(digest)}}:
            name = blob_name(digest)
            if 0 <= members.blobs.get(name, -1) <= MAX_DOCUMENT_BYTES:
                return True
            data = members.documents.get(name)
            config = _parsed(data) if data is not None else None
            return config is not None and "rootfs" not in config
    return False


def _parsed(data: bytes) -> Mapping[str, Any] | None:
    try:
        data.decode()
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
