"""What of an OCI layout travels with its images, and which manifest each name stands for.

An index that the file holds whole is what people pin: it keeps every byte, and a name stands for it
where Docker can pull it. Docker's classic store looks one level deep, and takes only entries that
say their platform; where an index is another, the name stands for a list that it can pull, and the
index is had by its digest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from core.bundle.artifacts import REFERENCE_DIGEST, kind_of
from core.bundle.carried import Carried, CarriedKind
from core.bundle.left_out import LeftOut, Why
from core.bundle.members import Members
from core.bundle.model import (
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    OCI_INDEX,
    Image,
    Layer,
    ManifestList,
)
from core.bundle.nodes import Descriptor, Node, Nodes
from core.bundle.problems import Problems
from core.bundle.reference import Reference, digest_tag

BACKUP_RECORD = "airferry/backup.json"
_OF_MANIFEST = re.compile(r"sha256-(?P<hex>[0-9a-f]{64})(?P<ending>\.\w+)?")
_COSIGN_KIND = "kind"
_COSIGN = {
    "dev.cosignproject.cosign/sigs": ".sig",
    "dev.cosignproject.cosign/atts": ".att",
}


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
    """What is carried, the lists that names stand for, what was left out, and which digests go."""

    carried: tuple[Carried, ...]
    lists: tuple[ManifestList, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


class Carrying:
    """Works out what one layout carries.

    Args:
        members: What the pass over the bundle found.
        images: Its images by the digest of the manifest that is in the file.
        tops: What index.json names.
        named: The images that each name stands for.
        problems: Where damage of what is carried goes; the first one is raised if None.
        carries: Whether anything but images and lists is taken.
    """

    def __init__(
        self,
        members: Members[Layer],
        images: Mapping[str, Image],
        tops: Sequence[Top],
        named: Mapping[Reference, Sequence[Named]],
        problems: Problems,
        *,
        carries: bool,
    ) -> None:
        self._members = members
        self._images = images
        self._tops = tops
        self._named = named
        self._carries = carries
        self._nodes = Nodes(members, images, problems)
        self._lists: dict[tuple[str, ...], ManifestList] = {}
        self._kept: set[str] = set()

    def outcome(self) -> Outcome:
        """Return what comes of it."""
        for top in self._tops:
            self._nodes.look_up(top.entry)
        for reference, several in self._named.items():
            self._settle(reference, several)
        if self._carries:
            self._place_named()
            self._place_referrers()
        carried = tuple(self._carried()) if self._carries else ()
        taken = {one.manifest_digest for one in carried}
        left_out, notes = tuple(self._left_out(taken)), tuple(self._notes(taken))
        return Outcome(carried, tuple(self._lists.values()), left_out, notes)

    def _settle(self, reference: Reference, several: Sequence[Named]) -> None:
        """Decide what a name stands for: an index of the file, a list of its own, or one image."""
        wanted = {one.digest for one in several}
        nodes = self._nodes_of.get(reference, [])
        chosen = next((node for node in nodes if node.images == wanted), None)
        is_list = chosen is not None and self._is_to_have(chosen, reference)
        for node in nodes:
            if node is chosen and is_list:
                self._kept.add(node.digest)
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
    def _nodes_of(self) -> dict[Reference, list[Node]]:
        found: dict[Reference, list[Node]] = {}
        for top in self._tops:
            node = self._nodes.get(top.digest)
            for reference in top.references:
                if node is not None and node not in found.setdefault(reference, []):
                    found[reference].append(node)
        return found

    def _kept_list(self, node: Node) -> ManifestList:
        if not all(self._images[digest].manifest for digest in node.images):
            return ManifestList((), "", OCI_INDEX)
        return ManifestList((), node.text, node.media_type, is_kept=True)

    def _name_list(self, reference: Reference, made: ManifestList, key: tuple[str, ...]) -> None:
        known = self._lists.get(key, made)
        self._lists[key] = replace(known, references=(*known.references, reference))

    def _is_to_have(self, node: Node, reference: Reference) -> bool:
        """Whether a name stands for an index itself; one made of its digest always does."""
        is_its_digest = node.is_index and reference.tag == digest_tag(node.digest)
        return (node.is_pullable or is_its_digest) and self._is_taken(node)

    def _is_taken(self, node: Node) -> bool:
        """Whether an index is put as it is: it is whole, and all that is in it may go along."""
        artifacts = any(other.is_artifact for other in node.others)
        return node.is_whole and (self._carries or not artifacts)

    def _hold(self, node: Node, reference: Reference) -> None:
        """Keep an index by its digest where no name stands for it."""
        if self._carries and not self._is_backup:
            node.own[replace(reference, tag=digest_tag(node.digest))] = None
            self._reach_below(node, reference)

    @property
    def _is_backup(self) -> bool:
        """Whether it is a backup of ours, in which names have a second index for other tools."""
        return BACKUP_RECORD in self._members.documents

    def _reach_below(self, node: Node, reference: Reference) -> None:
        for other in node.others:
            other.beside[reference] = None
            other.is_reached = True

    def _extra(self, node: Node, reference: Reference) -> Iterator[tuple[Descriptor, Node]]:
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
            for node in self._nodes.found.values()
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

    def _in_order(self) -> list[Node]:
        """Return what is no image, each after what it names."""
        found: dict[str, Node] = {}
        for top in self._tops:
            node = self._nodes.get(top.digest)
            if node is not None:
                found |= {one.digest: one for one in (*node.below.values(), node)}
        return [node for node in found.values() if node.is_index or node.is_artifact]

    def _left_out(self, taken: Collection[str]) -> Iterator[LeftOut]:
        for node in self._in_order():
            if node.is_artifact and node.digest not in taken:
                kind = kind_of(node.document, node.entry)
                what = f"{kind} {node.digest}"
                yield LeftOut(Why(kind.lower()), what, self._reason(node))

    def _notes(self, taken: Collection[str]) -> Iterator[str]:
        """Yield which digests change, a sentence each."""
        kept = {*taken, *self._kept}
        for reference, nodes in self._nodes_of.items():
            for node in nodes if reference in self._named and not self._is_backup else ():
                if node.is_index and node.digest not in kept:
                    yield f"{reference.familiar}: {node.digest} does not stay: {self._lack(node)}"

    def _reason(self, node: Node) -> str:
        if not self._carries:
            return "carryArtifacts: false, or --without-artifacts"
        if node.own or node.is_reached or not node.is_whole:
            return "not all of it is in the file, or not as it was made"
        return "nothing that has a name leads to it"

    def _lack(self, node: Node) -> str:
        if node.is_whole:
            return "what it names besides images is left out"
        for entry, child in node.children or ():
            if child is None:
                return f"{entry.get('digest', 'something')} is not in the file, or not so"
            if not child.is_whole and child.image:
                return "layers of its images are packed by the import"
        return "not all that it names is in the file"


def _kind(node: Node, tag: str) -> CarriedKind:
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


def _annotation(entry: Descriptor, key: str) -> str:
    notes = entry.get("annotations")
    return str(notes.get(key, "")) if isinstance(notes, dict) else ""
