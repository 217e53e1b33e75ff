"""What a registry holds at one moment: tags, and all manifests and lists behind them, to the byte.

Manifests name all else by digest, so who has read them knows a content that does not change any
more, whatever is pushed meanwhile. The same is read out of a registry and out of a backup.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from core.bundle.model import sha256_digest
from core.errors import BundleCorrupt, Cancelled, RegistryBusy, RegistryDamaged, RegistryError
from core.registry.api.client import OLD_KIND, RegistryClient
from core.registry.api.parallel import Name, asked
from core.registry.api.parsing import is_size
from core.registry.content.inventory import repositories_in

MAX_DEPTH = 16
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
STUMBLED = 500
_READS, _READ_AGAIN_S = 3, 0.2
Descriptor = Mapping[str, Any]
LOST = "Import the bundle that it came from again, or delete the image, then back up again."


@dataclass(frozen=True)
class Document:
    """A manifest, or a list of manifests.

    Args:
        media_type: What it was put as.
        data: Its bytes.
    """

    media_type: str
    data: bytes

    @cached_property
    def digest(self) -> str:
        """The digest under which a registry files it."""
        return sha256_digest(self.data)

    @cached_property
    def _parsed(self) -> Mapping[str, Any]:
        try:
            found = json.loads(self.data.decode("utf-8"))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise BundleCorrupt(f"the manifest {self.digest} is no manifest")
        return found

    @property
    def listed(self) -> list[Descriptor]:
        """The descriptors of a list, as they stand in it."""
        return self._descriptors("manifests")

    @cached_property
    def children(self) -> dict[str, str]:
        """Digest and media type of each manifest that a list names."""
        return {d["digest"]: str(d.get("mediaType", "")) for d in self.listed}

    @property
    def config(self) -> str:
        """The digest of the config that a manifest names; empty where it names none."""
        config: Descriptor = self._parsed.get("config") or {}
        return str(config["digest"]) if _is_sound(config) else ""

    @property
    def layer_types(self) -> list[str]:
        """The media type of each layer that a manifest names."""
        return [str(layer.get("mediaType", "")) for layer in self._descriptors("layers")]

    @cached_property
    def blobs(self) -> dict[str, int]:
        """Digest and size of each blob that a manifest names, its config among them."""
        return {d["digest"]: d["size"] for d in self._blob_descriptors()}

    @cached_property
    def foreign(self) -> frozenset[str]:
        """Those blobs of it that are fetched from elsewhere, and that no registry need have."""
        return frozenset(d["digest"] for d in self._blob_descriptors() if d.get("urls"))

    @cached_property
    def old_layers(self) -> tuple[str, ...]:
        """The digests of the layers of a manifest of schema 1, which has no descriptors."""
        found = self._parsed.get("fsLayers")
        layers = found if isinstance(found, list) else []
        return tuple(str(layer.get("blobSum")) for layer in layers if isinstance(layer, dict))

    def _blob_descriptors(self) -> list[Descriptor]:
        config: Descriptor = self._parsed.get("config") or {}
        blobs = [*self._descriptors("layers"), *self._descriptors("blobs")]
        return [*([config] if _is_sound(config) else []), *blobs]

    def _descriptors(self, key: str) -> list[Descriptor]:
        found = self._parsed.get(key) or []
        if not isinstance(found, list) or not all(map(_is_sound, found)):
            raise BundleCorrupt(f"the manifest {self.digest} has damaged {key}")
        return found


def _is_sound(descriptor: object) -> bool:
    match descriptor:
        case {"digest": str(digest), "size": size}:
            return is_size(size) and bool(_DIGEST.fullmatch(digest))
    return False


@dataclass(frozen=True)
class RegistrySnapshot:
    """The content of a registry.

    Args:
        tags: The digest of each (repository, tag).
        documents: Every manifest and list that is reached from them, by digest.
        left_out: Blobs and manifests that are named, but that the registry did not have to have.
    """

    tags: Mapping[Name, str] = field(default_factory=dict)
    documents: Mapping[str, Document] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()

    @cached_property
    def manifests(self) -> dict[str, tuple[str, ...]]:
        """The manifests and lists of each repository, each before the lists that name it."""
        found: dict[str, dict[str, None]] = {}
        for (repository, _), digest in sorted(self.tags.items()):
            found.setdefault(repository, {}).update(dict.fromkeys(self.below(digest)))
        return {repository: tuple(digests) for repository, digests in found.items()}

    @cached_property
    def links(self) -> dict[Name, int]:
        """The size of each (repository, blob)."""
        return {
            (repository, digest): size
            for repository, manifests in self.manifests.items()
            for manifest in manifests
            for digest, size in self.documents[manifest].blobs.items()
            if digest not in self.left_out
        }

    @cached_property
    def blobs(self) -> dict[str, int]:
        """The size of each blob, in the order of the images that need it."""
        return {digest: size for (_, digest), size in self.links.items()}

    @cached_property
    def _repositories(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for repository, digest in self.links:
            found.setdefault(digest, []).append(repository)
        return found

    def repositories_of(self, digest: str) -> list[str]:
        """Return the repositories that have a blob."""
        return self._repositories.get(digest, [])

    def needed_by(self, digest: str) -> str:
        """Return the name of an image that a blob or manifest belongs to."""
        for (repository, tag), top in sorted(self.tags.items()):
            for manifest in self.below(top):
                if digest == manifest or digest in self.documents[manifest].blobs:
                    return f"{repository}:{tag}"
        return "no image"

    def below(self, digest: str) -> Sequence[str]:
        """Return a manifest, or a list and what it names, each before the lists that name it."""
        found: dict[str, None] = {}
        self._add_below(found, digest, 0)
        return tuple(found)

    def _add_below(self, found: dict[str, None], digest: str, depth: int) -> None:
        for child in self.documents[digest].children if depth < MAX_DEPTH else ():
            if child in self.documents and child not in found:
                self._add_below(found, child, depth + 1)
        found[digest] = None


def read_snapshot(
    client: RegistryClient, stop: threading.Event, warn: Callable[[str], None]
) -> RegistrySnapshot:
    """Read all manifests of a registry, but for the repository that imports use for themselves.

    Args:
        client: The registry.
        stop: Ends it when set.
        warn: Told what cannot be kept.

    Raises:
        RegistryError: a manifest is damaged or gone, or the registry went away.
        Cancelled: `stop` was set.
    """

    def tags_of(repository: str) -> list[str]:
        _go_on(stop)
        return client.tags(repository)

    def document(name: Name) -> Document | None:
        _go_on(stop)
        return _document(client, name, stop)

    listed = asked(tags_of, repositories_in(client))
    names = [(repository, tag) for repository, tags in listed.items() for tag in tags]
    found = {name: made for name, made in asked(document, names).items() if made is not None}
    for name, made in list(found.items()):
        if made.media_type.startswith(OLD_KIND):
            warn(f"{name[0]}:{name[1]} is of a kind (schema 1) that is not kept: it is left out")
            del found[name]
    documents = {made.digest: made for made in found.values()}
    _add_children(documents, found, document)
    tags = {name: made.digest for name, made in found.items()}
    snapshot = _without_gaps(RegistrySnapshot(tags, documents), client, warn)
    return RegistrySnapshot(snapshot.tags, documents, _not_held(snapshot, client))


def _document(client: RegistryClient, name: Name, stop: threading.Event) -> Document | None:
    """Ask for a manifest; None where there is none, and no tag that stands for it any more.

    For one that is damaged where it stores CNCF distribution answers 500, for one that is gone 404;
    for a moment it does both also while somebody pushes. Only what stays so is damaged.
    """
    for number in range(_READS):
        if number:
            stop.wait(_READ_AGAIN_S)
            _go_on(stop)
        try:
            found = client.document(*name)
        except RegistryBusy as error:
            if client.theirs or error.status != STUMBLED:
                raise
            if number + 1 == _READS:
                raise _damaged(client, *name, "cannot be read") from error
            continue
        if found:
            return _sound(client, name, Document(*found))
        if _is_digest(name[1]) or name[1] not in client.tags(name[0]):
            return None
    raise _damaged(client, *name, "is not there any more")


def _sound(client: RegistryClient, name: Name, document: Document) -> Document:
    """Return a manifest that can be followed to all that it names."""
    if not document.media_type.startswith(OLD_KIND):
        try:
            _ = document.children, document.blobs, document.foreign
        except BundleCorrupt as error:
            raise _damaged(client, *name, f"is none: {error.what}") from error
    return document


def _without_gaps(
    snapshot: RegistrySnapshot, client: RegistryClient, warn: Callable[[str], None]
) -> RegistrySnapshot:
    """Return what is whole, where lists name manifests that the registry does not have.

    Ours takes no list without them, so there something was lost, or just deleted. Others' may take
    such lists, and do without.
    """
    tags = dict(snapshot.tags)
    for name, top in snapshot.tags.items():
        missing = {
            child: None
            for digest in snapshot.below(top)
            for child in snapshot.documents[digest].children
            if child not in snapshot.documents
        }
        if not missing:
            continue
        if client.manifest_digest(*name) != top:
            del tags[name]
        elif client.theirs:
            warn(f"{name[0]}:{name[1]} lists {len(missing)} manifests that the registry lacks")
        else:
            words = f"is not there any more, and {name[0]}:{name[1]} needs it"
            raise _damaged(client, name[0], next(iter(missing)), words)
    return RegistrySnapshot(tags, snapshot.documents)


def _damaged(client: RegistryClient, repository: str, reference: str, words: str) -> RegistryError:
    mark = "@" if _is_digest(reference) else ":"
    return RegistryDamaged(
        f"the manifest of {repository}{mark}{reference} {words}",
        remedy=LOST if client.theirs else "",
    )


def _is_digest(reference: str) -> bool:
    return ":" in reference


def _add_children(
    documents: dict[str, Document],
    level: Mapping[Name, Document],
    ask: Callable[[Name], Document | None],
) -> None:
    """Read what the lists name, level by level; what a registry does not have is passed over."""
    for _ in range(MAX_DEPTH):
        wanted = {
            (repository, child): None
            for (repository, _), made in level.items()
            for child in made.children
        }
        level = {name: made for name, made in asked(ask, wanted).items() if made is not None}
        documents.update({made.digest: made for made in level.values()})
        if not level:
            return


def _not_held(snapshot: RegistrySnapshot, client: RegistryClient) -> frozenset[str]:
    """Return those foreign blobs that the registry does not have."""
    foreign = {d for document in snapshot.documents.values() for d in document.foreign}
    links = {digest: repository for repository, digest in snapshot.links if digest in foreign}
    there = asked(lambda digest: client.blob_size(links[digest], digest), links)
    return frozenset(digest for digest, size in there.items() if size is None)


def _go_on(stop: threading.Event) -> None:
    if stop.is_set():
        raise Cancelled("the run was ended")
