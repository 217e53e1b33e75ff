"""From a bundle file into the registry in one pass: hash, compress, upload, all at once.

One thread reads and hashes in order; a pool of as many threads as there are cores compresses
chunks; up to four uploads stream to the registry. All layers go to one staging repository, because
the names stand at the end of the file. Nothing gets a tag here (`publish` does that), so a bundle
that turns out damaged on its last byte has left nothing but blobs that the registry's garbage
collection removes.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from core.bundle import (
    Bundle,
    BundleFile,
    Checkpoint,
    GunzipHash,
    Layer,
    Member,
    Members,
    TarStream,
    collect,
    compression_of,
    images_of,
    open_bundle,
    readable,
)
from core.errors import BundleCorrupt, BundleError, Cancelled, NotABundle
from core.registry import pack
from core.registry.client import RegistryClient
from core.registry.conveyor import Conveyor

STAGE = "airferry/stage"
UPLOADS = 4


@dataclass
class Ingested:
    """What one import did: the bundle's record, and what was sent and what was there."""

    bundle: Bundle
    sent_bytes: int
    sent_layers: int
    kept_layers: int


@dataclass
class _Job:
    """The state of one pass."""

    client: RegistryClient
    checkpoint: Checkpoint
    archive: TarStream
    label: str
    stop: threading.Event
    packers: ThreadPoolExecutor
    uploaders: ThreadPoolExecutor
    belts: list[Conveyor] = field(default_factory=list)
    uploads: list[Future[Layer]] = field(default_factory=list)
    sent_bytes: int = 0
    sent_layers: int = 0
    kept_layers: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def ingest(
    file: BundleFile,
    client: RegistryClient,
    checkpoint: Checkpoint,
    stop: threading.Event,
    progress: Callable[[int], None],
) -> Ingested:
    """Put all layers and configs of a bundle into the staging repository.

    Args:
        file: The bundle.
        client: The registry.
        checkpoint: Layers that an earlier attempt has stored.
        stop: Ends the import within a second when set.
        progress: Told the bytes of the file read so far.

    Raises:
        BundleError: the bundle is not whole, or not what it claims.
        RegistryError: the registry is gone, full or refuses.
        Cancelled: `stop` was set.
    """

    def go_on() -> None:
        if stop.is_set():
            raise Cancelled(f"the import of {file.name} was ended")

    with (
        open_bundle(file.path, go_on) as (stream, counter),
        ThreadPoolExecutor(os.cpu_count(), "pack") as packers,
        ThreadPoolExecutor(UPLOADS, "upload") as uploaders,
    ):
        archive = TarStream(stream, file.name)
        job = _Job(client, checkpoint, archive, file.name, stop, packers, uploaders)
        try:
            members = _read_all(job, lambda: progress(counter.read_bytes))
        except BaseException as error:
            _break_down(job)
            raise _root_cause(job, error) from error
        progress(file.size_bytes)
        return _finish(job, file, members)


def _read_all(job: _Job, tell: Callable[[], None]) -> Members[Layer]:
    def take(member: Member, head: bytes) -> Future[Layer]:
        return _take_layer(job, member, head, tell)

    pending = collect(job.archive, job.label, take)
    done = {name: layer.result() for name, layer in pending.layers.items()}
    return Members(job.label, pending.documents, done, pending.links)


def _break_down(job: _Job) -> None:
    for belt in job.belts:
        belt.break_down()
    for upload in job.uploads:
        upload.exception()


def _root_cause(job: _Job, error: BaseException) -> BaseException:
    """Return what went wrong first: a broken upload stops the reader, whose error says less."""
    if not isinstance(error, _UploadBroken):
        return error
    causes = [upload.exception() for upload in job.uploads if upload.done()]
    return next((c for c in causes if c and not isinstance(c, Cancelled)), error)


class _UploadBroken(BundleError):
    """The upload that a piece was meant for has ended."""


