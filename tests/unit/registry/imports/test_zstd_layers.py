"""Layers of zstd: passed on as they are, or turned into gzip; and gzip of every level."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from core.bundle.model import DOCKER_LAYER_GZIP, OCI_LAYER_ZSTD, Image
from core.registry.imports.import_pass import IngestOptions
from tests.support.archives import ImageSpec, digest_of, docker_archive, layer_tar, sample_images
from tests.support.importing import Importer
from tests.support.layouts import OCI_MANIFEST, packed, tar_bytes
from tests.support.oci import DOCKER_MANIFEST, ZSTD, manifest_of, zstd_packed
from tests.support.platforms import layout_of, several, two_platforms, with_layers_packed
from tests.support.reading import facts_of, facts_wanted
from tests.support.stored import Storage

IMAGE = ImageSpec(["quay.io/a/b:1"], [layer_tar(1, 3_000_000), layer_tar(2, 4000)])
ARCHIVE = with_layers_packed(docker_archive([IMAGE]), zstd_packed)
LAYOUT = tar_bytes(layout_of(IMAGE, ZSTD))
Pack = Callable[[bytes], bytes]
RECOMPRESS = IngestOptions(recompress=True)
BUNDLES = [pytest.param(ARCHIVE, id="docker-archive"), pytest.param(LAYOUT, id="oci-layout")]


def layer_types(image: Image) -> list[str]:
    """Return the media types that the image's manifest gives its layers."""
    return [layer["mediaType"] for layer in json.loads(image.manifest)["layers"]]


def archive_packed_by(*packs: Pack) -> bytes:
    """Return a docker-archive of the image, each layer packed in its own way."""
    waiting = iter(packs)
    return with_layers_packed(docker_archive([IMAGE]), lambda layer: next(waiting)(layer))


def unpacked(stored: Storage, image: Image) -> list[bytes]:
    return [gzip.decompress(stored.blob(layer.digest)) for layer in image.layers]


@pytest.mark.parametrize("bundle", BUNDLES)
def test_layers_of_zstd_are_passed_on_as_they_are(
    importer: Importer, stored: Storage, bundle: bytes
) -> None:
    (image,) = importer.put(bundle).bundle.images
    assert facts_wanted([IMAGE]) == facts_of([image])
    assert [zstd_packed(layer) for layer in IMAGE.layers] == [
        stored.blob(layer.digest) for layer in image.layers
    ]
    assert (OCI_MANIFEST, [OCI_LAYER_ZSTD] * 2) == (image.manifest_type, layer_types(image))
    assert image.manifest_digest == importer.client.manifest_digest("a/b", "1")


def test_an_oci_manifest_with_zstd_keeps_its_digest(importer: Importer, stored: Storage) -> None:
    (image,) = importer.put(LAYOUT).bundle.images
    manifest = manifest_of(IMAGE, ZSTD)
    assert manifest == stored.blob(image.manifest_digest)


@pytest.mark.parametrize("bundle", BUNDLES)
def test_zstd_is_turned_into_gzip_when_asked(
    importer: Importer, stored: Storage, bundle: bytes
) -> None:
    importer.options = RECOMPRESS
    (image,) = importer.put(bundle).bundle.images
    assert facts_wanted([IMAGE]) == facts_of([image])
    assert IMAGE.layers == unpacked(stored, image)
    assert [digest_of(zstd_packed(layer)) for layer in IMAGE.layers] == [
        layer.source_digest for layer in image.layers
    ]
    assert (DOCKER_MANIFEST, [DOCKER_LAYER_GZIP] * 2) == (image.manifest_type, layer_types(image))
    assert image.manifest_digest == importer.client.manifest_digest("a/b", "1")


def test_layers_turned_into_gzip_are_those_of_the_plain_bundle(importer: Importer) -> None:
    """So what another bundle brought is the same blob."""
    (plain,) = importer.put(docker_archive([IMAGE])).bundle.images
    importer.options = RECOMPRESS
    (turned,) = importer.put(ARCHIVE).bundle.images
    assert plain.manifest_digest == turned.manifest_digest


@pytest.mark.parametrize("recompress", [False, True])
def test_a_second_import_in_the_same_way_sends_nothing(
    importer: Importer, recompress: bool
) -> None:
    importer.options = IngestOptions(recompress=recompress)
    first, second = (importer.put(ARCHIVE) for _ in range(2))
    assert (0, 2) == (second.sent_layers, second.kept_layers)
    assert first.bundle == second.bundle


@pytest.mark.parametrize("recompress", [False, True])
def test_what_was_imported_in_one_way_can_be_imported_in_the_other(
    importer: Importer, recompress: bool
) -> None:
    """What every engine reads keeps the name, once it has it."""
    images, gzip = [], ""
    for way in (recompress, not recompress):
        importer.options = IngestOptions(recompress=way)
        images.append(importer.put(ARCHIVE).bundle.images[0])
        gzip = images[-1].manifest_digest if way else gzip
        named = gzip or images[-1].manifest_digest
        assert named == importer.client.manifest_digest("a/b", "1")
    assert [OCI_MANIFEST, DOCKER_MANIFEST] == sorted(
        (image.manifest_type for image in images), reverse=True
    )


def test_only_zstd_is_turned_into_gzip(importer: Importer, stored: Storage) -> None:
    """Gzip that is there already is not packed again."""
    importer.options = RECOMPRESS
    (image,) = importer.put(archive_packed_by(packed, zstd_packed)).bundle.images
    assert packed(IMAGE.layers[0]) == stored.blob(image.layers[0].digest)
    assert IMAGE.layers == unpacked(stored, image)
    assert DOCKER_MANIFEST == image.manifest_type


@pytest.mark.parametrize("pack_first", [bytes, packed])
def test_gzip_and_zstd_in_one_image(importer: Importer, pack_first: Pack) -> None:
    (image,) = importer.put(archive_packed_by(pack_first, zstd_packed)).bundle.images
    assert facts_wanted([IMAGE]) == facts_of([image])
    assert OCI_MANIFEST == image.manifest_type
    assert [DOCKER_LAYER_GZIP, OCI_LAYER_ZSTD] == layer_types(image)


def test_platforms_with_zstd_turned_into_gzip_get_a_list_of_their_own(importer: Importer) -> None:
    images = two_platforms()
    bundle = tar_bytes(several(images, ZSTD))
    as_it_is = importer.put(bundle).bundle.lists[0]
    importer.options = RECOMPRESS
    turned = importer.put(bundle).bundle
    assert facts_wanted(images) == facts_of(turned.images)
    assert as_it_is.manifest_digest != turned.lists[0].manifest_digest
    assert [image.manifest_digest for image in turned.images] == [
        entry["digest"] for entry in json.loads(turned.lists[0].manifest)["manifests"]
    ]
    assert turned.lists[0].manifest_digest == importer.client.manifest_digest("site/both", "1")


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_every_level_gives_gzip_of_one_member_and_the_same_image(
    importer: Importer, stored: Storage, level: int
) -> None:
    images = sample_images()
    importer.options = replace(importer.options, level=level)
    done = importer.put(docker_archive(images))
    assert facts_wanted(images) == facts_of(done.bundle.images)
    for spec, image in zip(images, done.bundle.images, strict=True):
        for layer, known in zip(spec.layers, image.layers, strict=True):
            unpacker = zlib.decompressobj(31)
            assert layer == unpacker.decompress(stored.blob(known.digest))
            assert (True, b"") == (unpacker.eof, unpacker.unused_data)
