"""Damaged bundles imported all the same, as far as they are whole (`--keep-going`)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pytest

from core.errors import BundleCorrupt, BundleError, BundleTruncated, NotABundle
from core.registry.imports.import_pass import Ingested, IngestOptions
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.importing import Importer
from tests.support.layouts import Entry, blob_name, crane_entries, entries_of, packed, tar_bytes
from tests.support.oci import GZIP, PLAIN
from tests.support.platforms import NAME, several, two_platforms
from tests.support.reading import facts_of, facts_wanted
from tests.support.stored import Storage

BASE = layer_tar(1, 300_000)
FIRST = ImageSpec(["quay.io/a/first:1"], [BASE, layer_tar(2, 4000)])
SECOND = ImageSpec(["quay.io/a/second:1"], [BASE, layer_tar(3, 2_500_000)])
THIRD = ImageSpec(["quay.io/a/third:1"], [layer_tar(4, 5000)])
IMAGES = [FIRST, SECOND, THIRD]


@pytest.fixture
def importer(importer: Importer) -> Importer:
    importer.options = IngestOptions(keep_going=True)
    return importer


def with_damage(entries: Iterable[Entry], layer: bytes) -> list[Entry]:
    """Return the members of an archive with one byte of a layer changed."""

    def damaged(data: bytes) -> bytes:
        at = len(data) - 6
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    return [
        Entry(entry.name, damaged(entry.data)) if entry.data in (layer, packed(layer)) else entry
        for entry in entries
    ]


def manifest_first(archive: bytes) -> list[Entry]:
    """Return the members of a docker-archive as some writers order them."""
    return sorted(entries_of(archive), key=lambda entry: entry.name != "manifest.json")


def taken(done: Ingested) -> list[str]:
    """Return the names of the images that were imported."""
    return [image.title for image in done.bundle.images]


def kinds(done: Ingested) -> list[type[BundleError]]:
    return [type(problem) for problem in done.problems]


def test_of_a_whole_bundle_everything_is_imported(importer: Importer) -> None:
    done = importer.put(docker_archive(IMAGES))
    assert facts_wanted(IMAGES) == facts_of(done.bundle.images)
    assert (True, ()) == (done.bundle.imported, done.problems)


@pytest.mark.parametrize("damaged", IMAGES)
def test_whole_images_are_named_and_the_others_told(
    importer: Importer, stored: Storage, damaged: ImageSpec
) -> None:
    data = tar_bytes(with_damage(entries_of(docker_archive(IMAGES)), damaged.layers[-1]))
    done = importer.put(data)
    whole = [image for image in IMAGES if image is not damaged]
    assert facts_wanted(whole) == facts_of(done.bundle.images)
    assert sorted(tag.removeprefix("quay.io/") for it in whole for tag in it.tags) == stored.tags()
    assert [BundleCorrupt] == kinds(done)
    assert f"image {damaged.tags[0]}: layer " in done.problems[0].what
    assert (False, []) == (done.bundle.imported, stored.upload_data())


def test_a_layer_whose_gzip_is_damaged_costs_only_its_images(
    importer: Importer, stored: Storage
) -> None:
    """What stands behind it in the archive is read: the manifest, for one."""
    done = importer.put(tar_bytes(with_damage(crane_entries(IMAGES), FIRST.layers[1])))
    assert facts_wanted([SECOND, THIRD]) == facts_of(done.bundle.images)
    assert ["a/second:1", "a/third:1"] == stored.tags()
    assert any(FIRST.tags[0] in problem.what for problem in done.problems)
    assert any("is damaged" in problem.what for problem in done.problems)
    assert (False, []) == (done.bundle.imported, stored.upload_data())


def test_a_layer_that_is_missing_costs_only_its_image(importer: Importer, stored: Storage) -> None:
    entries = entries_of(docker_archive(IMAGES))
    done = importer.put(tar_bytes(e for e in entries if e.data != SECOND.layers[1]))
    assert facts_wanted([FIRST, THIRD]) == facts_of(done.bundle.images)
    assert ["a/first:1", "a/third:1"] == stored.tags()
    assert "is named but not in the archive" in done.problems[0].what


def test_of_a_cut_bundle_what_came_before_is_imported(importer: Importer, stored: Storage) -> None:
    """The upload of the layer in which it ends is given up."""
    data = tar_bytes(manifest_first(docker_archive([FIRST, THIRD, SECOND])))
    cut = data[: data.index(SECOND.layers[1][:2000]) + 2_000_000]
    done = importer.put(cut)
    assert facts_wanted([FIRST, THIRD]) == facts_of(done.bundle.images)
    assert ["a/first:1", "a/third:1"] == stored.tags()
    assert BundleTruncated is kinds(done)[0]
    assert SECOND.tags[0] in done.problems[-1].what
    assert (False, []) == (done.bundle.imported, stored.upload_data())


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_cut_bundle_whose_manifest_would_come_last_is_told_to_be_cut(
    importer: Importer, stored: Storage, share: float
) -> None:
    """As engines write it: nothing can be known of it, but it is a bundle."""
    data = docker_archive(IMAGES)
    with pytest.raises(BundleTruncated, match="ends in the middle"):
        importer.put(data[: int(len(data) * share)])
    assert ([], []) == (stored.tags(), stored.upload_data())


def test_what_is_no_bundle_is_none_all_the_same(importer: Importer) -> None:
    with pytest.raises(NotABundle):
        importer.put(tar_bytes([Entry("l", BASE)]))


def test_when_no_image_is_whole_nothing_is_named(importer: Importer, stored: Storage) -> None:
    done = importer.put(tar_bytes(with_damage(entries_of(docker_archive([THIRD])), *THIRD.layers)))
    assert ([], [BundleCorrupt]) == (taken(done), kinds(done))
    assert ([], False) == (stored.tags(), done.bundle.imported)


def test_a_checksum_that_does_not_fit_is_told(importer: Importer, stored: Storage) -> None:
    """Each image has digests of its own, which say that it is whole."""
    path = importer.written(docker_archive(IMAGES))
    path.with_name("b.tar.sha256").write_text(hashlib.sha256(b"other").hexdigest())
    done = importer.put(path)
    assert facts_wanted(IMAGES) == facts_of(done.bundle.images)
    assert [BundleCorrupt] == kinds(done)
    assert ("checksum" in done.problems[0].what, False) == (True, done.bundle.imported)
    assert ["a/first:1", "a/second:1", "a/third:1"] == stored.tags()


def test_a_damaged_platform_is_not_in_the_list(importer: Importer) -> None:
    third = ImageSpec([NAME], [layer_tar(8, 4000)], "linux/s390x")
    images = [*two_platforms(), third]
    entries = with_damage(several(images, PLAIN), images[1].layers[1])
    done = importer.put(tar_bytes(entries))
    assert facts_wanted([images[0], third]) == facts_of(done.bundle.images)
    assert [BundleCorrupt] == kinds(done)
    (found,) = done.bundle.lists
    assert found.manifest_digest == importer.client.manifest_digest("site/both", "1")


def test_when_one_platform_is_left_the_tag_is_its_manifest(importer: Importer) -> None:
    images = two_platforms()
    lost = blob_name(packed(images[1].layers[1]))
    done = importer.put(tar_bytes(e for e in several(images, GZIP) if e.name != lost))
    assert facts_wanted(images[:1]) == facts_of(done.bundle.images)
    digest = done.bundle.images[0].manifest_digest
    assert digest == importer.client.manifest_digest("site/both", "1")


def test_the_mended_bundle_brings_what_was_missing(importer: Importer, stored: Storage) -> None:
    data = docker_archive(IMAGES)
    importer.put(tar_bytes(with_damage(entries_of(data), SECOND.layers[1])))
    done = importer.put(data)
    assert facts_wanted(IMAGES) == facts_of(done.bundle.images)
    assert (True, ()) == (done.bundle.imported, done.problems)
    assert ["a/first:1", "a/second:1", "a/third:1"] == stored.tags()
