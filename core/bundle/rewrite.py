"""Some of a bundle's images as one docker-archive: what `docker load` takes, written as it is read.

Any kind of bundle goes in. What comes out is a tar with the layers that are asked for, the configs,
and last the `manifest.json` that ties them together: an engine that was not told it makes no image
of what came before. Each layer is compared with its diff ID on the way.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core.bundle.layers import CHUNK_BYTES, LayerStream
from core.bundle.members import Members, collect, normal_name
from core.bundle.model import BundleFile, Image, Layer, sha256_digest
from core.bundle.source import open_bundle
from core.bundle.tarstream import Archive, Member
from core.errors import BundleCorrupt, BundleError

Emit = Callable[[bytes], object]
END_OF_TAR = bytes(2 * tarfile.BLOCKSIZE)


@dataclass(frozen=True)
class WantedImage:
    """An image that is to be in the archive.

    Args:
        image: The image, as the bundle was listed.
        names: The names that it is to have.
        there: How many of its layers, from the lowest, the engine has already.
    """

    image: Image
    names: tuple[str, ...]
    there: int = 0


def write_docker_archive(
    file: BundleFile,
    wanted: list[WantedImage],
    emit: Emit,
    *,
    scratch: Path,
    go_on: Callable[[], None] = lambda: None,
) -> None:
    """Read a bundle once and write the wanted images of it.

    Args:
        file: The bundle.
        wanted: The images, all of them in this bundle.
        emit: Takes the archive's bytes, piece by piece.
        scratch: A directory for layers of zstd, xz and bzip2, which not every engine loads: they
            are unpacked into a file there, because a tar says the size first.
        go_on: Called before every read; raises to end the reading.

    Raises:
        BundleError: the bundle is damaged, or is not the one that was listed. What was emitted
            then is no archive.
    """
    needed = {layer.member: layer for each in wanted for layer in each.image.layers[each.there :]}
    members = Members[Layer](file.name)
    with open_bundle(file, go_on, check_sums=False) as opened:
        writer = _Writer(opened.archive, needed, emit, scratch, file.name)
        try:
            collect(opened.archive, members, writer.take)
        except BundleError:
            # Of a bundle that is cut, what stands before may be all that is wanted of it.
            if not needed.keys() <= writer.written:
                raise
    documents = {sha256_digest(data): data for data in members.documents.values()}
    lacking = [member for member in needed if member not in writer.written]
    lacking += [w.image.image_id for w in wanted if w.image.image_id not in documents]
    if lacking:
        raise BundleCorrupt(f"{file.name}: {lacking[0]!r} is not in it any more")
    for each in wanted:
        config = documents[each.image.image_id]
        _emit_file(_config_name(each.image), config, emit)
    _emit_file("manifest.json", _manifest(wanted), emit)
    emit(END_OF_TAR)


def _config_name(image: Image) -> str:
    return image.image_id.removeprefix("sha256:") + ".json"


def _layer_name(layer: Layer) -> str:
    return layer.diff_id.removeprefix("sha256:") + "/layer.tar"


def _manifest(wanted: list[WantedImage]) -> bytes:
    entries: list[Mapping[str, object]] = [
        {
            "Config": _config_name(each.image),
            "RepoTags": list(each.names),
            "Layers": [_layer_name(layer) for layer in each.image.layers],
        }
        for each in wanted
    ]
    return json.dumps(entries).encode()


class _Writer:
    """Emits those layers of a bundle that are needed, as they come by."""

    def __init__(
        self,
        archive: Archive,
        needed: Mapping[str, Layer],
        emit: Emit,
        scratch: Path,
        label: str,
    ) -> None:
        self._archive = archive
        self._needed = needed
        self._emit = emit
        self._scratch = scratch
        self._label = label
        self._emitted: set[str] = set()
        self.written: set[str] = set()

    def take(self, member: Member, head: bytes) -> Layer:
        """Emit one layer, if it is needed and was not emitted yet."""
        name = normal_name(self._label, member.name)
        layer = self._needed.get(name)
        if layer is None:
            return Layer("", "", member.size_bytes)
        if layer.diff_id not in self._emitted:
            self._emitted.add(layer.diff_id)
            self._write(layer, LayerStream(self._archive, member, head, self._label))
        self.written.add(name)
        return layer

    def _write(self, layer: Layer, stream: LayerStream) -> None:
        if stream.compression not in ("", "gzip"):
            with tempfile.TemporaryFile(dir=self._scratch) as unpacked:
                diff_id = _digest_of(stream.plain_chunks(), unpacked.write)
                self._emit_unpacked(layer, unpacked)
        else:
            size_bytes = stream.member.size_bytes
            self._emit(_header(_layer_name(layer), size_bytes))
            if stream.compression:
                diff_id = _digest_of(stream.plain_chunks(self._emit))
            else:
                diff_id = _digest_of(stream.plain_chunks(), self._emit)
            self._emit(_padding(size_bytes))
        if diff_id != layer.diff_id:
            raise BundleCorrupt(
                f"{stream.name} is damaged (it is {diff_id}, should be {layer.diff_id})"
            )

    def _emit_unpacked(self, layer: Layer, unpacked: IO[bytes]) -> None:
        size_bytes = unpacked.tell()
        unpacked.seek(0)
        self._emit(_header(_layer_name(layer), size_bytes))
        while chunk := unpacked.read(CHUNK_BYTES):
            self._emit(chunk)
        self._emit(_padding(size_bytes))


def _digest_of(chunks: Iterator[bytes], passed: Callable[[bytes], object] = len) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        passed(chunk)
    return "sha256:" + digest.hexdigest()


def _emit_file(name: str, data: bytes, emit: Emit) -> None:
    emit(_header(name, len(data)) + data + _padding(len(data)))


def _header(name: str, size_bytes: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size_bytes
    return entry.tobuf(tarfile.GNU_FORMAT)


def _padding(size_bytes: int) -> bytes:
    return bytes(-size_bytes % tarfile.BLOCKSIZE)