def _take_layer(job: _Job, member: Member, head: bytes, tell: Callable[[], None]) -> Future[Layer]:
    compression = compression_of(head)
    if compression not in ("", "gzip"):
        raise BundleError(
            f"{job.label}: the layer {member.name!r} is compressed with {compression}, "
            "which this version does not import",
            remedy="Save the bundle with plain or gzip layers.",
        )
    known = job.checkpoint.layer_at(member.offset_bytes)
    if known and job.client.blob_size(STAGE, known.digest) == known.size_bytes:
        return _pass_over(job, member, head, known, tell)
    belt = Conveyor(job.stop)
    job.belts.append(belt)
    feed = _feed_gzip if compression else _feed_plain
    diff_id: Future[str] = Future()
    upload = job.uploaders.submit(_upload, job, belt, diff_id, member.offset_bytes)
    job.uploads.append(upload)
    try:
        diff_id.set_result(feed(job, belt, member, head, tell))
    finally:
        diff_id.cancel()
    return upload


def _chunks(job: _Job, head: bytes, tell: Callable[[], None]) -> Iterator[bytes]:
    chunk = head + job.archive.read(pack.CHUNK_BYTES - len(head))
    while chunk:
        yield chunk
        tell()
        chunk = job.archive.read(pack.CHUNK_BYTES)


def _feed_plain(
    job: _Job, belt: Conveyor, member: Member, head: bytes, tell: Callable[[], None]
) -> str:
    diff_id, crc = hashlib.sha256(), 0
    _put(belt, pack.HEADER)
    for chunk in _chunks(job, head, tell):
        _put(belt, job.packers.submit(pack.deflate, chunk))
        diff_id.update(chunk)
        crc = pack.checksum(chunk, crc)
    _put(belt, pack.trailer(crc, member.size_bytes))
    _put(belt, None)
    return "sha256:" + diff_id.hexdigest()


def _feed_gzip(
    job: _Job, belt: Conveyor, member: Member, head: bytes, tell: Callable[[], None]
) -> str:
    """Pass a gzip layer on unchanged; what is inside is hashed for its diff ID."""
    inside = GunzipHash(f"{job.label}: the layer {member.name!r}")
    for chunk in _chunks(job, head, tell):
        _put(belt, chunk)
        inside.update(chunk)
    _put(belt, None)
    return inside.digest()


def _put(belt: Conveyor, piece: bytes | Future[bytes] | None) -> None:
    if not belt.put(piece):
        raise _UploadBroken("the upload ended before the layer did")


def _pass_over(
    job: _Job, member: Member, head: bytes, known: Layer, tell: Callable[[], None]
) -> Future[Layer]:
    """Read a layer that the registry has already, only to see that it is still the same one."""
    gzip = compression_of(head) == "gzip"
    inside, plain = GunzipHash(f"{job.label}: the layer {member.name!r}"), hashlib.sha256()
    for chunk in _chunks(job, head, tell):
        inside.update(chunk) if gzip else plain.update(chunk)
    diff_id = inside.digest() if gzip else "sha256:" + plain.hexdigest()
    if diff_id != known.diff_id:
        job.checkpoint.clear()
        raise BundleCorrupt(
            f"{job.label}: has other content than when its import began",
            remedy="Run the same command again: the import then begins anew.",
        )
    job.kept_layers += 1
    done: Future[Layer] = Future()
    done.set_result(known)
    return done


def _upload(job: _Job, belt: Conveyor, diff_id: Future[str], offset_bytes: int) -> Layer:
    digest, size_bytes = hashlib.sha256(), 0

    def counted() -> Iterator[bytes]:
        nonlocal size_bytes
        for piece in belt:
            digest.update(piece)
            size_bytes += len(piece)
            yield piece

    try:
        job.client.upload_stream(STAGE, counted(), lambda: "sha256:" + digest.hexdigest())
    finally:
        belt.break_down()
    layer = Layer(diff_id.result(), "sha256:" + digest.hexdigest(), size_bytes)
    with job.lock:
        job.checkpoint.add(offset_bytes, layer)
        job.sent_bytes += size_bytes
        job.sent_layers += 1
    return layer


def _finish(job: _Job, file: BundleFile, members: Members[Layer]) -> Ingested:
    with readable(file.path):
        images = images_of(members)
    if not images:
        raise NotABundle(f"{file.name}: no image in it")
    wanted = {image.image_id for image in images}
    for document in members.documents.values():
        if "sha256:" + hashlib.sha256(document).hexdigest() in wanted:
            job.client.upload_bytes(STAGE, document)
    bundle = Bundle(file.name, file.size_bytes, images, imported=True)
    return Ingested(bundle, job.sent_bytes, job.sent_layers, job.kept_layers)
