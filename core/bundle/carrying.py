"""What of an OCI layout travels with its images, and which manifest each name stands for.

An index that the file holds whole is what people pin: it keeps every byte, and a name stands for it
where Docker can pull it. Docker's classic store looks one level deep, and takes only entries that
say their platform; where an index is another, the name stands for a list that it can pull, and the
index is had by its digest.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from core.bundle.artifacts import REFERENCE_DIGEST, is_artifact, is_attestation, kind_of
from core.bundle.blobs import blob_name
from core.bundle.carried import Carried, CarriedKind
from core.bundle.members import Members
from core.bundle.model import (
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    OCI_INDEX,
    OCI_MANIFEST,
    Image,
    Layer,
    ManifestList,
    sha256_digest,
)
from core.bundle.reference import Reference, digest_tag
from core.errors import BundleCorrupt

MAX_CARRIED = 20_000
MAX_DEPTH = 16
BACKUP_RECORD = "airferry/backup.json"
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_OF_MANIFEST = re.compile(r"sha256-(?P<hex>[0-9a-f]{64})(?P<ending>\.\w+)?")
_COSIGN_KIND = "kind"
_COSIGN = {
    "dev.cosignproject.cosign/sigs": ".sig",
    "dev.cosignproject.cosign/atts": ".att",
}
Descriptor = Mapping[str, Any]


@dataclass(frozen=True)
class Top:
    """What index.json names: a descriptor, and the names that it gives.

    Without `is_named` it gives none, and the file's own name stands in; without `is_whole_name`
    that does with the tag that it gives.
    """

    entry: Descriptor
    references: tuple[Reference, ...]
    is_named: bool = True
    is_whole_name: bool = True

    @property
    def digest(self) -> str:
        """The digest of what is named."""
        return str(self.entry["digest"])

    @property
    def cosign_ending(self) -> str:
        """The ending of the tag that cosign gives it; empty where it is none of cosign's."""
        return _COSIGN.get(_annotation(self.entry, _COSIGN_KIND), "")


@dataclass(frozen=True)
class Named:
    """One image under a name, and its descriptor."""

    digest: str
    entry: Descriptor


@dataclass(frozen=True)
class Outcome:
    """What is carried, the lists that names stand for, and what was left out, in words."""

    carried: tuple[Carried, ...]
    lists: tuple[ManifestList, ...]
    notes: tuple[str, ...]


@dataclass
class _Node:
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
    children: list[tuple[Descriptor, _Node | None]] | None = None
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
    def below(self) -> dict[str, _Node]:
        """What it names, and what that names, each before what names it."""
        found: dict[str, _Node] = {}
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
    def others(self) -> list[_Node]:
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


