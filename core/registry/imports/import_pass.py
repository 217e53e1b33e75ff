"""One pass over a bundle: each layer read and hashed, compressed if need be, and sent.

One thread reads and hashes in order; a pool of as many threads as there are cores compresses
chunks; up to four uploads stream to the registry. All layers go to one staging repository, because
the names stand at the end of the file.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from core.bundle.blobs import BlobStream
from core.bundle.catalogue import LayerIndex
from core.bundle.contents import contents_of
from core.bundle.layers import LayerStream
from core.bundle.listing import bundle_of
from core.bundle.members import Members, collect
from core.bundle.model import (
    DOCKER_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    Bundle,
    BundleFile,
    Layer,
    sha256_digest,
)
from core.bundle.problems import Problems
from core.bundle.source import OpenBundle, next_part_named
from core.bundle.tarstream import Member
from core.errors import BundleCorrupt, BundleError, Cancelled, RegistryFull
from core.pause import PAUSED, Pause
from core.registry.api.client import RegistryClient
from core.registry.content.staging import STAGE
from core.registry.imports import parallel_gzip as pack
from core.registry.imports.chunk_queue import ChunkQueue
from core.words import count

MAX_MISLEADING = 3
# Docker loads layers packed so, and pulls none.
_IN_NO_REGISTRY = ("xz", "bzip2")
_BLOB_NAME = re.compile(r"blobs/sha256/([0-9a-f]{64})$")


@dataclass(frozen=True)
class IngestOptions:
    """How an import is done.

    Args:
        recompress: Turn layers of zstd into gzip, for engines before Docker 23.
        keep_going: Take the images that are whole where others are not.
        level: How hard to compress, 0 to 3.
        carries: Take along what travels with images: attestations, signatures, SBOMs, charts.
    """

    recompress: bool = False
    keep_going: bool = False
    level: int = pack.LEVEL
    carries: bool = True


@dataclass
class Ingested:
    """What one import did: the bundle's record, and what was sent and what was there."""

    bundle: Bundle
    sent_bytes: int
    sent_layers: int
    kept_layers: int
    problems: tuple[BundleError, ...] = ()


@dataclass
class Job:
    """What the passes over one bundle share, and what is left of one that was cut off.

    Args:
        file: The bundle.
        client: The registry.
        index: Layers that were stored before, from this bundle or another.
        stop: Ends the import within a second when set.
        options: How it is done.
        listed: What is in the bundle, where that is known already; then finished images are told.
        pause: Holds the reader between two layers, and within one that is not being sent: so no
            upload is cut, and no registry waits for the rest of one.
    """

    file: BundleFile
    client: RegistryClient
    index: LayerIndex
    stop: threading.Event
    options: IngestOptions = field(default_factory=IngestOptions)
    listed: Bundle | None = None
    pause: Pause = field(default_factory=Pause)
    stored: dict[int, Layer] = field(default_factory=dict)
    misleading: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def images_stored(self) -> str:
        """Return how many images have all their layers in the registry, in words."""
        if self.listed is None:
            return ""
        with self.lock:
            there = {layer.diff_id for layer in self.stored.values()}
        done = sum(there.issuperset(image.diff_ids) for image in self.listed.images)
        return f"{done} of {count(len(self.listed.images), 'image')}, "

    def go_on(self) -> None:
        """Raise Cancelled when the import is to end."""
        if self.stop.is_set():
            raise Cancelled(f"the import of {self.file.name} was ended")


class _UploadBroken(Exception):
    """The upload that a piece was meant for has ended."""


