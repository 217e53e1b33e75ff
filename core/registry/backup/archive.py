"""A backup as a file: an OCI archive of everything, and a record of how it came about.

All documents come first, so that a look into the largest backup is a short one. An incremental one
names everything as well, and lacks those blobs that are in earlier ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from core.bundle.blobs import blob_name
from core.bundle.decompress import compression_of
from core.bundle.directory import layout_files
from core.bundle.joined import JoinedFiles
from core.bundle.model import (
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    OCI_INDEX,
    BundleFile,
    sha256_digest,
)
from core.bundle.parts import require_all
from core.bundle.reference import name_in_archive, parse_reference
from core.bundle.tarstream import BLOCK, TarStream, begins_archive
from core.errors import BundleCorrupt, BundleError, NotABundle, UnsafeBundle
from core.registry.api.parallel import Name
from core.registry.content.snapshot import MAX_DEPTH, Descriptor, Document, RegistrySnapshot

INDEX = "index.json"
LAYOUT, LAYOUT_TEXT = "oci-layout", b'{"imageLayoutVersion": "1.0.0"}'
RECORD = "airferry/backup.json"
CONFIG = "airferry/airctl-config.yaml"
MAX_DOCUMENT_BYTES = 8 << 20
MAX_MEMBERS = 1_000_000
_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})")
_DOCKER = (DOCKER_MANIFEST, DOCKER_MANIFEST_LIST)
_NAME = "org.opencontainers.image.ref.name"
_COPY = "The backup is damaged: copy it again, or take another one."
_NO_BACKUP = (
    "Name a file that was written by: airferry backup. A bundle goes in by: airferry import."
)


@dataclass(frozen=True)
class BackupMetadata:
    """How a backup came about.

    Args:
        created: When, as UTC in ISO 8601, so that later ones sort after earlier ones.
        needs: Names of earlier backups without which it is not whole.
        elsewhere: The blobs that are in those.
        index: Digest of index.json, which says what the names stand for.
    """

    created: str = ""
    needs: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    index: str = ""

    def to_json(self) -> bytes:
        """Return it as it stands in the archive, with a digest of itself."""
        return json.dumps({"version": 1, **asdict(self), "digest": self._digest()}).encode()

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> BackupMetadata | None:
        """Read it back; None where it is damaged."""
        match values:
            case {
                "created": str(created),
                "needs": list(needs),
                "elsewhere": list(elsewhere),
                "index": str(index),
                "digest": digest,
            }:
                found = cls(created, tuple(needs), tuple(elsewhere), index)
                return found if found._digest() == digest else None
        return None

    def _digest(self) -> str:
        return sha256_digest(json.dumps(asdict(self)).encode())


@dataclass(frozen=True)
class Place:
    """Where a blob lies: in which files taken together, from where on, and its size in bytes."""

    files: tuple[Path, ...]
    offset: int
    size_bytes: int


@dataclass(frozen=True)
class BackupArchive:
    """A backup that was looked into: what it names, and where each blob in it lies."""

    name: str
    snapshot: RegistrySnapshot
    record: BackupMetadata
    places: Mapping[str, Place] = field(default_factory=dict)

    def pieces(self, digest: str, go_on: Callable[[], None]) -> Iterator[bytes]:
        """Yield a blob's bytes as they lie there.

        Raises:
            BundleError: the file cannot be read any more.
        """
        place = self.places[digest]
        with closing(JoinedFiles(place.files, self.name, go_on)) as joined:
            yield from joined.pieces(place.offset, place.size_bytes)


def index_of(snapshot: RegistrySnapshot) -> tuple[bytes, dict[str, bytes]]:
    """Return the index.json of an archive of a registry's content, and further documents for it.

    Images of Docker's media types have a second entry of the same name: an index of OCI's type that
    leads to the same manifests. Tools that know OCI's types only (skopeo, podman) pass over the
    first one; all others take it, and so find every digest as it was.
    """
    entries: list[Descriptor] = []
    documents: dict[str, bytes] = {}
    for (repository, tag), digest in sorted(snapshot.tags.items()):
        document = snapshot.documents[digest]
        name = {"annotations": {_NAME: name_in_archive(repository, tag)}}
        entries.append({**_descriptor(document), **name})
        if document.media_type in _DOCKER:
            index = _oci_index(document.listed or [_descriptor(document)])
            documents[blob_name(index.digest)] = index.data
            entries.append({**_descriptor(index), **name})
    return _oci_index(entries).data, documents


def _descriptor(document: Document) -> Descriptor:
    media_type, size = document.media_type, len(document.data)
    return {"mediaType": media_type, "digest": document.digest, "size": size}


def _oci_index(entries: Sequence[Descriptor]) -> Document:
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return Document(OCI_INDEX, json.dumps(index).encode())


def open_saved(file: BundleFile, go_on: Callable[[], None] = lambda: None) -> BackupArchive:
    """Look into a backup: names and manifests are read, blobs are passed over.

    Args:
        file: The backup.
        go_on: Called before every read; raises to end the reading.

    Raises:
        BundleError: it is no backup, cannot be read, or is not whole.
    """
    places = dict(_directory_places(file) if file.path.is_dir() else _tar_places(file, go_on))
    read = _Reader(file.name, places, go_on)
    if INDEX not in places:
        raise NotABundle(f"{file.name}: no backup (there is no {INDEX} in it)", remedy=_NO_BACKUP)
    record = _record(read)
    return BackupArchive(
        file.name,
        _snapshot(read),
        record,
        {f"sha256:{m[1]}": place for n, place in places.items() if (m := _BLOB.fullmatch(n))},
    )


def record_of(file: BundleFile, go_on: Callable[[], None] = lambda: None) -> BackupMetadata:
    """Read only how a backup came about, which stands near its beginning.

    Args:
        file: The backup.
        go_on: Called before every read; raises to end the reading.

    Raises:
        BundleError: it is no backup, or cannot be read.
    """
    places = _directory_places(file) if file.path.is_dir() else _tar_places(file, go_on)
    for name, place in places:
        if name == RECORD:
            read = _Reader(file.name, {RECORD: place}, go_on)
            return BackupMetadata.from_json(read.json(RECORD)) or BackupMetadata()
        if _BLOB.fullmatch(name):
            break
    return BackupMetadata()


def _tar_places(file: BundleFile, go_on: Callable[[], None]) -> Iterator[tuple[str, Place]]:
    if file.is_pipe:
        raise BundleError(
            f"{file.name}: a backup is looked into first, which a pipe does not allow",
            remedy="Write it to a disk first.",
        )
    with closing(JoinedFiles(file.files, file.name, go_on)) as joined:
        head = joined.read(BLOCK)
        joined.position = 0
        if file.parts:
            require_all(file.parts, first_begins_archive=begins_archive(head))
        if compression := compression_of(head):
            raise BundleError(
                f"{file.name}: is compressed ({compression})",
                remedy="Unpack it first: what is in a backup is compressed already.",
            )
        for number, member in enumerate(TarStream(joined, file.name, joined.skip)):
            if number >= MAX_MEMBERS:
                raise UnsafeBundle(f"{file.name}: more than {MAX_MEMBERS} members")
            name = member.name.removeprefix("./")
            yield name, Place(file.files, member.offset_bytes, member.size_bytes)


def _directory_places(file: BundleFile) -> Iterator[tuple[str, Place]]:
    """Yield the files of a backup that somebody has unpacked."""
    for path in (file.path / RECORD, *layout_files(file.path)):
        if path.is_file() and not path.is_symlink():
            name = path.relative_to(file.path).as_posix()
            yield name, Place((path,), 0, path.stat().st_size)


@dataclass(frozen=True)
class _Reader:
    """Reads documents out of an archive by name."""

    label: str
    places: Mapping[str, Place]
    go_on: Callable[[], None]

    def bytes(self, name: str) -> bytes:
        place = self.places.get(name)
        if place is None:
            raise BundleCorrupt(f"{self.label}: {name} is named, but not in the backup")
        if place.size_bytes > MAX_DOCUMENT_BYTES:
            raise UnsafeBundle(f"{self.label}: {name} is too large for a document")
        with closing(JoinedFiles(place.files, self.label, self.go_on)) as joined:
            return b"".join(joined.pieces(place.offset, place.size_bytes))

    def json(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads(self.bytes(name))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise BundleCorrupt(f"{self.label}: {name} is damaged")
        return found

    def document(self, digest: str, media_type: str) -> Document:
        made = Document(media_type, self.bytes(blob_name(digest)))
        if made.digest != digest:
            raise BundleCorrupt(f"{self.label}: the blob {digest} is damaged (it is {made.digest})")
        return made


def _snapshot(read: _Reader) -> RegistrySnapshot:
    tags: dict[Name, str] = {}
    documents: dict[str, Document] = {}
    absent: set[str] = set()
    level: dict[str, str] = {}
    for entry in read.json(INDEX).get("manifests") or []:
        name, digest, media_type = _entry(read.label, entry)
        if tags.setdefault(name, digest) == digest:  # of two, the first is what the tag stood for
            level[digest] = media_type
        else:
            read.document(digest, media_type)  # for other tools only; damage is damage
    for depth in range(MAX_DEPTH + 1):
        following: dict[str, str] = {}
        for digest, media_type in level.items():
            if depth and blob_name(digest) not in read.places:
                absent.add(digest)
                continue
            documents[digest] = read.document(digest, media_type)
            following.update(documents[digest].children)
        level = {digest: kind for digest, kind in following.items() if digest not in documents}
    foreign = {digest for document in documents.values() for digest in document.foreign}
    absent |= {d for d in foreign if blob_name(d) not in read.places}
    return RegistrySnapshot(tags, documents, frozenset(absent))


def _entry(label: str, entry: object) -> tuple[Name, str, str]:
    match entry:
        case {"digest": str(digest), "mediaType": str(kind), "annotations": {**notes}}:
            name = notes.get(_NAME)
            if isinstance(name, str) and name:
                found = parse_reference(name)
                return (found.site_repository, found.tag), digest, kind
    raise NotABundle(f"{label}: no backup (an image in it has no name)", remedy=_NO_BACKUP)


def _record(read: _Reader) -> BackupMetadata:
    if RECORD not in read.places:
        return BackupMetadata()
    if read.bytes(LAYOUT) != LAYOUT_TEXT:
        raise BundleCorrupt(f"{read.label}: {LAYOUT} is damaged", remedy=_COPY)
    found = BackupMetadata.from_json(read.json(RECORD))
    if found is None:
        raise BundleCorrupt(f"{read.label}: {RECORD} is damaged", remedy=_COPY)
    if found.index != sha256_digest(read.bytes(INDEX)):
        raise BundleCorrupt(f"{read.label}: {INDEX} is damaged", remedy=_COPY)
    return found


def site_documents(
    snapshot: RegistrySnapshot, record: BackupMetadata, config: bytes
) -> dict[str, bytes]:
    """Return the documents of a backup by name, in the order in which they are written."""
    index, further = index_of(snapshot)
    return {
        LAYOUT: LAYOUT_TEXT,
        INDEX: index,
        RECORD: replace(record, index=sha256_digest(index)).to_json(),
        **({CONFIG: config} if config else {}),
        **{blob_name(digest): made.data for digest, made in snapshot.documents.items()},
        **further,
    }