class Carrying:
    """Works out what one layout carries.

    Args:
        members: What the pass over the bundle found.
        images: Its images by the digest of the manifest that is in the file.
        tops: What index.json names.
        named: The images that each name stands for.
        carries: Whether anything but images and lists is taken.
    """

    def __init__(
        self,
        members: Members[Layer],
        images: Mapping[str, Image],
        tops: Sequence[Top],
        named: Mapping[Reference, Sequence[Named]],
        *,
        carries: bool,
    ) -> None:
        self._members = members
        self._images = images
        self._tops = tops
        self._named = named
        self._carries = carries
        self._nodes: dict[str, _Node | None] = {}
        self._lists: dict[tuple[str, ...], ManifestList] = {}

    def outcome(self) -> Outcome:
        """Return what comes of it."""
        for top in self._tops:
            self._node(top.entry, 0)
        for reference, several in self._named.items():
            self._settle(reference, several)
        if self._carries:
            self._place_named()
            self._place_referrers()
        carried = tuple(self._carried()) if self._carries else ()
        return Outcome(carried, tuple(self._lists.values()), tuple(self._notes(carried)))

    def _node(self, entry: Descriptor, depth: int) -> _Node | None:
        digest = str(entry["digest"])
        if digest in self._nodes:
            return self._nodes[digest]
        if len(self._nodes) >= MAX_CARRIED or depth > MAX_DEPTH or not _SHA256.fullmatch(digest):
            return None
        self._nodes[digest] = None
        self._nodes[digest] = self._made(digest, entry, depth)
        return self._nodes[digest]

    def _made(self, digest: str, entry: Descriptor, depth: int) -> _Node | None:
        data = self._members.documents.get(blob_name(digest))
        document = _parsed(data) if data is not None else None
        if data is None or document is None:
            return None
        _require_digest(self._members.label, data, digest)
        node = _Node(digest, entry, data.decode(), document, image=self._images.get(digest))
        children = document.get("manifests")
        if isinstance(children, list):
            node.children = [self._child(child, depth + 1) for child in children]
        elif node.image is None and is_no_image(self._members, entry, document):
            node.is_artifact = True
            node.blobs = self._blobs(document)
        return node

    def _child(self, entry: object, depth: int) -> tuple[Descriptor, _Node | None]:
        """Return an entry of an index, and what it names; None where that is another."""
        if not isinstance(entry, dict) or not _is_descriptor(entry):
            return {}, None
        node = self._node(entry, depth)
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
        if name not in members.documents and (data := _inline(part)) is not None:
            members.documents.setdefault(name, data)
        if (document := members.documents.get(name)) is not None:
            _require_digest(members.label, document, digest)
            return len(document)
        if name in members.blobs:
            return members.blobs[name]
        layer = members.layers.get(name)
        if layer is None or layer.digest not in ("", digest):
            return None
        members.used.add(name)
        return layer.bundle_bytes

    def _settle(self, reference: Reference, several: Sequence[Named]) -> None:
        """Decide what a name stands for: an index of the file, a list of its own, or one image."""
        wanted = {one.digest for one in several}
        nodes = self._nodes_of.get(reference, [])
        chosen = next((node for node in nodes if node.images == wanted), None)
        is_list = chosen is not None and chosen.is_pullable and self._is_taken(chosen)
        for node in nodes:
            if node is chosen and is_list:
                self._name_list(reference, self._kept_list(node), (node.digest,))
                self._reach_below(node, reference)
            elif node.is_index and self._is_taken(node):
                self._hold(node, reference)
        if is_list:
            return
        extra = [found for node in nodes for found in self._extra(node, reference)]
        if len(several) > 1 or extra:
            key = (*(one.digest for one in several), *(node.digest for _, node in extra))
            made = self._new_list(several, [entry for entry, _ in extra])
            self._name_list(reference, made, key)

    @cached_property
    def _nodes_of(self) -> dict[Reference, list[_Node]]:
        found: dict[Reference, list[_Node]] = {}
        for top in self._tops:
            node = self._nodes.get(top.digest)
            for reference in top.references:
                if node is not None and node not in found.setdefault(reference, []):
                    found[reference].append(node)
        return found

    def _kept_list(self, node: _Node) -> ManifestList:
        if not all(self._images[digest].manifest for digest in node.images):
            return ManifestList((), "", OCI_INDEX)
        return ManifestList((), node.text, node.media_type, is_kept=True)

    def _name_list(self, reference: Reference, made: ManifestList, key: tuple[str, ...]) -> None:
        known = self._lists.get(key, made)
        self._lists[key] = replace(known, references=(*known.references, reference))

    def _is_taken(self, node: _Node) -> bool:
        """Whether an index is put as it is: it is whole, and all that is in it may go along."""
        artifacts = any(other.is_artifact for other in node.others)
        return node.is_whole and (self._carries or not artifacts)

    def _hold(self, node: _Node, reference: Reference) -> None:
        """Keep an index by its digest where no name stands for it."""
        if self._carries and not self._is_backup:
            node.own[replace(reference, tag=digest_tag(node.digest))] = None
            self._reach_below(node, reference)

    @property
    def _is_backup(self) -> bool:
        """Whether it is a backup of ours, in which names have a second index for other tools."""
        return BACKUP_RECORD in self._members.documents

    def _reach_below(self, node: _Node, reference: Reference) -> None:
        for other in node.others:
            other.beside[reference] = None
            other.is_reached = True

    def _extra(self, node: _Node, reference: Reference) -> Iterator[tuple[Descriptor, _Node]]:
        """Yield what else an index names that goes into the list that is written in its place."""
        if not self._carries or node.is_whole:
            return
        for entry, child in node.children or ():
            if child is None or not child.is_artifact or not child.is_whole:
                continue
            about = _annotation(entry, REFERENCE_DIGEST)
            subject = self._nodes.get(about)
            if not about or (subject is not None and subject.is_whole):
                child.beside[reference] = None
                child.is_reached = True
                yield entry, child

    def _new_list(self, several: Sequence[Named], extra: Sequence[Descriptor]) -> ManifestList:
        images = [self._images[one.digest] for one in several]
        if not all(image.manifest for image in images):
            return ManifestList((), "", OCI_INDEX)
        only_docker = all(image.manifest_type == DOCKER_MANIFEST for image in images)
        media_type = DOCKER_MANIFEST_LIST if only_docker and not extra else OCI_INDEX
        entries = [_entry(one.entry, image) for one, image in zip(several, images, strict=True)]
        index = {"schemaVersion": 2, "mediaType": media_type, "manifests": [*entries, *extra]}
        text = json.dumps(index, separators=(",", ":"))
        return ManifestList((), text, media_type, is_kept=bool(extra))

    def _place_named(self) -> None:
        """Give those their tags that have names of their own."""
        for top in self._tops:
            node = self._nodes.get(top.digest)
            if node is None or node.images or not (node.is_index or node.is_artifact):
                continue
            if not top.is_named:
                continue
            for reference in self._own_names(top):
                if reference not in self._named:
                    node.own[reference] = None
                    self._reach_below(node, reference)

    def _own_names(self, top: Top) -> Iterator[Reference]:
        if top.cosign_ending:
            for reference in top.references:
                for subject in self._tops:
                    if reference in subject.references and not subject.cosign_ending:
                        hexadecimal = subject.digest.removeprefix("sha256:")
                        tag = f"sha256-{hexadecimal}{top.cosign_ending}"
                        yield replace(reference, tag=tag)
            return
        for reference in top.references:
            about = _OF_MANIFEST.match(reference.tag)
            places = self._places_of(f"sha256:{about['hex']}") if about else {}
            if top.is_whole_name or not places:
                yield reference
            else:
                yield from (replace(place, tag=reference.tag) for place in places)

    def _place_referrers(self) -> None:
        """Put those beside their subject that say which one it is; one may speak of another."""
        waiting = [
            node
            for node in self._nodes.values()
            if node and node.subject and (node.is_artifact or (node.is_index and not node.images))
        ]
        moved = True
        while moved:
            moved = False
            for node in waiting:
                places = self._places_of(node.subject)
                moved = moved or bool(places.keys() - node.beside.keys())
                for one in (node, *node.others):
                    one.beside.update(places)
                    one.is_reached = one.is_reached or bool(places or node.own)

    def _places_of(self, digest: str) -> dict[Reference, None]:
        """Return names in whose repositories something is."""
        node = self._nodes.get(digest)
        if node is None:
            return {}
        image = node.image.references if node.image else ()
        index = self._names_of.get(digest, ()) if node.images else ()
        return dict.fromkeys((*node.own, *node.beside, *image, *index))

    @cached_property
    def _names_of(self) -> dict[str, list[Reference]]:
        """The names of images that each index of the file has, by its digest."""
        found: dict[str, list[Reference]] = {}
        for reference, nodes in self._nodes_of.items():
            if reference in self._named:
                for node in nodes:
                    for digest in (node.digest, *(one.digest for one in node.others)):
                        found.setdefault(digest, []).append(reference)
        return found

    def _carried(self) -> Iterator[Carried]:
        for node in self._in_order():
            if not (node.own or (node.beside and node.is_reached)):
                continue
            if not node.is_whole:
                continue
            tag = next((r.tag for r in node.own), "")
            yield Carried(
                _kind(node, tag),
                node.text,
                node.media_type,
                node.blobs or (),
                tuple(node.own),
                tuple(node.beside),
                node.subject,
            )

    def _in_order(self) -> list[_Node]:
        """Return what is no image, each after what it names."""
        found: dict[str, _Node] = {}
        for top in self._tops:
            node = self._nodes.get(top.digest)
            if node is not None:
                found |= {one.digest: one for one in (*node.below.values(), node)}
        return [node for node in found.values() if node.is_index or node.is_artifact]

    def _notes(self, carried: Sequence[Carried]) -> Iterator[str]:
        """Yield what is left out, and which digests change, a sentence each."""
        taken = {one.manifest_digest for one in carried}
        left: dict[tuple[CarriedKind, str], int] = {}
        for node in self._in_order():
            if node.is_artifact and node.digest not in taken:
                key = (kind_of(node.document, node.entry), self._reason(node))
                left[key] = left.get(key, 0) + 1
        for (kind, reason), number in left.items():
            yield f"{number} {kind}{'s' if number > 1 else ''} left out: {reason}"
        kept = taken | {one.manifest_digest for one in self._lists.values()}
        for reference, nodes in self._nodes_of.items():
            for node in nodes if reference in self._named and not self._is_backup else ():
                if node.is_index and node.digest not in kept:
                    yield f"{reference.familiar}: {node.digest} does not stay: {self._lack(node)}"

    def _reason(self, node: _Node) -> str:
        if not self._carries:
            return "carryArtifacts: false, or --without-artifacts"
        if node.own or node.is_reached or not node.is_whole:
            return "not all of it is in the file, or not as it was made"
        return "nothing that has a name leads to it"

    def _lack(self, node: _Node) -> str:
        if node.is_whole:
            return "what it names besides images is left out"
        for entry, child in node.children or ():
            if child is None:
                return f"{entry.get('digest', 'something')} is not in the file, or not so"
            if not child.is_whole and child.image:
                return "layers of its images are packed by the import"
        return "not all that it names is in the file"