class IndexMismatch(Exception):
    """A layer that began like a known one went on in another way."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


@dataclass
class Pass:
    """One pass over the bundle."""

    owner: Job
    opened: OpenBundle
    packers: ThreadPoolExecutor
    uploaders: ThreadPoolExecutor
    progress: Callable[[int], None]
    say: Callable[[str], None]
    belts: list[ChunkQueue] = field(default_factory=list)
    uploads: list[Future[Layer] | Future[None]] = field(default_factory=list)
    sent_blobs: list[Future[None]] = field(default_factory=list)
    sent_bytes: int = 0
    sent_layers: int = 0
    kept_layers: int = 0

    def __post_init__(self) -> None:
        self.problems = Problems(keep_going=self.owner.options.keep_going)

    def read_all(self) -> Members[Layer]:
        pending: Members[Future[Layer]] = Members(self.owner.file.name)
        with self.problems.noted(), next_part_named(self.owner.file):
            collect(self.opened.archive, pending, self._take_layer, self.problems, self._take_blob)
            self.opened.finish()
        for upload in self.sent_blobs:
            upload.result()
        return pending.with_layers({name: layer.result() for name, layer in pending.layers.items()})

    def break_down(self) -> None:
        """End the uploads; those whose layer was read to its end are let finish.

        (A few MiB at most are missing of each. What is stored then need not be sent again, and
        the sessions that are deleted meanwhile give back the room that one of them may lack.)
        """
        for belt in self.belts:
            if not belt.is_whole:
                belt.break_down()
        for upload in self.uploads:
            upload.exception()

    def root_cause(self, error: BaseException) -> BaseException:
        """Return what went wrong: a broken upload stops the reader, whose error says less."""
        if not isinstance(error, _UploadBroken):
            return error
        causes = [cause for upload in self.uploads if (cause := upload.exception())]
        lasting = [cause for cause in causes if not isinstance(cause, Cancelled)]
        full = [cause for cause in lasting if isinstance(cause, RegistryFull)]
        return (full or lasting or causes or [error])[0]

    def finish(self, members: Members[Layer]) -> Ingested:
        carries = self.owner.options.carries
        contents = contents_of(members, self.problems, carries=carries)
        wanted = {image.image_id for image in contents.images}
        wanted |= {digest for one in contents.carried for digest, _ in one.blobs}
        for document in members.documents.values():
            if sha256_digest(document) in wanted:
                self.owner.client.upload_bytes(STAGE, document)
        problems = tuple(self.problems.found)
        bundle = bundle_of(self.owner.file, contents, imported=not problems, carries=carries)
        return Ingested(bundle, self.sent_bytes, self.sent_layers, self.kept_layers, problems)

    def _take_layer(self, member: Member, head: bytes) -> Future[Layer]:
        owner = self.owner
        self._hold()
        known = owner.stored.get(member.offset_bytes)
        if known and self._is_stored(known):
            self._keep()
            return _settled(known)
        layer = LayerStream(self.opened.archive, member, head, owner.file.name)
        recompress = layer.compression in _IN_NO_REGISTRY or (
            layer.compression == "zstd" and owner.options.recompress
        )
        key = owner.index.key(layer, "gzip" if recompress else "")
        known = owner.index.find(key) if self._may_trust_index(layer, key) else None
        if known and self._is_stored(known):
            return _settled(self._pass_over(layer, known, key))
        sending = _Sending(ChunkQueue(owner.stop), layer, recompress=recompress)
        if sending.as_it_is and self._is_stored_by_name(layer):
            return _settled(self._read_only(sending, key))
        self.belts.append(sending.belt)
        upload = self.uploaders.submit(self._upload, sending, key)
        self.uploads.append(upload)
        try:
            sending.source.set_result(self._feed(sending))
        except BaseException:
            sending.belt.break_down()
            sending.source.cancel()
            raise
        return upload

    def _take_blob(self, member: Member, head: bytes) -> int:
        """Send what is neither a layer nor a document as it stands there; it is not looked into."""
        owner, size = self.owner, member.size_bytes
        if not owner.options.carries:
            return size
        self._hold()
        blob = BlobStream(self.opened.archive, member, head, owner.file.name)
        if owner.client.blob_size(STAGE, blob.digest) == size:
            for _ in blob.compared():
                self._moved_unsent()
            return size
        belt = ChunkQueue(owner.stop)
        self.belts.append(belt)
        upload = self.uploaders.submit(self._upload_blob, belt, blob.digest)
        self.uploads.append(upload)
        try:
            for piece in blob.compared():
                _put(belt, piece)
                self._moved()
            _put(belt, None)
        except BaseException:
            belt.break_down()
            raise
        self.sent_blobs.append(upload)
        return size

    def _upload_blob(self, belt: ChunkQueue, digest: str) -> None:
        try:
            self.owner.client.upload_stream(STAGE, belt, lambda: digest)
        finally:
            belt.break_down()

    def _may_trust_index(self, layer: LayerStream, key: str) -> bool:
        """Whether to pass over a layer that begins like a known one.

        Where the bundle cannot be read again, only if the beginning is all of it. Elsewhere being
        wrong costs a pass, so that is not done often.
        """
        if self.owner.file.is_pipe:
            return layer.member.size_bytes == len(layer.first_chunk)
        misleading = self.owner.misleading
        return key not in misleading and len(misleading) < MAX_MISLEADING

    def _is_stored(self, layer: Layer) -> bool:
        return self.owner.client.blob_size(STAGE, layer.digest) == layer.size_bytes

    def _is_stored_by_name(self, layer: LayerStream) -> bool:
        """Whether the registry has the blob that a member of an OCI layout is named for."""
        named = _BLOB_NAME.search(layer.member.name)
        client = self.owner.client
        there = named and client.blob_size(STAGE, f"sha256:{named[1]}")
        return there == layer.member.size_bytes

    def _read_only(self, sending: _Sending, key: str) -> Layer:
        """Read a layer that is not to be sent; its name is compared when all of it was read.

        Raises:
            BundleCorrupt: it is not what it is named for.
        """
        layer = sending.layer
        digests = layer.digests(self._moved_unsent)
        if not layer.member.name.endswith(digests.source_digest.removeprefix("sha256:")):
            raise BundleCorrupt(f"{layer.name} is damaged (it is {digests.source_digest})")
        sending.source.set_result((digests.diff_id, digests.source_digest))
        known = sending.stored_as(digests.source_digest, layer.member.size_bytes)
        with self.owner.lock:
            self.owner.index.add(key, known)
        return self._kept(layer, known)

    def _keep(self) -> None:
        self.kept_layers += 1
        self._tell()

    def _pass_over(self, layer: LayerStream, known: Layer, key: str) -> Layer:
        """Read a layer that the registry has already, only to see that it is the same one."""
        digests = layer.digests(self._moved_unsent)
        if (digests.diff_id, digests.source_digest) != (known.diff_id, known.source_digest):
            raise IndexMismatch(key)
        return self._kept(layer, known)

    def _kept(self, layer: LayerStream, known: Layer) -> Layer:
        """Note a layer that was read and need not be sent."""
        with self.owner.lock:
            self.owner.stored[layer.member.offset_bytes] = known
        self._keep()
        return known

    def _feed(self, sending: _Sending) -> tuple[str, str]:
        """Put a layer on its belt; return its diff ID and its digest as it stands in the bundle."""
        layer, belt = sending.layer, sending.belt
        plain, raw = hashlib.sha256(), hashlib.sha256()
        if sending.as_it_is:
            for chunk in layer.plain_chunks(lambda piece: _put(belt, piece)):
                plain.update(chunk)
                self._moved()
        else:
            crc = size = 0
            _put(belt, pack.HEADER)
            for chunk in layer.plain_chunks(raw.update if layer.compression else _nothing):
                _put(belt, self.packers.submit(pack.deflate, chunk, self.owner.options.level))
                plain.update(chunk)
                crc = pack.checksum(chunk, crc)
                size += len(chunk)
                self._moved()
            _put(belt, pack.trailer(crc, size))
        _put(belt, None)
        return "sha256:" + plain.hexdigest(), "sha256:" + raw.hexdigest()

    def _upload(self, sending: _Sending, key: str) -> Layer:
        digest, size_bytes = hashlib.sha256(), 0

        def counted() -> Iterator[bytes]:
            nonlocal size_bytes
            for piece in sending.belt:
                digest.update(piece)
                size_bytes += len(piece)
                yield piece

        def named() -> str:
            return "sha256:" + digest.hexdigest()

        try:
            self.owner.client.upload_stream(STAGE, counted(), named)
        finally:
            sending.belt.break_down()
        layer = sending.stored_as(named(), size_bytes)
        with self.owner.lock:
            self.owner.index.add(key, layer)
            self.owner.stored[sending.layer.member.offset_bytes] = layer
            self.sent_bytes += size_bytes
            self.sent_layers += 1
        self._tell()
        return layer

    def _moved(self) -> None:
        self.progress(self.opened.read_bytes)

    def _moved_unsent(self) -> None:
        self._moved()
        self._hold()

    def _hold(self) -> None:
        if self.owner.pause.wait(self.owner.go_on, lambda _: self._tell()):
            self._tell()

    def _tell(self) -> None:
        sent, kept = self.sent_layers, self.kept_layers
        images = self.owner.images_stored()
        held = f"{PAUSED}; " if self.owner.pause.is_on else ""
        self.say(f"{held}{images}{count(sent, 'layer')} sent, {kept} were there already")


@dataclass
class _Sending:
    """A layer on its way; `source` is known when all of it was read."""

    belt: ChunkQueue
    layer: LayerStream
    recompress: bool
    source: Future[tuple[str, str]] = field(default_factory=Future)

    @property
    def as_it_is(self) -> bool:
        """Whether the blob is what stands in the bundle."""
        return bool(self.layer.compression) and not self.recompress

    def stored_as(self, digest: str, size_bytes: int) -> Layer:
        diff_id, raw_digest = self.source.result()
        source_digest = diff_id
        if self.layer.compression:
            source_digest = raw_digest if self.recompress else digest
        is_zstd = self.layer.compression == "zstd" and not self.recompress
        return Layer(
            diff_id=diff_id,
            digest=digest,
            size_bytes=size_bytes,
            media_type=OCI_LAYER_ZSTD if is_zstd else DOCKER_LAYER_GZIP,
            source_digest=source_digest,
            bundle_bytes=self.layer.member.size_bytes,
        )


def _put(belt: ChunkQueue, piece: bytes | Future[bytes] | None) -> None:
    if not belt.put(piece):
        raise _UploadBroken("the upload ended before the layer did")


def _settled(layer: Layer) -> Future[Layer]:
    done: Future[Layer] = Future()
    done.set_result(layer)
    return done


def _nothing(_: bytes) -> None:
    """Do nothing with a raw chunk: it is the plain one."""
