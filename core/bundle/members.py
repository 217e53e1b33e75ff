"""One pass over a bundle's members: documents are kept, layers are handed on as they come by.

Layers are told from documents by their first bytes, not by name, because ten years of writers agree
on no name. What the names mean is worked out at the end, when `manifest.json` or `index.json`,
which may come last, has been seen.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from core.bundle.source import compression_of
from core.bundle.tarstream import BLOCK, Kind, Member, TarStream, is_tar_header
from core.errors import BundleCorrupt, UnsafeBundle

MAX_DOCUMENT_BYTES = 8 << 20
MAX_DOCUMENTS_BYTES = 64 << 20
MAX_MEMBERS = 100_000
MAX_NAME_LENGTH = 4096
MAX_LINK_HOPS = 16
LayerT = TypeVar("LayerT")
TakeLayer = Callable[[Member, bytes], LayerT]


@dataclass
class Members(Generic[LayerT]):
    """What one pass over a bundle found, by normalised member name."""

    label: str
    documents: dict[str, bytes] = field(default_factory=dict)
    layers: dict[str, LayerT] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many members were kept."""
        return len(self.documents) + len(self.layers) + len(self.links)

    def resolve(self, name: str) -> str:
        """Follow links from a member name to the file they mean.

        Raises:
            UnsafeBundle: the links lead in a circle.
        """
        name = normal_name(self.label, name)
        for _ in range(MAX_LINK_HOPS):
            if name not in self.links:
                return name
            name = self.links[name]
        raise UnsafeBundle(f"{self.label}: the link {name!r} leads in a circle")

    def document(self, name: str) -> bytes:
        """Return the bytes of a document member.

        Raises:
            BundleCorrupt: the archive does not hold it.
        """
        found = self.documents.get(self.resolve(name))
        if found is None:
            raise BundleCorrupt(f"{self.label}: {name!r} is named but not in the archive")
        return found

    def json(self, name: str) -> object:
        """Return a document member, parsed.

        Raises:
            BundleCorrupt: it is missing or no JSON.
        """
        try:
            return json.loads(self.document(name))
        except (ValueError, RecursionError) as error:
            raise BundleCorrupt(f"{self.label}: {name!r} is not valid JSON: {error}") from error


def collect(archive: TarStream, label: str, take_layer: TakeLayer[LayerT]) -> Members[LayerT]:
    """Go through the archive once.

    Args:
        archive: The bundle.
        label: Its name, for messages.
        take_layer: Called for each layer with its member and first bytes (already read); it reads
            the rest from `archive`.

    Raises:
        UnsafeBundle: names, links or sizes that no bundle writer makes.
    """
    members: Members[LayerT] = Members(label)
    kept_bytes = 0
    for member in archive:
        name = normal_name(label, member.name)
        if member.kind is Kind.DIRECTORY:
            continue
        if name in members.documents or name in members.layers or name in members.links:
            raise UnsafeBundle(f"{label}: two members are named {name!r}")
        if members.count >= MAX_MEMBERS:
            raise UnsafeBundle(f"{label}: more than {MAX_MEMBERS} members")
        if member.kind is Kind.SYMLINK:
            members.links[name] = normal_name(
                label, posixpath.join(posixpath.dirname(name), member.link)
            )
        elif member.kind is Kind.HARDLINK:
            members.links[name] = normal_name(label, member.link)
        else:
            head = archive.read(BLOCK)
            if _is_layer(head):
                members.layers[name] = take_layer(member, head)
                continue
            kept_bytes += _keep(members, archive, member, name, head)
            if kept_bytes > MAX_DOCUMENTS_BYTES:
                raise UnsafeBundle(f"{label}: more than {MAX_DOCUMENTS_BYTES} bytes of documents")
    return members


def _is_layer(head: bytes) -> bool:
    return bool(compression_of(head)) or (len(head) == BLOCK and is_tar_header(head))


def _keep(
    members: Members[LayerT], archive: TarStream, member: Member, name: str, head: bytes
) -> int:
    """Keep a JSON document; anything else (`VERSION`, notes) is of no use to an import."""
    if head.lstrip()[:1] not in (b"{", b"["):
        return 0
    if member.size_bytes > MAX_DOCUMENT_BYTES:
        raise UnsafeBundle(f"{members.label}: {name!r} has {member.size_bytes} bytes of JSON")
    pieces = [head]
    while piece := archive.read(1 << 20):
        pieces.append(piece)
    members.documents[name] = b"".join(pieces)
    return member.size_bytes


def normal_name(label: str, name: str) -> str:
    """Return a member name without `./`.

    Raises:
        UnsafeBundle: it leads out of the archive, or is longer than any path.
    """
    if len(name) > MAX_NAME_LENGTH:
        raise UnsafeBundle(f"{label}: a name of {len(name)} characters: {name[:40]!r}")
    normal = posixpath.normpath(name)
    if normal == ".." or normal.startswith(("/", "../")):
        raise UnsafeBundle(f"{label}: the member {name!r} leads out of the archive")
    return normal
