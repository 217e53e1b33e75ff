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

from core.bundle.blobs import digest_in
from core.bundle.decompress import compression_of
from core.bundle.problems import Problems
from core.bundle.tarstream import BLOCK, Archive, Kind, Member, is_tar_header
from core.errors import BundleCorrupt, BundleError, UnsafeBundle

MAX_DOCUMENT_BYTES = 8 << 20
MAX_DOCUMENTS_BYTES = 64 << 20
MAX_MEMBERS = 100_000
MAX_NAME_LENGTH = 4096
MAX_LINK_HOPS = 16
LAYER_COMPRESSIONS = ("gzip", "zstd")
MAX_SMALL_BLOB_BYTES = 256 << 10
_PASSED_OVER_REMEDY = "Get the bundle again, with layers that are plain, gzip or zstd."
# What manifests, indexes and configs of images hold, and what is looked into for it.
_OF_AN_IMAGE = (b'"schemaVersion"', b'"rootfs"')
LayerT = TypeVar("LayerT")
OtherT = TypeVar("OtherT")
TakeLayer = Callable[[Member, bytes], LayerT]
TakeBlob = Callable[[Member, bytes], int]


@dataclass
class Members(Generic[LayerT]):
    """What one pass over a bundle found, by normalised member name.

    `blobs` are those of an OCI layout that are neither layers nor kept in memory, each with its
    size in bytes. `used` are the layers that belong to an image, as far as images were looked at;
    `passed_over` says of members that were not kept why, for whoever asks for one.
    """

    label: str
    documents: dict[str, bytes] = field(default_factory=dict)
    layers: dict[str, LayerT] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    passed_over: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many members were kept."""
        kept = len(self.documents) + len(self.layers) + len(self.blobs)
        return kept + len(self.links) + len(self.passed_over)

    def with_layers(self, layers: dict[str, OtherT]) -> Members[OtherT]:
        """Return the same members with other knowledge of the layers."""
        found: Members[OtherT] = Members(self.label, self.documents, layers, self.links, self.used)
        found.passed_over, found.blobs = self.passed_over, self.blobs
        return found

    def __contains__(self, name: str) -> bool:
        """Whether a member of this name came by."""
        found = (self.documents, self.layers, self.links, self.passed_over, self.blobs)
        return any(name in kind for kind in found)

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

    def document(self, name: str, of: str = "") -> bytes:
        """Return the bytes of a document member.

        Args:
            name: Its name.
            of: What it belongs to, for messages.

        Raises:
            BundleCorrupt: the archive does not hold it.
        """
        found = self.documents.get(self.resolve(name))
        if found is None:
            raise self.lacking(name, of)
        return found

    def lacking(self, name: str, of: str = "") -> BundleError:
        """Return the error that says why a member that is named is not at hand."""
        reason = self.passed_over.get(self.resolve(name))
        if reason:
            return BundleError(f"{self.label}: {of}{name!r} {reason}", remedy=_PASSED_OVER_REMEDY)
        return BundleCorrupt(f"{self.label}: {of}{name!r} is named but not in the archive")

    def json(self, name: str) -> object:
        """Return a document member, parsed.

        Raises:
            BundleCorrupt: it is missing or no JSON.
        """
        try:
            return json.loads(self.document(name))
        except (ValueError, RecursionError) as error:
            raise BundleCorrupt(f"{self.label}: {name!r} is not valid JSON: {error}") from error


def collect(
    archive: Archive,
    members: Members[LayerT],
    take_layer: TakeLayer[LayerT],
    problems: Problems | None = None,
    take_blob: TakeBlob = lambda member, _: member.size_bytes,
) -> Members[LayerT]:
    """Go through the archive once.

    Args:
        archive: The bundle.
        members: Where all that is found goes; what was found before an error stays in it.
        take_layer: Called for each layer with its member and first bytes (already read); it reads
            the rest from `archive`.
        problems: Where those of single layers go; the first one is raised if None.
        take_blob: Called in the same way for what else an OCI layout holds and nobody looks into
            (SBOMs, signatures, charts); returns its size in bytes.

    Returns:
        The same members.

    Raises:
        UnsafeBundle: names, links or sizes that no bundle writer makes.
    """
    label, kept_bytes = members.label, 0
    problems = problems or Problems(keep_going=False)
    for member in archive:
        name = normal_name(label, member.name)
        if member.kind is Kind.DIRECTORY:
            continue
        if name in members:
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
                members.passed_over[name] = "is damaged"
                with problems.noted():
                    members.layers[name] = take_layer(member, head)
                    del members.passed_over[name]
                continue
            if digest_in(name):
                document = _document(archive, member, head, MAX_DOCUMENTS_BYTES - kept_bytes)
                if isinstance(document, _Unread):
                    if reason := _reason_to_pass_over(member, head):
                        members.passed_over[name] = reason
                    with problems.noted():
                        members.blobs[name] = take_blob(member, document.head)
                    continue
            elif reason := _reason_to_pass_over(member, head):
                members.passed_over[name] = reason
                continue
            else:
                document = _whole(archive, head) if _begins_json(head) else b""
            if document:
                members.documents[name] = document
                kept_bytes += len(document)
            if kept_bytes > MAX_DOCUMENTS_BYTES:
                raise UnsafeBundle(f"{label}: more than {MAX_DOCUMENTS_BYTES} bytes of documents")
    return members


def _is_layer(head: bytes) -> bool:
    if compression_of(head):
        return compression_of(head) in LAYER_COMPRESSIONS
    return len(head) == BLOCK and is_tar_header(head)


def _reason_to_pass_over(member: Member, head: bytes) -> str:
    """Return why a member is neither a layer nor a document, where somebody could ask for it."""
    compression = compression_of(head)
    if compression:
        return f"is compressed with {compression}, which no engine takes for a layer"
    if member.size_bytes > MAX_DOCUMENT_BYTES:
        return f"has {member.size_bytes} bytes, more than any document of an image"
    return ""


@dataclass(frozen=True)
class _Unread:
    """A blob that is not kept in memory; `head` is what was read of it."""

    head: bytes


def _document(archive: Archive, member: Member, head: bytes, room_bytes: int) -> bytes | _Unread:
    """Return a document of an OCI layout, or what is to be passed on as it is.

    What is large is kept only where it could be of an image: an SBOM is not.
    """
    size = member.size_bytes
    if not _begins_json(head) or size > MAX_DOCUMENT_BYTES:
        return _Unread(head)
    data = _whole(archive, head)
    is_small = size <= min(MAX_SMALL_BLOB_BYTES, room_bytes)
    return data if is_small or any(key in data for key in _OF_AN_IMAGE) else _Unread(data)


def _begins_json(head: bytes) -> bool:
    return head.lstrip()[:1] in (b"{", b"[")


def _whole(archive: Archive, head: bytes) -> bytes:
    pieces = [head]
    while piece := archive.read(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


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
