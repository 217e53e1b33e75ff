"""Docker-archives whose `manifest.json` says what cannot be, or what is not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from core.bundle import docker_archive as docker_archive_module
from core.bundle.left_out import Why
from core.errors import BundleCorrupt, BundleError, NotABundle, UnsafeBundle
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.layouts import Entry, as_json, crane_entries, entries_of, tar_bytes
from tests.support.reading import contents_in, facts_of, facts_wanted, images_in, names_in

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


@pytest.mark.parametrize("name", ["Bad/../Name:1", "registry.example:5000/Case/Upper:v1", "\ud800"])
@pytest.mark.parametrize("good", [[], ["a.b/c:1"]])
def test_a_name_that_no_engine_takes_costs_no_other(name: str, good: list[str]) -> None:
    listing = [{"Config": "config.json", "RepoTags": [name, *good], "Layers": []}]
    found = contents_in(minimal(listing, config_entry(ImageSpec([], []))))
    assert [tuple(good)] == names_in(found)
    assert [Why.BAD_NAME] == [one.why for one in found.left_out]


def test_a_missing_layer_is_named() -> None:
    data = docker_archive(IMAGES)
    name = next(e.name for e in entries_of(data) if e.data == NODE.layers[1])
    with pytest.raises(BundleCorrupt, match=f"the layer '{name}' is named but not in the archive"):
        images_in(changed(data, name, None))


def test_a_missing_config_is_named() -> None:
    name = PAUSE.image_id.removeprefix("sha256:") + ".json"
    with pytest.raises(BundleCorrupt, match=f"'{name}' is named but not in the archive"):
        images_in(changed(docker_archive(IMAGES), name, None))


NAMES_OF_CONFIGS = ["{}.json", "sha256:{}", "{}", "blobs/sha256/{}"]


@pytest.mark.parametrize("name_of", NAMES_OF_CONFIGS)
def test_a_config_with_a_flipped_bit(name_of: str) -> None:
    """It would be another image, and nothing but the name would tell."""
    name = name_of.format(PAUSE.image_id.removeprefix("sha256:"))
    damaged = PAUSE.config.replace(b"linux", b"minux")
    listing = [{"Config": name, "RepoTags": PAUSE.tags, "Layers": ["l"]}]
    data = minimal(listing, Entry(name, damaged), Entry("l", PAUSE.layers[0]))
    with pytest.raises(
        BundleCorrupt, match=r"image k8s\.gcr\.io/pause:3\.5: its config is damaged"
    ):
        images_in(data)


def renamed(name: str) -> bytes:
    listing = [{"Config": name, "RepoTags": PAUSE.tags, "Layers": ["l"]}]
    return minimal(listing, Entry(name, PAUSE.config), Entry("l", PAUSE.layers[0]))


@pytest.mark.parametrize("name_of", NAMES_OF_CONFIGS[:-1])
def test_a_config_under_another_s_name_is_taken_by_its_content_and_noted(name_of: str) -> None:
    """As docker load takes it: tools write configs anew and keep the name."""
    found = contents_in(renamed(name_of.format("0" * 64)))
    assert facts_wanted([PAUSE]) == facts_of(found.images)
    (note,) = found.notes
    assert "its config is not what its file name says" in note


def test_a_config_is_what_the_name_of_its_blob_says() -> None:
    with pytest.raises(BundleCorrupt, match="its config is damaged"):
        images_in(renamed("blobs/sha256/" + "0" * 64))


@pytest.mark.parametrize("keys", [str.lower, str.upper, lambda key: key[0].lower() + key[1:]])
def test_keys_in_any_case(keys: Callable[[str], str]) -> None:
    """As Go reads them; old versions of jib wrote them in lower case."""
    entry = {"Config": "c", "RepoTags": PAUSE.tags, "Layers": ["l"]}
    config = json.loads(PAUSE.config)
    rootfs = {keys(key): value for key, value in config.pop("rootfs").items()}
    text = as_json({keys(key): value for key, value in {**config, "rootfs": rootfs}.items()})
    listing = [{keys(key): value for key, value in entry.items()}]
    (found,) = images_in(minimal(listing, Entry("c", text), Entry("l", PAUSE.layers[0])))
    assert (PAUSE.tags, "linux/amd64") == (
        [name.familiar for name in found.references],
        found.platform,
    )


def test_a_key_in_its_own_case_counts_most() -> None:
    listing = [{"config": "x", "Config": "config.json", "Layers": []}]
    assert 1 == len(images_in(minimal(listing, config_entry(ImageSpec([], [])))))


@pytest.mark.parametrize(
    "name", ["<none>:<none>", "<none>", "<none>@<none>", "<missing>:<none>", PAUSE.image_id, ""]
)
def test_what_stands_for_no_name_is_none(name: str) -> None:
    listing = [{"Config": "c", "RepoTags": [name], "Layers": ["l"]}]
    found = contents_in(minimal(listing, Entry("c", PAUSE.config), Entry("l", PAUSE.layers[0])))
    assert ([()], ()) == (names_in(found), found.left_out)


@pytest.mark.parametrize(
    ("tag", "made"), [("i-was-a-digest", "i-was-a-digest"), ("<none>", "image")]
)
def test_tags_that_say_nothing_do_not_fight(tag: str, made: str) -> None:
    images = [replace(image, tags=[f"a.b/c:{tag}"]) for image in (NODE, PAUSE)]
    found = contents_in(tar_bytes(crane_entries(images)))
    assert [(f"a.b/c:{made}-{image.image_id[7:19]}",) for image in images] == names_in(found)
    assert () == found.left_out


def test_the_last_of_two_images_with_one_name_has_it() -> None:
    images = [replace(NODE, tags=["a:1", "a:2"]), replace(PAUSE, tags=["a:1"])]
    found = contents_in(tar_bytes(crane_entries(images)))
    assert [("a:2",), ("a:1",)] == names_in(found)
    assert [(Why.NAME_TAKEN, f"a:1 of {NODE.image_id}")] == [
        (one.why, one.what) for one in found.left_out
    ]


def test_an_image_that_loses_its_only_name_is_left_out() -> None:
    images = [replace(image, tags=["a:1"]) for image in (NODE, PAUSE)]
    found = contents_in(tar_bytes(crane_entries(images)))
    assert [PAUSE.image_id] == [image.image_id for image in found.images]


@pytest.mark.parametrize(("text", "said"), [(b"null", "says null"), (b"[]", "lists no image")])
def test_a_listing_of_nothing(text: bytes, said: str) -> None:
    with pytest.raises(NotABundle, match=f"its manifest.json {said}"):
        images_in(tar_bytes([Entry("manifest.json", text)]))


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
