"""One name for several platforms: the list and all that it names, as the registry holds it."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from core.bundle.discovery import bundle_file
from core.bundle.listing import list_bundle
from core.bundle.model import Bundle
from core.bundle.reference import parse_reference
from core.registry.imports.publish import lacks_of_names, lacks_of_stage, publish
from tests.support.archives import ImageSpec, digest_of, docker_archive, layer_tar
from tests.support.importing import Importer
from tests.support.layouts import OCI_INDEX, OCI_MANIFEST, tar_bytes
from tests.support.oci import (
    DOCKER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    GZIP,
    PLAIN,
    ZSTD,
    Kinds,
    Layout,
    full_name,
    manifest_of,
    on_platform,
)
from tests.support.platforms import NAME, index_of, several, two_platforms
from tests.support.reading import facts_of, facts_wanted
from tests.support.stored import Storage
from tests.support.waiting import HANG_S

IMAGES = two_platforms()
KEPT = [
    pytest.param(GZIP, id="oci"),
    pytest.param(ZSTD, id="zstd"),
    pytest.param(DOCKER, id="docker"),
]
ALL_KINDS = [*KEPT, pytest.param(PLAIN, id="plain")]


def children(bundle: Bundle) -> list[str]:
    """Return the digests that the bundle's only list names."""
    (several_platforms,) = bundle.lists
    entries = json.loads(several_platforms.manifest)["manifests"]
    return [entry["digest"] for entry in entries]


def program(*command: str) -> bytes:
    done = subprocess.run(command, capture_output=True, timeout=HANG_S, check=False)
    assert (0, b"") == (done.returncode, done.stderr)
    return done.stdout


def in_registry(importer: Importer, tag: str = "1") -> Mapping[str, object]:
    return importer.client.manifest("site/both", tag)


@pytest.mark.parametrize("kinds", ALL_KINDS)
def test_the_tag_is_the_list_and_the_list_names_all_platforms(
    importer: Importer, stored: Storage, kinds: Kinds
) -> None:
    bundle = importer.put(tar_bytes(several(IMAGES, kinds))).bundle
    assert facts_wanted(IMAGES) == facts_of(bundle.images)
    assert ["site/both:1"] == stored.tags()
    tag = importer.client.manifest_digest("site/both", "1")
    assert bundle.lists[0].manifest_digest == tag
    assert [image.manifest_digest for image in bundle.images] == children(bundle)
    for spec, image in zip(IMAGES, bundle.images, strict=True):
        assert image.manifest_digest == importer.client.manifest_digest(
            "site/both", image.manifest_digest
        )
        assert spec.config == stored.blob(image.image_id)
    assert [] == list(lacks_of_names(bundle, importer.client))
    assert [] == list(lacks_of_stage(bundle, importer.client))


@pytest.mark.parametrize("kinds", KEPT)
def test_a_list_whose_images_are_unchanged_keeps_its_digest(
    importer: Importer, stored: Storage, kinds: Kinds
) -> None:
    (found,) = importer.put(tar_bytes(several(IMAGES, kinds))).bundle.lists
    assert index_of(IMAGES, kinds) == stored.blob(found.manifest_digest)
    for image in IMAGES:
        manifest = manifest_of(image, kinds)
        assert manifest == stored.blob(digest_of(manifest))


def test_a_list_of_images_whose_layers_were_packed_is_written_anew(importer: Importer) -> None:
    bundle = importer.put(tar_bytes(several(IMAGES, PLAIN))).bundle
    found = in_registry(importer)
    assert DOCKER_LIST == found["mediaType"]
    assert [
        (DOCKER_MANIFEST, image.manifest_digest, len(image.manifest), on_platform(spec.platform))
        for spec, image in zip(IMAGES, bundle.images, strict=True)
    ] == [
        (entry["mediaType"], entry["digest"], entry["size"], {"platform": entry["platform"]})
        for entry in json.loads(bundle.lists[0].manifest)["manifests"]
    ]


def test_a_list_of_docker_s_and_oci_s_manifests_is_oci_s(importer: Importer) -> None:
    layout = Layout()
    entries = [
        {**layout.image(image, kinds=kinds), **on_platform(image.platform)}
        for image, kinds in zip(IMAGES, (PLAIN, GZIP), strict=True)
    ]
    importer.put(layout.tar({**layout.index(*entries), **full_name(NAME)}))
    found = in_registry(importer)
    assert OCI_INDEX == found["mediaType"]
    assert [DOCKER_MANIFEST, OCI_MANIFEST] == [
        entry["mediaType"]
        for entry in found["manifests"]  # type: ignore[attr-defined]
    ]


def test_a_platform_that_is_not_in_the_bundle_is_not_in_the_list(importer: Importer) -> None:
    """A list that named what nobody has would be refused by the registry."""
    absent = ImageSpec([NAME], [layer_tar(9)], "linux/s390x")
    bundle = importer.put(tar_bytes(several(IMAGES, GZIP, absent=[absent]))).bundle
    assert [digest_of(manifest_of(image, GZIP)) for image in IMAGES] == children(bundle)
    assert any("linux/s390x" in note for note in bundle.remarks)
    assert bundle.lists[0].manifest_digest == importer.client.manifest_digest("site/both", "1")


