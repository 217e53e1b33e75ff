"""Layers stored before: not sent again, passed over where they can be, never believed blindly."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from core.bundle import source
from core.errors import BundleError, BundleTruncated, RegistryUnreachable
from core.registry.api.client import RegistryClient
from tests.support.archives import (
    ImageSpec,
    docker_archive,
    layer_tar,
    sample_images,
)
from tests.support.importing import Importer, NotedLayers
from tests.support.layouts import docker29_entries, packed, tar_bytes
from tests.support.pipes import fed_pipe
from tests.support.platforms import with_layers_packed
from tests.support.reading import facts_of, facts_wanted
from tests.support.registry import fresh_registry, running_registry
from tests.support.stored import Storage

LAYER_BYTES = 3_000_000
SMALL = ImageSpec(["quay.io/a/b:1"], [layer_tar(1, 9000), bytes(1024), layer_tar(2, 4000)])
LARGE = ImageSpec(["quay.io/a/large:1"], [layer_tar(seed, LAYER_BYTES) for seed in range(4)])
LARGE_ARCHIVE = docker_archive([LARGE])
Pack = Callable[[bytes], bytes]


def unpressed(layer: bytes) -> bytes:
    """Return gzip that is as long as what is in it allows, whatever that is."""
    return gzip.compress(layer, 0, mtime=0)


def ending_otherwise(layer: bytes) -> bytes:
    """Return a layer of the same size that begins the same, and has another last file byte."""
    at = len(layer) - 20_000
    return layer[:at] + bytes([layer[at] ^ 1]) + layer[at + 1 :]


@pytest.fixture
def read_bytes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all reads of bundle files."""
    sizes: list[int] = []

    class Counting(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            sizes.append(len(data or b""))
            return data or b""

    def opened(path: Path) -> BinaryIO:
        return Counting(path)

    monkeypatch.setattr(source, "_opened", opened)
    return sizes


@pytest.mark.parametrize("lines", [0, 1, 3, 5])
def test_an_import_that_was_killed_goes_on_where_it_was(importer: Importer, lines: int) -> None:
    data = docker_archive(sample_images())
    whole = importer.ingest(data)
    importer.index_path.write_text("\n".join(importer.noted[:lines]))
    again = importer.ingest(data)
    assert (5 - lines, lines) == (again.sent_layers, again.kept_layers)
    assert whole.bundle == again.bundle


def test_without_the_index_blobs_that_a_layout_names_are_asked_for(importer: Importer) -> None:
    """Another DU, or a state directory made anew, in front of a registry that has them."""
    data = tar_bytes(docker29_entries(SMALL, "quay.io/a/b:1"))
    whole = importer.put(data)
    importer.index_path.unlink()
    again = importer.put(data)
    assert (0, 3) == (again.sent_layers, again.kept_layers)
    assert whole.bundle == again.bundle


def test_a_blob_that_is_not_what_its_name_says_is_not_taken_for_the_one_that_is_there(
    importer: Importer,
) -> None:
    entries = docker29_entries(SMALL, "quay.io/a/b:1")
    importer.put(tar_bytes(entries))
    importer.index_path.unlink()
    other = packed(layer_tar(9, 4000))
    right = packed(SMALL.layers[2])
    wrong = [
        replace(e, data=(other + bytes(len(right)))[: len(right)]) if e.data == right else e
        for e in entries
    ]
    with pytest.raises(BundleError, match=r"b\.tar"):
        importer.put(tar_bytes(wrong))


def test_a_second_import_sends_nothing_and_notes_nothing(importer: Importer) -> None:
    data = docker_archive(sample_images())
    whole, noted = importer.ingest(data), importer.noted
    again = importer.ingest(data)
    assert (0, 0, 5) == (again.sent_bytes, again.sent_layers, again.kept_layers)
    assert (whole.bundle, noted) == (again.bundle, importer.noted)


def test_an_import_of_a_cut_bundle_goes_on_with_the_whole_one(importer: Importer) -> None:
    data = docker_archive(sample_images())
    with pytest.raises(BundleTruncated):
        importer.ingest(data[: len(data) * 9 // 10])
    done = importer.ingest(data)
    assert 5 == done.sent_layers + done.kept_layers
    assert facts_wanted(sample_images()) == facts_of(done.bundle.images)


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_layer_of_another_bundle_is_not_sent_again(importer: Importer, compress: Pack) -> None:
    """The next release: three of four layers are those of the one before, in other places."""
    new = ImageSpec(["quay.io/a/large:2"], [layer_tar(9), *LARGE.layers[1:]])
    importer.ingest(LARGE_ARCHIVE)
    done = importer.ingest(importer.written(compress(docker_archive([new])), "next.tar"))
    assert (1, 3) == (done.sent_layers, done.kept_layers)
    assert facts_wanted([new]) == facts_of(done.bundle.images)


def test_a_blob_that_the_registry_lost_is_sent_again(importer: Importer, stored: Storage) -> None:
    data = docker_archive([SMALL])
    lost = importer.ingest(data).bundle.images[0].layers[2]
    stored.lose_blob(lost.digest)
    done = importer.ingest(data)
    assert (1, 2) == (done.sent_layers, done.kept_layers)
    assert SMALL.layers[2] == gzip.decompress(stored.blob(lost.digest))


def test_a_blob_that_the_registry_lost_between_two_tries(
    importer: Importer, stored: Storage
) -> None:
    importing = importer.importing(importer.written(docker_archive([SMALL])))
    lost = importing.run(lambda _: None).bundle.images[0].layers[2]
    stored.lose_blob(lost.digest)
    done = importing.run(lambda _: None)
    assert (1, 2) == (done.sent_layers, done.kept_layers)
    assert SMALL.layers[2] == gzip.decompress(stored.blob(lost.digest))


def test_an_index_of_another_registry_is_no_harm(importer: Importer, tmp_path: Path) -> None:
    importer.ingest(docker_archive([SMALL]))
    other_storage = tmp_path / "other"
    other_storage.mkdir()
    with fresh_registry(other_storage) as address:
        other = Importer(RegistryClient(address), tmp_path)
        done = other.put(docker_archive([SMALL]))
        other.client.close()
    assert (3, 0) == (done.sent_layers, done.kept_layers)


@pytest.mark.parametrize("pack", [bytes, unpressed])
def test_a_layer_that_only_begins_like_a_known_one_is_not_taken_for_it(
    importer: Importer, stored: Storage, pack: Pack
) -> None:
    """Same size, same first mebibyte: nothing of the old one gets in, and no second try is needed.

    The layer before it, which is known as well, is not sent again.
    """
    base, old = layer_tar(1, LAYER_BYTES), layer_tar(2, LAYER_BYTES)
    first, second = (
        with_layers_packed(docker_archive([ImageSpec(["a.b/c:1"], [base, layer])]), pack)
        for layer in (old, ending_otherwise(old))
    )
    assert len(first) == len(second)
    importer.ingest(first)
    done = importer.put(second)
    image = done.bundle.images[0]
    assert (1, 1) == (done.sent_layers, done.kept_layers)
    assert [base, ending_otherwise(old)] == [
        gzip.decompress(stored.blob(layer.digest)) for layer in image.layers
    ]
    assert 0 == importer.ingest(second).sent_layers


def test_two_layers_of_one_bundle_that_begin_alike(importer: Importer) -> None:
    layer = layer_tar(2, LAYER_BYTES)
    image = ImageSpec(["a.b/c:1"], [layer, layer_tar(1), ending_otherwise(layer)])
    data = docker_archive([image])
    for _ in range(3):
        assert facts_wanted([image]) == facts_of(importer.put(data).bundle.images)


def test_a_pipe_whose_layer_only_begins_like_a_known_one(
    importer: Importer, tmp_path: Path
) -> None:
    """It cannot be read a second time, so nothing may be passed over that could be another one."""
    old = layer_tar(2, LAYER_BYTES)
    new = ImageSpec(["a.b/c:1"], [ending_otherwise(old)])
    importer.ingest(docker_archive([ImageSpec(["a.b/c:1"], [old])]))
    with fed_pipe(tmp_path / "pipe", docker_archive([new])) as pipe:
        assert facts_wanted([new]) == facts_of(importer.ingest(pipe).bundle.images)


def test_a_pipe_whose_own_layers_begin_alike(importer: Importer, tmp_path: Path) -> None:
    """Nothing is wrong with such a bundle, so it must not depend on how fast layers are stored."""
    layer = layer_tar(2, LAYER_BYTES)
    between = layer_tar(1, LAYER_BYTES)
    image = ImageSpec(["a.b/c:1"], [layer, between, ending_otherwise(layer)])
    layers = NotedLayers()

    def wait_for_the_first(done: int) -> None:
        if done > LAYER_BYTES + LAYER_BYTES // 2:
            layers.wait_for(1)

    with fed_pipe(tmp_path / "pipe", docker_archive([image])) as pipe:
        importing = importer.importing(pipe)
        importing.stored = layers
        assert facts_wanted([image]) == facts_of(importing.run(wait_for_the_first).bundle.images)


@pytest.mark.usefixtures("registry_program")
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_registry_that_went_away_and_came_back(
    tmp_path: Path, read_bytes: list[int], compress: Pack
) -> None:
    """What was stored is passed over; where the bundle can be sought in, without reading it."""
    data = compress(LARGE_ARCHIVE)
    layers, chunks = NotedLayers(), list[None]()
    with running_registry(tmp_path) as registry:
        importer = Importer(RegistryClient(registry.address), tmp_path)
        importing = importer.importing(importer.written(data))
        importing.stored = layers

        def lose_registry(_: int) -> None:
            chunks.append(None)
            if len(chunks) == 8:  # the middle one of the third layer
                layers.wait_for(2)
                registry.stop()

        with pytest.raises(RegistryUnreachable):
            importing.run(lose_registry)
        kept = len(layers)
        read_bytes.clear()
        registry.start()
        done = importing.run(lambda _: None)
        importer.client.close()
    assert (4 - kept, kept) == (done.sent_layers, done.kept_layers)
    assert kept >= 2
    assert facts_wanted([LARGE]) == facts_of(done.bundle.images)
    passed_over = kept * LAYER_BYTES if compress is bytes else 0
    assert sum(read_bytes) <= len(data) - passed_over
