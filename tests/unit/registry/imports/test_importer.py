"""Bundles into a real registry: what is stored, what is not sent twice, what a failure leaves."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import json
import lzma
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from core.bundle.discovery import bundle_file
from core.bundle.listing import list_bundle
from core.bundle.model import DOCKER_LAYER_GZIP
from core.errors import (
    BundleCorrupt,
    BundleError,
    BundleTruncated,
    Cancelled,
    NotABundle,
    RegistryUnreachable,
)
from core.registry.api.client import RegistryClient
from core.registry.content.staging import STAGE
from core.registry.imports.publish import publish
from tests.support.archives import (
    ImageSpec,
    digest_of,
    docker_archive,
    layer_tar,
    sample_images,
    write_bundle,
)
from tests.support.importing import Importer, tell_nobody
from tests.support.layouts import (
    Entry,
    blob_name,
    crane_entries,
    docker25_entries,
    docker29_entries,
    entries_of,
    oci_manifest,
    packed,
    tar_bytes,
)
from tests.support.platforms import with_layers_packed
from tests.support.reading import facts_of, facts_wanted
from tests.support.registry import fresh_registry
from tests.support.stored import Storage

SMALL = ImageSpec(["quay.io/a/b:1"], [layer_tar(1, 9000), bytes(1024), layer_tar(2, 4000)])


@pytest.mark.parametrize("compress", [False, True])
def test_everything_is_there_and_right(
    importer: Importer, stored: Storage, tmp_path: Path, compress: bool
) -> None:
    images = sample_images()
    data = write_bundle(tmp_path / "made", images, compress=compress).read_bytes()
    done = importer.put(data)
    assert facts_wanted(images) == facts_of(done.bundle.images)
    assert ["calico/node:v3.20.0", "nginx-like:1.21", "pause:3.5", "pause:latest"] == stored.tags()
    for spec, image in zip(images, done.bundle.images, strict=True):
        assert spec.config == stored.blob(image.image_id)
        assert spec.layers == [gzip.decompress(stored.blob(it.digest)) for it in image.layers]
        assert [it.size_bytes for it in image.layers] == [
            len(stored.blob(it.digest)) for it in image.layers
        ]
        for name in image.references:
            manifest = stored.blob(image.manifest_digest)
            assert image.manifest_digest == digest_of(manifest)
            assert image.manifest_digest == importer.client.manifest_digest(
                name.site_repository, name.tag
            )
            assert [image.image_id, *(it.digest for it in image.layers)] == [
                blob["digest"]
                for text in [json.loads(manifest)]
                for blob in (text["config"], *text["layers"])
            ]
    assert (done.sent_layers, done.kept_layers) == (5, 0)
    assert done.sent_bytes == sum(done.bundle.blobs.values())
    assert [] == stored.upload_data()


def test_progress_is_that_of_the_file_and_ends_at_its_end(importer: Importer) -> None:
    told: list[int] = []
    data = docker_archive(sample_images())
    importer.ingest(data, told.append)
    assert sorted(told) == told
    assert len(data) == told[-1]


def test_it_is_told_how_many_images_are_there(importer: Importer) -> None:
    """Where it is known what is in the bundle; else only layers are told."""
    path, said = importer.written(docker_archive(sample_images())), list[str]()
    listed = list_bundle(bundle_file(path))
    for known in (listed, listed, None):
        importing = importer.importing(path)
        importing.listed = known
        importing.run(tell_nobody, said.append)
    assert [
        "3 of 3 images, 5 layers sent, 0 were there already",
        "3 of 3 images, 0 layers sent, 5 were there already",
        "0 layers sent, 5 were there already",
    ] == said[4::5]


def test_gzip_layers_are_passed_on_as_they_are(importer: Importer, stored: Storage) -> None:
    image = importer.put(tar_bytes(crane_entries([SMALL]))).bundle.images[0]
    assert [digest_of(packed(layer)) for layer in SMALL.layers] == [
        layer.digest for layer in image.layers
    ]
    assert [packed(layer) for layer in SMALL.layers] == [
        stored.blob(layer.digest) for layer in image.layers
    ]


def test_an_oci_manifest_whose_blobs_are_unchanged_keeps_its_digest(
    importer: Importer, stored: Storage
) -> None:
    image = importer.put(tar_bytes(docker29_entries(SMALL, "quay.io/a/b:1"))).bundle.images[0]
    manifest = oci_manifest(SMALL, compress=True)
    assert digest_of(manifest) == image.manifest_digest
    assert manifest == stored.blob(image.manifest_digest)


def test_docker_25(importer: Importer) -> None:
    done = importer.put(tar_bytes(docker25_entries([SMALL])))
    assert facts_wanted([SMALL]) == facts_of(done.bundle.images)


def test_an_image_without_layers(importer: Importer, stored: Storage) -> None:
    importer.put(docker_archive([ImageSpec(["empty:1"], [])]))
    assert ["empty:1"] == stored.tags()


def test_as_many_layers_as_an_image_can_have(importer: Importer) -> None:
    image = ImageSpec(["many:1"], [layer_tar(seed, 300) for seed in range(127)])
    done = importer.put(docker_archive([image]))
    assert facts_wanted([image]) == facts_of(done.bundle.images)


def test_what_is_no_layer_and_no_config_is_not_kept(importer: Importer) -> None:
    note = b'{"a note": 1}'
    importer.put(tar_bytes([Entry("note.json", note), *entries_of(docker_archive([SMALL]))]))
    assert None is importer.client.blob_size(STAGE, digest_of(note))


@pytest.mark.parametrize("after", [1, 2, 4])
def test_a_cancel_leaves_no_upload_and_no_tag(
    importer: Importer, stored: Storage, after: int
) -> None:
    stop, told = threading.Event(), list[int]()

    def tell(done: int) -> None:
        told.append(done)
        if len(told) == after:
            stop.set()

    with pytest.raises(Cancelled):
        importer.ingest(docker_archive(sample_images()), tell, stop)
    assert ([], []) == (stored.upload_data(), stored.tags())


def test_a_cancel_between_the_names(importer: Importer, stored: Storage) -> None:
    done = importer.ingest(docker_archive(sample_images()))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        publish(done.bundle, importer.client, stop)
    assert [] == stored.tags()


def damaged_layer(data: bytes) -> bytes:
    at = data.index(SMALL.layers[2]) + 600
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def without_a_layer(data: bytes) -> bytes:
    return tar_bytes(entry for entry in entries_of(data) if entry.data != SMALL.layers[0])


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (damaged_layer, BundleCorrupt, r"b\.tar: image quay\.io/a/b:1: layer 3 of 3 is damaged"),
        (without_a_layer, BundleCorrupt, "is named but not in the archive"),
        (lambda data: data[:12_000], BundleTruncated, r"b\.tar: ends in the middle"),
        (lambda _: tar_bytes([Entry("l", SMALL.layers[0])]), NotABundle, r"no manifest\.json"),
        (lambda _: gzip.compress(SMALL.layers[0])[:-9], BundleError, r"b\.tar"),
    ],
)
def test_a_damaged_bundle_leaves_no_tag_and_no_upload(
    importer: Importer,
    stored: Storage,
    spoil: Callable[[bytes], bytes],
    error: type[Exception],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        importer.put(spoil(docker_archive([SMALL])))
    assert ([], []) == (stored.tags(), stored.upload_data())


def test_a_damaged_gzip_layer_is_named(importer: Importer, stored: Storage) -> None:
    entries = [
        Entry(entry.name, entry.data[:-6] + b"\0" + entry.data[-5:])
        if entry.data == packed(SMALL.layers[0])
        else entry
        for entry in crane_entries([SMALL])
    ]
    with pytest.raises(BundleCorrupt, match=r"b\.tar: the layer '.*\.tar\.gz': .* is damaged"):
        importer.put(tar_bytes(entries))
    assert ([], []) == (stored.tags(), stored.upload_data())


def test_layers_that_no_engine_takes_are_refused(importer: Importer, stored: Storage) -> None:
    data = with_layers_packed(docker_archive([SMALL]), lambda layer: b"\x04\x22\x4d\x18" + layer)
    with pytest.raises(BundleError, match="is packed with lz4, which is not read here"):
        importer.put(data)
    assert ([], []) == (stored.tags(), stored.upload_data())


@pytest.mark.parametrize("pack", [lzma.compress, bz2.compress])
def test_layers_that_engines_only_load_are_packed_anew(
    importer: Importer, stored: Storage, pack: Callable[[bytes], bytes]
) -> None:
    """Docker load takes xz and bzip2; pulled they are by no engine."""
    (image,) = importer.put(with_layers_packed(docker_archive([SMALL]), pack)).bundle.images
    blobs = [stored.blob(layer.digest) for layer in image.layers]
    assert SMALL.layers == [gzip.decompress(blob) for blob in blobs]
    assert {DOCKER_LAYER_GZIP} == {layer.media_type for layer in image.layers}


@pytest.mark.usefixtures("registry_program")
def test_a_registry_that_is_gone(tmp_path: Path) -> None:
    with contextlib.ExitStack() as running:
        address = running.enter_context(fresh_registry(tmp_path))
    importer = Importer(RegistryClient(address), tmp_path)
    with pytest.raises(RegistryUnreachable, match=f"{address} does not answer"):
        importer.ingest(docker_archive([SMALL]))
    importer.client.close()


@pytest.mark.usefixtures("registry_program")
def test_a_registry_that_goes_away_in_the_middle(tmp_path: Path) -> None:
    images = [ImageSpec(["a.b/c:1"], [layer_tar(seed, 3_000_000) for seed in range(3)])]
    with contextlib.ExitStack() as running:
        address = running.enter_context(fresh_registry(tmp_path))
        importer = Importer(RegistryClient(address), tmp_path)
        with pytest.raises(RegistryUnreachable, match=address):
            importer.ingest(docker_archive(images), lambda _: running.close())
        importer.client.close()


def test_blob_names_agree() -> None:
    assert f"blobs/sha256/{digest_of(b'x')[7:]}" == blob_name(b"x")
