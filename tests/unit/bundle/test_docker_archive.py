"""Docker-archives whose `manifest.json` says what cannot be, or what is not there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.bundle import docker_archive as docker_archive_module
from core.errors import BundleCorrupt, BundleError, UnsafeBundle
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.layouts import Entry, as_json, crane_entries, entries_of, tar_bytes
from tests.support.reading import facts_of, facts_wanted, images_in

EMPTY_LAYER = bytes(1024)
BASE = layer_tar(1, 5000)
NODE = ImageSpec(["quay.io/calico/node:v3.20.0"], [BASE, layer_tar(2, 3000)])
PAUSE = ImageSpec(["k8s.gcr.io/pause:3.5", "k8s.gcr.io/pause:latest"], [layer_tar(3, 2000)])
NGINX = ImageSpec(["nginx:1.21"], [BASE, EMPTY_LAYER, layer_tar(4, 3000), EMPTY_LAYER])
IMAGES = [NODE, PAUSE, NGINX]


def changed(data: bytes, name: str, content: bytes | None) -> bytes:
    """Return an archive with one member's content replaced, or without it."""
    entries = [entry for entry in entries_of(data) if entry.name != name or content is not None]
    return tar_bytes(
        replace(entry, data=content) if entry.name == name and content is not None else entry
        for entry in entries
    )


def minimal(listing: object, *more: Entry) -> bytes:
    return tar_bytes([*more, Entry("manifest.json", as_json(listing))])


def config_entry(image: ImageSpec) -> Entry:
    return Entry("config.json", image.config)


@pytest.mark.parametrize("tags", [None, []])
def test_images_without_a_name(tags: list[str] | None) -> None:
    listing = [{"Config": "config.json", "RepoTags": tags, "Layers": ["l"]}]
    data = minimal(listing, config_entry(PAUSE), Entry("l", PAUSE.layers[0]))
    assert [((), PAUSE.image_id)] == [facts[:2] for facts in facts_of(images_in(data))]


def test_an_entry_without_repo_tags() -> None:
    listing = [{"Config": "config.json", "Layers": ["l"]}]
    data = minimal(listing, config_entry(PAUSE), Entry("l", PAUSE.layers[0]))
    assert [()] == [image.references for image in images_in(data)]


def test_an_image_that_is_named_by_digest_alone_has_no_name() -> None:
    digest = "sha256:" + "0" * 64
    tags = [f"a.b/c@{digest}", f"a.b/d:1@{digest}"]
    listing = [{"Config": "config.json", "RepoTags": tags, "Layers": []}]
    found = images_in(minimal(listing, config_entry(ImageSpec([], []))))
    assert [("a.b/d:1",)] == [names for names, _, _ in facts_of(found)]


def test_a_name_in_two_spellings_is_one() -> None:
    image = ImageSpec(["alpine:3", "docker.io/library/alpine:3", "docker.io/alpine:3"], [])
    found = images_in(tar_bytes(crane_entries([image])))
    assert [("alpine:3",)] == [names for names, _, _ in facts_of(found)]


@pytest.mark.parametrize("layers", [None, []])
def test_images_without_layers(layers: list[str] | None) -> None:
    """Go writes a list that was never filled as null."""
    empty = ImageSpec(["empty:1"], [])
    listing = [{"Config": "config.json", "RepoTags": ["empty:1"], "Layers": layers}]
    assert facts_wanted([empty]) == facts_of(images_in(minimal(listing, config_entry(empty))))


def test_a_name_that_no_engine_takes_is_told_with_its_bundle() -> None:
    listing = [{"Config": "config.json", "RepoTags": ["Bad/../Name:1"], "Layers": []}]
    with pytest.raises(UnsafeBundle, match=r"b\.tar: 'Bad/\.\./Name:1' is not an image name"):
        images_in(minimal(listing))


def test_a_missing_layer_is_named() -> None:
    data = docker_archive(IMAGES)
    name = next(e.name for e in entries_of(data) if e.data == NODE.layers[1])
    with pytest.raises(BundleCorrupt, match=f"the layer '{name}' is named but not in the archive"):
        images_in(changed(data, name, None))


def test_a_missing_config_is_named() -> None:
    name = PAUSE.image_id.removeprefix("sha256:") + ".json"
    with pytest.raises(BundleCorrupt, match=f"'{name}' is named but not in the archive"):
        images_in(changed(docker_archive(IMAGES), name, None))


@pytest.mark.parametrize("name_of", ["{}.json", "sha256:{}", "{}", "blobs/sha256/{}"])
def test_a_config_that_is_not_what_its_name_says(name_of: str) -> None:
    """One flipped bit in a config would be another image, and nothing else would tell."""
    name = name_of.format(PAUSE.image_id.removeprefix("sha256:"))
    damaged = PAUSE.config.replace(b"linux", b"mimux")
    listing = [{"Config": name, "RepoTags": PAUSE.tags, "Layers": ["l"]}]
    data = minimal(listing, Entry(name, damaged), Entry("l", PAUSE.layers[0]))
    with pytest.raises(
        BundleCorrupt, match=r"image k8s\.gcr\.io/pause:3\.5: its config is damaged"
    ):
        images_in(data)


@pytest.mark.parametrize(
    "listing",
    [
        {},
        [],
        [1],
        [{}],
        [None],
        [{"Config": "config.json"}],
        [{"Config": 1, "Layers": []}],
        [{"Config": "config.json", "Layers": "l"}],
        [{"Config": "config.json", "Layers": [1]}],
        [{"Config": "config.json", "Layers": [], "RepoTags": "a:1"}],
        [{"Config": "config.json", "Layers": [], "RepoTags": [5]}],
        [{"Config": "config.json", "Layers": [], "RepoTags": [None]}],
        [{"Config": "config.json", "Layers": [], "RepoTags": ["\ud800"]}],
        [{"Config": "\ud800", "Layers": []}],
        [{"Config": "config.json", "Layers": ["\ud800"]}],
        [{"Config": "", "Layers": []}],
        [{"Config": "/etc/passwd", "Layers": []}],
    ],
)
def test_listings_that_say_nothing(listing: object) -> None:
    with pytest.raises(BundleError):
        images_in(minimal(listing, Entry("config.json", ImageSpec([], []).config)))


def test_endless_listings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_archive_module, "MAX_IMAGES", 500)
    with pytest.raises(UnsafeBundle, match="more than 500 images"):
        images_in(minimal([{"Config": "config.json", "Layers": []}] * 501))
