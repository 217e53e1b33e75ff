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
from core.bundle.documents import MARK, is_to_be_kept
from core.bundle.first_bytes import form_of
from core.bundle.inside import Inside
from core.bundle.left_out import LeftOut, Why
from core.bundle.problems import Problems
from core.bundle.tarstream import BLOCK, Archive, Kind, Member, is_tar_header
from core.errors import (
    MADE_WRONG,
    BundleCorrupt,
    BundleError,
    NotABundle,
    UnfitBundle,
    UnsafeBundle,
)

MAX_DOCUMENT_BYTES = 8 << 20
MAX_DOCUMENTS_BYTES = 128 << 20
MAX_MEMBERS = 100_000
MAX_NAME_LENGTH = 4096
MAX_LINK_HOPS = 16
LISTINGS = ("manifest.json", "index.json")
_PASSED_OVER_REMEDY = "Have the bundle made again, with layers that are plain, gzip or zstd."
_LACKING_REMEDY = (
    "Was all of it copied? Then another copy will lack it too: have the bundle made again."
)
_ABSOLUTE_REMEDY = "Pack it again without --absolute-names (-P): tar -cf FILE -C DIRECTORY ."
_MAX_REASONS = 10_000
_SHA256_OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
LayerT = TypeVar("LayerT")
OtherT = TypeVar("OtherT")
TakeLayer = Callable[[Member, bytes], LayerT]
TakeBlob = Callable[[Member, bytes], int]