def _kind(node: _Node, tag: str) -> CarriedKind:
    if node.is_index:
        return CarriedKind.INDEX
    return kind_of(node.document, node.entry, tag)


def _entry(descriptor: Descriptor, image: Image) -> dict[str, object]:
    operating_system, _, rest = image.platform.partition("/")
    architecture, _, variant = rest.partition("/")
    platform = {"os": operating_system, "architecture": architecture}
    if variant:
        platform["variant"] = variant
    return {
        "mediaType": image.manifest_type,
        "digest": image.manifest_digest,
        "size": len(image.manifest.encode()),
        "platform": descriptor.get("platform") or platform,
    }


def _says_platform(entry: Descriptor) -> bool:
    match entry.get("platform"):
        case {"os": str(system), "architecture": str(machine)}:
            return bool(system and machine)
    return False


def _annotation(entry: Descriptor, key: str) -> str:
    notes = entry.get("annotations")
    return str(notes.get(key, "")) if isinstance(notes, dict) else ""


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
            data = members.documents.get(blob_name(digest))
            config = _parsed(data) if data is not None else None
            return config is not None and "rootfs" not in config
    return False


def _require_digest(label: str, data: bytes, digest: str) -> None:
    if sha256_digest(data) != digest:
        name = blob_name(digest)
        raise BundleCorrupt(f"{label}: {name!r} has another digest than its name")


def _parsed(data: bytes) -> Mapping[str, Any] | None:
    try:
        data.decode()
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