def test_of_one_platform_alone_no_list_is_made(importer: Importer) -> None:
    bundle = importer.put(tar_bytes(several(IMAGES[:1], GZIP, absent=IMAGES[1:]))).bundle
    assert () == bundle.lists
    assert bundle.images[0].manifest_digest == importer.client.manifest_digest("site/both", "1")
    assert OCI_MANIFEST == in_registry(importer)["mediaType"]


def test_several_names_for_one_list(importer: Importer, stored: Storage) -> None:
    layout = Layout()
    entries = [{**layout.image(image), **on_platform(image.platform)} for image in IMAGES]
    tops = [{**layout.index(*entries), **full_name(name)} for name in (NAME, "quay.io/site/both:2")]
    bundle = importer.put(layout.tar(*tops)).bundle
    assert ["site/both:1", "site/both:2"] == stored.tags()
    assert 1 == len(bundle.lists)
    assert in_registry(importer, "1") == in_registry(importer, "2")


def test_a_name_moves_from_one_platform_to_a_list_and_stays(importer: Importer) -> None:
    """The image that the list holds is no reason to take the others' name away."""
    alone = docker_archive([IMAGES[0]])
    together = tar_bytes(several(IMAGES, GZIP))
    first = importer.put(alone).bundle.images[0].manifest_digest
    assert first == importer.client.manifest_digest("site/both", "1")
    listed = importer.put(together).bundle.lists[0].manifest_digest
    for _ in range(2):
        assert listed == importer.client.manifest_digest("site/both", "1")
        importer.put(alone)


@pytest.mark.parametrize("number", [0, 1])
def test_a_lost_manifest_of_one_platform_is_found_and_put_again(
    importer: Importer, stored: Storage, number: int
) -> None:
    bundle = importer.put(tar_bytes(several(IMAGES, GZIP))).bundle
    lost = bundle.images[number]
    stored.lose_blob(lost.manifest_digest)
    assert [("site/both:1", f"manifest for {lost.platform}")] == [
        (lack.name, lack.what) for lack in lacks_of_names(bundle, importer.client)
    ]
    assert 0 == publish(bundle, importer.client, threading.Event())
    assert [] == list(lacks_of_names(bundle, importer.client))


def test_a_lost_list_is_found_and_put_again(importer: Importer, stored: Storage) -> None:
    bundle = importer.put(tar_bytes(several(IMAGES, GZIP))).bundle
    stored.lose_blob(bundle.lists[0].manifest_digest)
    assert [("site/both:1", "tag")] == [
        (lack.name, lack.what) for lack in lacks_of_names(bundle, importer.client)
    ]
    assert 1 == publish(bundle, importer.client, threading.Event())
    assert [] == list(lacks_of_names(bundle, importer.client))


def test_publishing_again_puts_nothing(importer: Importer) -> None:
    bundle = importer.put(tar_bytes(several(IMAGES, GZIP))).bundle
    assert 0 == publish(bundle, importer.client, threading.Event())


def test_another_name_for_a_list(importer: Importer, stored: Storage) -> None:
    bundle = importer.ingest(tar_bytes(several(IMAGES, GZIP))).bundle
    publish(bundle.named(parse_reference("other:7")), importer.client, threading.Event())
    assert ["other:7"] == stored.tags()
    assert bundle.lists[0].manifest_digest == importer.client.manifest_digest("other", "7")


def test_listing_tells_the_same_images_as_importing(importer: Importer) -> None:
    path = importer.written(tar_bytes(several(IMAGES, GZIP)))
    listed, imported = list_bundle(bundle_file(path)), importer.put(path).bundle
    assert facts_of(listed.images) == facts_of(imported.images)
    assert [several_platforms.references for several_platforms in listed.lists] == [
        several_platforms.references for several_platforms in imported.lists
    ]
    assert replace(listed, images=(), lists=(), imported=True) == replace(
        imported, images=(), lists=()
    )


@pytest.mark.usefixtures("skopeo")
@pytest.mark.parametrize("kinds", ALL_KINDS)
def test_skopeo_reads_the_list_and_copies_all_platforms(
    importer: Importer, tmp_path: Path, kinds: Kinds
) -> None:
    bundle = importer.put(tar_bytes(several(IMAGES, kinds))).bundle
    name = f"docker://{importer.client.address}/site/both:1"
    raw = program("skopeo", "inspect", "--raw", "--tls-verify=false", name)
    assert bundle.lists[0].manifest.encode() == raw
    copied = tmp_path / "copied"
    program("skopeo", "copy", "-q", "--all", "--src-tls-verify=false", name, f"dir:{copied}")
    layers = {layer.digest for image in bundle.images for layer in image.layers}
    wanted = layers | {image.image_id for image in bundle.images}
    assert wanted <= {f"sha256:{path.name}" for path in copied.iterdir()}


@pytest.mark.usefixtures("docker_program")
@pytest.mark.parametrize("kinds", ALL_KINDS)
def test_docker_reads_the_list(importer: Importer, kinds: Kinds) -> None:
    bundle = importer.put(tar_bytes(several(IMAGES, kinds))).bundle
    name = f"{importer.client.address}/site/both:1"
    found = json.loads(program("docker", "manifest", "inspect", "--insecure", name))
    assert children(bundle) == [entry["digest"] for entry in found["manifests"]]
    assert [on_platform(image.platform) for image in IMAGES] == [
        {"platform": entry["platform"]} for entry in found["manifests"]
    ]