@dataclass
class Members(Generic[LayerT]):
    """What one pass over a bundle found, by normalised member name.

    `blobs` are those of an OCI layout that are neither layers nor kept in memory, each with its
    size in bytes. `used` are the layers that belong to an image, as far as images were looked at;
    `passed_over` says of members that were not kept why, for whoever asks for one. `left_out` and
    `notes` are as a bundle's; `root` is the directory in which it lies, with its slash.
    """

    label: str
    documents: dict[str, bytes] = field(default_factory=dict)
    layers: dict[str, LayerT] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    passed_over: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, int] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    inside: Inside = field(default_factory=Inside)
    root: str = ""

    @property
    def count(self) -> int:
        """How many members were kept."""
        kept = len(self.documents) + len(self.layers) + len(self.blobs)
        return kept + len(self.links) + len(self.passed_over)

    def with_layers(self, layers: dict[str, OtherT]) -> Members[OtherT]:
        """Return the same members with other knowledge of the layers."""
        return Members(
            self.label,
            self.documents,
            layers,
            self.links,
            self.used,
            self.passed_over,
            self.blobs,
            self.left_out,
            self.notes,
            self.inside,
            self.root,
        )

    def within(self, root: str) -> Members[LayerT]:
        """Return what lies in a directory of the archive as if there were nothing else in it.

        Args:
            root: The directory, with its slash.
        """

        def inner(found: dict[str, OtherT]) -> dict[str, OtherT]:
            start = len(root)
            return {name[start:]: what for name, what in found.items() if name.startswith(root)}

        links = {name: to[len(root) :] for name, to in self.links.items() if to.startswith(root)}
        return Members(
            self.label,
            inner(self.documents),
            inner(self.layers),
            inner(links),
            passed_over=inner(self.passed_over),
            blobs=inner(self.blobs),
            inside=self.inside,
            root=self.root + root,
        )

    def __contains__(self, name: str) -> bool:
        """Whether a member of this name came by."""
        found = (self.documents, self.layers, self.links, self.passed_over, self.blobs)
        return any(name in kind for kind in found)

    def forget(self, name: str) -> None:
        """Let a member go, because another of its name came by."""
        for kind in (self.documents, self.layers, self.links, self.passed_over, self.blobs):
            kind.pop(name, None)

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

    def follow_links(self) -> None:
        """Give documents the names of the links that lead to them.

        (A layout's blobs may be links into a store beside them.)
        """
        for name in self.links:
            if digest_in(name) and (found := self.find(name)) is not None:
                self.documents[name] = found

    def find(self, name: str) -> bytes | None:
        """Return the bytes of a document member, or None where there is none of this name."""
        return self.documents.get(self.resolve(name))

    def document(self, name: str, of: str = "") -> bytes:
        """Return the bytes of a document member.

        Args:
            name: Its name.
            of: What it belongs to, for messages.

        Raises:
            BundleCorrupt: the archive does not hold it.
        """
        found = self.find(name)
        if found is None:
            raise self.lacking(name, of)
        return found

    def lacking(self, name: str, of: str = "") -> BundleError:
        """Return the error that says why a member that is named is not at hand."""
        reason = self.passed_over.get(self.resolve(name))
        if reason:
            return BundleCorrupt(f"{self.label}: {of}{name!r} {reason}", remedy=_PASSED_OVER_REMEDY)
        return BundleCorrupt(
            f"{self.label}: {of}{name!r} is named but not in the archive", remedy=_LACKING_REMEDY
        )

    def json(self, name: str) -> object:
        """Return a document member, parsed.

        Raises:
            BundleCorrupt: it is missing or no JSON.
        """
        text = self.document(name)
        if text.startswith(MARK) and posixpath.basename(name) not in LISTINGS:
            raise UnfitBundle(
                f"{self.label}: {name!r} begins with a byte order mark, which no engine reads",
                remedy="Some program wrote it anew: have the bundle made again, without that.",
            )
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            what = (
                f"is not valid JSON: {error}" if text.strip() else "is not valid JSON: it is empty"
            )
            raise BundleCorrupt(f"{self.label}: {name!r} {what}", remedy=MADE_WRONG) from error


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
        NotABundle: what has such is a file system, not a bundle.
    """
    problems = problems or Problems(keep_going=False)
    collector = _Collector(archive, members, take_layer, problems, take_blob)
    try:
        for member in archive:
            collector.take(member)
    except UnsafeBundle as error:
        # Devices, links to anywhere: what no bundle has, every system has.
        if members.inside.is_system and not any(name in members for name in LISTINGS):
            raise not_a_bundle(members) from error
        raise
    members.left_out += archive.left_out
    return members


def not_a_bundle(members: Members[OtherT]) -> NotABundle:
    """Return the error that says what an archive is that is no bundle."""
    form = members.inside.form()
    what = f"{members.label}: an archive, but not of images: {form.what}"
    return NotABundle(what, remedy=form.remedy)


class _Collector(Generic[LayerT]):
    """Puts members where they belong, one by one."""

    def __init__(
        self,
        archive: Archive,
        members: Members[LayerT],
        take_layer: TakeLayer[LayerT],
        problems: Problems,
        take_blob: TakeBlob,
    ) -> None:
        self._archive = archive
        self._members = members
        self._take_layer = take_layer
        self._problems = problems
        self._take_blob = take_blob
        self._kept_bytes = 0
        self._twice: set[str] = set()

    def take(self, member: Member) -> None:
        members, label = self._members, self._members.label
        name = normal_name(label, member.name)
        if member.kind is Kind.DIRECTORY:
            return
        members.inside.saw(name)
        if name in members:
            self._forget(name)
        if members.count >= MAX_MEMBERS:
            raise UnsafeBundle(f"{label}: more than {MAX_MEMBERS} members")
        if member.kind is Kind.SYMLINK:
            target = posixpath.join(posixpath.dirname(name), member.link)
            members.links[name] = normal_name(label, target)
        elif member.kind is Kind.HARDLINK:
            members.links[name] = normal_name(label, member.link)
        else:
            self._take_file(member, name)

    def _forget(self, name: str) -> None:
        self._members.forget(name)
        if name not in self._twice:
            self._twice.add(name)
            self._members.left_out.append(LeftOut(Why.MEMBER_TWICE, name, _TWICE))

    def _take_file(self, member: Member, name: str) -> None:
        head = self._archive.read(BLOCK)
        if _is_layer(head) or (not head and _is_empty_layer(name)):
            self._members.passed_over[name] = "is damaged"
            with self._problems.noted():
                self._members.layers[name] = self._take_layer(member, head)
                del self._members.passed_over[name]
            if not head and digest_in(name):  # an artifact may have an empty blob, too
                self._members.blobs[name] = self._take_blob(member, head)
            return
        reason = _reason_to_pass_over(member, head)
        is_listing = posixpath.basename(name) in LISTINGS
        read = head
        if not reason and (is_listing or _begins_json(head)):
            read = self._whole(head)
            if is_listing or is_to_be_kept(read, MAX_DOCUMENTS_BYTES - self._kept_bytes):
                self._keep(name, read)
                return
            reason = "is a document, and of no image"
        if digest_in(name):
            with self._problems.noted():
                self._members.blobs[name] = self._take_blob(member, read)
        if len(self._members.passed_over) < _MAX_REASONS:
            self._members.passed_over[name] = reason or _form_in_words(head)

    def _whole(self, head: bytes) -> bytes:
        pieces = [head]
        while piece := self._archive.read(1 << 20):
            pieces.append(piece)
        return b"".join(pieces)

    def _keep(self, name: str, document: bytes) -> None:
        self._members.documents[name] = document
        self._kept_bytes += len(document)
        if self._kept_bytes > MAX_DOCUMENTS_BYTES:
            raise UnsafeBundle(
                f"{self._members.label}: more than {MAX_DOCUMENTS_BYTES} bytes of documents"
            )


_TWICE = "it stands in the archive again, and the last one counts, as for tar and docker load"


def _is_layer(head: bytes) -> bool:
    return bool(compression_of(head)) or (len(head) == BLOCK and is_tar_header(head))


def _is_empty_layer(name: str) -> bool:
    """Whether a member without a byte is a layer: engines of 2014 wrote layers of nothing so."""
    base = posixpath.basename(name)
    return base.endswith(".tar") or base == _SHA256_OF_NOTHING


def _begins_json(head: bytes) -> bool:
    return head.removeprefix(MARK).lstrip()[:1] in (b"{", b"[")


def _reason_to_pass_over(member: Member, head: bytes) -> str:
    """Return why a document is not looked at, where somebody could ask for it."""
    if member.size_bytes > MAX_DOCUMENT_BYTES and _begins_json(head):
        return f"has {member.size_bytes} bytes, more than any document of an image"
    return ""


def _form_in_words(head: bytes) -> str:
    form = form_of(head)
    return f"is {form.what}" if form else "is neither a tar nor packed as one may be"


def normal_name(label: str, name: str) -> str:
    """Return a member name without `./`.

    Raises:
        UnsafeBundle: it leads out of the archive, or is longer than any path.
    """
    if len(name) > MAX_NAME_LENGTH:
        raise UnsafeBundle(f"{label}: a name of {len(name)} characters: {name[:40]!r}")
    normal = posixpath.normpath(name)
    if normal == ".." or normal.startswith(("/", "../")):
        raise UnsafeBundle(
            f"{label}: the member {name!r} leads out of the archive",
            remedy=_ABSOLUTE_REMEDY if normal.startswith("/") else "",
        )
    return normal
