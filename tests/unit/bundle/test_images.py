"""One image out of config and layers: compared with each other, and its manifest written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.bundle import images as images_module
from core.bundle.model import DOCKER_MANIFEST, OCI_LAYER_ZSTD, OCI_MANIFEST, Image, sha256_digest
from core.errors import BundleCorrupt
from tests.support.archives import ImageSpec, digest_of, docker_archive, layer_tar
from tests.support.layouts import OCI_LAYER, Entry, as_json, descriptor, entries_of, tar_bytes
from tests.support.oci import (
    DOCKER,
    GZIP,
    PLAIN,
    PLAIN_SAID_TO_BE_GZIP,
    ZSTD,
    Kinds,
    Layout,
    manifest_of,
    zstd_packed,
)
from tests.support.reading import contents_in, images_in

BASE = layer_tar(1, 5000)
NODE = ImageSpec(["quay.io/calico/node:v3.20.0"], [BASE, layer_tar(2, 3000)])
NGINX = ImageSpec(["nginx:1.21"], [BASE, bytes(1024), layer_tar(4, 3000), bytes(1024)])


def of_config(config: Any) -> bytes:  # noqa: ANN401 - anything that JSON can say
    listing: list[dict[str, object]] = [{"Config": "config.json", "RepoTags": None, "Layers": []}]
    config_entry = Entry("config.json", as_json(config))
    return tar_bytes([config_entry, Entry("manifest.json", as_json(listing))])


def stored_image(image: ImageSpec, kinds: Kinds) -> Image:
    """Return the image of an OCI layout after an import."""
    layout = Layout()
    return contents_in(layout.tar(layout.image(image, kinds)), stored=True).images[0]


def test_platform_and_sizes() -> None:
    image = images_in(docker_archive([NODE]))[0]
    assert ("linux/amd64", len(NODE.config)) == (image.platform, image.config_size_bytes)


@pytest.mark.parametrize(
    ("facts", "platform"),
    [
        ({"os": "linux", "architecture": "amd64"}, "linux/amd64"),
        ({"os": "linux", "architecture": "arm64", "variant": "v8"}, "linux/arm64/v8"),
        ({"os": "windows", "architecture": "amd64"}, "windows/amd64"),
        ({}, "linux/amd64"),
        ({"os": "", "architecture": None, "variant": ""}, "linux/amd64"),
        ({"os": "\x1b[2J", "architecture": "amd64"}, "unknown/unknown"),
        ({"os": "linux/x", "architecture": "a/b"}, "unknown/unknown"),
        ({"os": ["linux"]}, "unknown/unknown"),
        ({"os": "o" * 1000}, "unknown/unknown"),
    ],
)
def test_platforms(facts: dict[str, object], platform: str) -> None:
    found = images_in(of_config({**facts, "rootfs": {"diff_ids": []}}))
    assert [platform] == [image.platform for image in found]


def test_a_wrong_layer_is_named() -> None:
    entries = [
        Entry(e.name, layer_tar(99, 3000) if e.data == NGINX.layers[2] else e.data, e.kind, e.link)
        for e in entries_of(docker_archive([NODE, NGINX]))
    ]
    with pytest.raises(
        BundleCorrupt,
        match=rf"b\.tar: image nginx:1\.21: layer 3 of 4 is damaged "
        rf"\(it is {digest_of(layer_tar(99, 3000))}, should be {digest_of(NGINX.layers[2])}\)",
    ):
        images_in(tar_bytes(entries))


@pytest.mark.parametrize("layers", [[], ["l"], ["l"] * 3])
def test_another_number_of_layers_is_told(layers: list[str]) -> None:
    listing = [{"Config": "config.json", "RepoTags": ["a:1"], "Layers": layers}]
    entries = [Entry("config.json", NODE.config), Entry("l", BASE)]
    data = tar_bytes([*entries, Entry("manifest.json", as_json(listing))])
    with pytest.raises(BundleCorrupt, match=f"a:1 has {len(layers)} layers?, its config names 2"):
        images_in(data)


def test_layers_without_measure_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_module, "MAX_LAYERS", 3)
    with pytest.raises(BundleCorrupt, match="diff_ids"):
        images_in(docker_archive([NGINX]))


@pytest.mark.parametrize(
    "config",
    [
        [],
        {},
        {"rootfs": None},
        {"rootfs": []},
        {"rootfs": {"diff_ids": 5}},
        {"rootfs": {"diff_ids": True}},
        {"rootfs": {"diff_ids": "sha256:00"}},
        {"rootfs": {"diff_ids": {"a": 1}}},
        {"rootfs": {"diff_ids": [None]}},
    ],
)
def test_configs_that_say_nothing(config: object) -> None:
    with pytest.raises(BundleCorrupt):
        images_in(of_config(config))


@pytest.mark.parametrize("text", [b"", b"x", b"{", b"[" * 10_000, b'{"a":' * 10_000])
def test_configs_that_are_not_json(text: bytes) -> None:
    listing: list[dict[str, object]] = [{"Config": "config.json", "RepoTags": None, "Layers": []}]
    data = tar_bytes([Entry("config.json", text), Entry("manifest.json", as_json(listing))])
    with pytest.raises(BundleCorrupt, match=r"'config\.json' is"):
        images_in(data)


@pytest.mark.parametrize("kinds", [GZIP, ZSTD, DOCKER])
def test_a_manifest_of_which_nothing_was_changed_is_pushed_as_it_is(kinds: Kinds) -> None:
    found = stored_image(NODE, kinds)
    assert (manifest_of(NODE, kinds), kinds.manifest) == (
        found.manifest.encode(),
        found.manifest_type,
    )
    assert digest_of(manifest_of(NODE, kinds)) == found.manifest_digest


@pytest.mark.parametrize("kinds", [PLAIN, PLAIN_SAID_TO_BE_GZIP])
def test_where_layers_were_compressed_the_manifest_is_a_new_one(kinds: Kinds) -> None:
    found = stored_image(NODE, kinds)
    gzip_digests = [sha256_digest(b"gzip of " + digest_of(x).encode()) for x in NODE.layers]
    manifest = json.loads(found.manifest)
    assert (DOCKER_MANIFEST, DOCKER_MANIFEST) == (found.manifest_type, manifest["mediaType"])
    assert gzip_digests == [layer["digest"] for layer in manifest["layers"]]
    assert (NODE.image_id, len(NODE.config)) == (
        manifest["config"]["digest"],
        manifest["config"]["size"],
    )


def test_docker_archives_get_a_manifest_of_docker() -> None:
    found = contents_in(docker_archive([NODE], gzip_layers=True), stored=True).images[0]
    manifest = json.loads(found.manifest)
    assert DOCKER_MANIFEST == found.manifest_type == manifest["mediaType"]
    assert [layer.digest for layer in found.layers] == [x["digest"] for x in manifest["layers"]]
    assert [layer.size_bytes for layer in found.layers] == [x["size"] for x in manifest["layers"]]


def test_layers_of_zstd_make_it_a_manifest_of_oci() -> None:
    """Docker's schema has no media type for them."""
    entries = [
        Entry(e.name, zstd_packed(e.data) if e.data == NODE.layers[1] else e.data, e.kind, e.link)
        for e in entries_of(docker_archive([NODE]))
    ]
    found = contents_in(tar_bytes(entries), stored=True).images[0]
    manifest = json.loads(found.manifest)
    assert OCI_MANIFEST == found.manifest_type == manifest["mediaType"]
    assert OCI_LAYER_ZSTD == manifest["layers"][1]["mediaType"]


def test_a_bundle_that_was_only_listed_has_no_manifest() -> None:
    assert [""] == [image.manifest for image in images_in(docker_archive([NODE]))]


def test_digest_helpers_agree() -> None:
    assert digest_of(NODE.config) == NODE.image_id
    assert descriptor(BASE, OCI_LAYER)["digest"] == digest_of(BASE)
