"""From members to images: every writer's layout, and documents that say what cannot be."""

from __future__ import annotations

import io
import random
import tarfile
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bundle import Image
from core.bundle import images as images_module
from core.errors import AirferryError, BundleCorrupt, BundleError, NotABundle, UnsafeBundle
from tests.support.archives import ImageSpec, digest_of, docker_archive, layer_tar, tar_of
from tests.support.layouts import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Entry,
    as_json,
    blob_name,
    crane_entries,
    descriptor,
    docker25_entries,
    docker29_entries,
    entries_of,
    layout_entries,
    oci_blobs,
    oci_manifest,
    packed,
    tar_bytes,
)
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


def of_config(config: Any) -> bytes:  # noqa: ANN401 - anything that JSON can say
    listing: list[dict[str, object]] = [{"Config": "config.json", "RepoTags": None, "Layers": []}]
    return minimal(listing, Entry("config.json", as_json(config)))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(docker_archive(IMAGES), id="docker 20.10"),
        pytest.param(docker_archive(IMAGES, gzip_layers=True), id="gzip layers"),
        pytest.param(tar_bytes(crane_entries([NODE, PAUSE])), id="crane"),
        pytest.param(tar_bytes(docker25_entries([NODE, PAUSE])), id="docker 25"),
    ],
)
def test_layouts(data: bytes) -> None:
    found = facts_of(images_in(data))
    assert facts_wanted(IMAGES)[: len(found)] == found
    assert len(found) >= 2


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("seed", range(5))
def test_repacked_by_a_person(tar_format: int, seed: int) -> None:
    entries = [
        replace(entry, name=f"./{entry.name}") for entry in entries_of(docker_archive(IMAGES))
    ]
    random.Random(seed).shuffle(entries)  # noqa: S311 - any order will do
    entries.insert(0, Entry("./", kind=tarfile.DIRTYPE))
    assert facts_wanted(IMAGES) == facts_of(images_in(tar_bytes(entries, tar_format)))


def test_oci_layout_of_a_containerd_store() -> None:
    """Nested index, an attestation, and a platform that the index names but the file lacks."""
    data = tar_bytes(docker29_entries(NODE, "quay.io/calico/node:v3.20.0"))
    assert facts_wanted([NODE]) == facts_of(images_in(data))


@pytest.mark.parametrize("compress", [True, False])
def test_oci_layout_without_names(compress: bool) -> None:
    members = oci_blobs([NODE], compress=compress)
    members["index.json"] = as_json(
        {"manifests": [descriptor(oci_manifest(NODE, compress=compress), OCI_MANIFEST)]}
    )
    found = images_in(tar_bytes(layout_entries(members)))
    assert facts_wanted([ImageSpec([], NODE.layers)]) == facts_of(found)


def test_oci_image_of_two_names_is_there_under_both() -> None:
    members = oci_blobs([NODE], compress=True)
    members["index.json"] = as_json(
        {
            "manifests": [
                descriptor(
                    oci_manifest(NODE, compress=True),
                    OCI_MANIFEST,
                    annotations={"io.containerd.image.name": name},
                )
                for name in ("a.b/c:1", "a.b/c:2")
            ]
        }
    )
    found = images_in(tar_bytes(layout_entries(members)))
    assert [("a.b/c:1",), ("a.b/c:2",)] == [names for names, _, _ in facts_of(found)]


def test_where_both_are_there_the_manifest_of_docker_wins() -> None:
    """Engines of early 25 wrote OCI manifests without layers (moby#47065)."""
    entries = docker25_entries([NODE])
    broken = as_json({"config": descriptor(NODE.config, OCI_CONFIG), "layers": []})
    index = as_json({"manifests": [descriptor(broken, OCI_MANIFEST)]})
    entries = [replace(e, data=index) if e.name == "index.json" else e for e in entries]
    data = tar_bytes([*entries, Entry(blob_name(broken), broken)])
    assert facts_wanted([NODE]) == facts_of(images_in(data))


@pytest.mark.parametrize("tags", [None, []])
def test_images_without_a_name(tags: list[str] | None) -> None:
    listing = [{"Config": "config.json", "RepoTags": tags, "Layers": ["l"]}]
    data = minimal(listing, config_entry(PAUSE), Entry("l", PAUSE.layers[0]))
    assert [((), PAUSE.image_id)] == [facts[:2] for facts in facts_of(images_in(data))]


def test_an_image_that_is_named_by_digest_alone_has_no_name() -> None:
    digest = "sha256:" + "0" * 64
    tags = [f"a.b/c@{digest}", f"a.b/d:1@{digest}"]
    listing = [{"Config": "config.json", "RepoTags": tags, "Layers": []}]
    found = images_in(minimal(listing, config_entry(ImageSpec([], []))))
    assert [("a.b/d:1",)] == [names for names, _, _ in facts_of(found)]


@pytest.mark.parametrize("layers", [None, []])
def test_images_without_layers(layers: list[str] | None) -> None:
    """Go writes a list that was never filled as null."""
    empty = ImageSpec(["empty:1"], [])
    listing = [{"Config": "config.json", "RepoTags": ["empty:1"], "Layers": layers}]
    assert facts_wanted([empty]) == facts_of(images_in(minimal(listing, config_entry(empty))))


def test_oci_image_without_layers() -> None:
    config = as_json({"os": "linux", "architecture": "arm64", "rootfs": {"diff_ids": None}})
    manifest = as_json({"config": descriptor(config, OCI_CONFIG), "layers": None})
    members = {blob_name(config): config, blob_name(manifest): manifest}
    members["index.json"] = as_json({"manifests": [descriptor(manifest, OCI_MANIFEST)]})
    found = images_in(tar_bytes(layout_entries(members)))
    assert [("linux/arm64", ())] == [(image.platform, image.layers) for image in found]


def test_a_wrong_layer_is_named() -> None:
    data = docker_archive(IMAGES)
    name = next(e.name for e in entries_of(data) if e.data == NGINX.layers[2])
    with pytest.raises(BundleCorrupt, match=r"b\.tar: image nginx:1\.21: layer 3 of 4 is damaged"):
        images_in(changed(data, name, layer_tar(99, 3000)))


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


def test_too_few_layers_are_told() -> None:
    listing = [{"Config": "config.json", "RepoTags": ["a:1"], "Layers": []}]
    with pytest.raises(BundleCorrupt, match="image a:1 has 0 layers, its config names 1"):
        images_in(minimal(listing, config_entry(PAUSE)))


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
    with pytest.raises(BundleCorrupt, match=r"'config\.json' is"):
        images_in(minimal(listing, Entry("config.json", text)))


@pytest.mark.parametrize(
    "index",
    [
        {},
        [],
        {"manifests": None},
        {"manifests": [1]},
        {"manifests": [{}]},
        {"manifests": [{"digest": 1}]},
        {"manifests": [descriptor(oci_manifest(NODE, compress=True), "", annotations="x")]},
        {"manifests": [descriptor(oci_manifest(NODE, compress=True), "", annotations=[1])]},
    ],
)
def test_indexes_that_say_nothing(index: object) -> None:
    members = oci_blobs([NODE], compress=True)
    members["index.json"] = as_json(index)
    with pytest.raises(BundleCorrupt):
        images_in(tar_bytes(layout_entries(members)))


@pytest.mark.parametrize(
    "manifest",
    [
        [],
        {},
        {"config": {}, "layers": []},
        {"config": {"digest": 1}, "layers": []},
        {"config": descriptor(NODE.config, OCI_CONFIG), "layers": 5},
        {"config": descriptor(NODE.config, OCI_CONFIG), "layers": ["x"]},
        {"config": descriptor(NODE.config, OCI_CONFIG), "layers": [{}, {}]},
        {"config": descriptor(b"elsewhere", OCI_CONFIG), "layers": []},
        {"config": {"digest": "../../x"}, "layers": []},
    ],
)
def test_oci_manifests_that_say_nothing(manifest: object) -> None:
    text = as_json(manifest)
    members = {**oci_blobs([NODE], compress=True), blob_name(text): text}
    members["index.json"] = as_json({"manifests": [descriptor(text, OCI_MANIFEST)]})
    with pytest.raises(BundleError):
        images_in(tar_bytes(layout_entries(members)))


@pytest.mark.parametrize("victim", ["manifest", "config", "layer"])
def test_oci_blobs_that_are_not_what_their_names_say(victim: str) -> None:
    manifest = oci_manifest(NODE, compress=True)
    name, content = {
        "manifest": (blob_name(manifest), manifest.replace(b"size", b"Size")),
        "config": (blob_name(NODE.config), NODE.config.replace(b"linux", b"mimux")),
        "layer": (blob_name(packed(NODE.layers[0])), packed(layer_tar(98, 5000))),
    }[victim]
    data = changed(tar_bytes(docker29_entries(NODE, "a.b/c:1")), name, content)
    with pytest.raises(BundleCorrupt, match=r"b\.tar"):
        images_in(data)


def test_a_name_for_two_platforms_is_not_guessed_at() -> None:
    members = oci_blobs([NODE, PAUSE], compress=True)
    nested = as_json(
        {
            "manifests": [
                descriptor(oci_manifest(image, compress=True), OCI_MANIFEST)
                for image in (NODE, PAUSE)
            ]
        }
    )
    members[blob_name(nested)] = nested
    outer = descriptor(nested, OCI_INDEX, annotations={"io.containerd.image.name": "a.b/c:1"})
    members["index.json"] = as_json({"manifests": [outer]})
    with pytest.raises(BundleError, match=r"a\.b/c:1 is there for several platforms"):
        images_in(tar_bytes(layout_entries(members)))


def test_indexes_nested_too_deeply() -> None:
    members: dict[str, bytes] = {}
    inner = oci_manifest(NODE, compress=True)
    for _ in range(6):
        members[blob_name(inner)] = inner
        inner = as_json({"manifests": [descriptor(inner, OCI_INDEX)]})
    members["index.json"] = inner
    with pytest.raises(BundleCorrupt, match="nested too deeply"):
        images_in(tar_bytes(layout_entries(members)))


def test_indexes_that_multiply_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred times a hundred times a hundred: small in the file, endless to follow."""
    monkeypatch.setattr(images_module, "MAX_IMAGES", 500)
    members: dict[str, bytes] = {}
    inner = as_json({"manifests": []})
    for _ in range(4):
        members[blob_name(inner)] = inner
        inner = as_json({"manifests": [descriptor(inner, OCI_INDEX)] * 100})
    members["index.json"] = inner
    with pytest.raises(UnsafeBundle, match="more than 500 images"):
        images_in(tar_bytes(layout_entries(members)))


def test_endless_listings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_module, "MAX_IMAGES", 500)
    with pytest.raises(UnsafeBundle, match="more than 500 images"):
        images_in(minimal([{"Config": "config.json", "Layers": []}] * 501))


@pytest.mark.parametrize(
    "entries", [[], [Entry("VERSION", b"1.0")], [Entry("l", BASE)], [Entry("a.json", b"{}")]]
)
def test_archives_without_images(entries: list[Entry]) -> None:
    with pytest.raises(NotABundle, match=r"no manifest\.json"):
        images_in(tar_bytes(entries))


def test_platform_and_sizes() -> None:
    image = images_in(docker_archive([PAUSE]))[0]
    assert ("linux/amd64", len(PAUSE.config)) == (image.platform, image.config_size_bytes)


WHOLE = docker_archive([NODE, NGINX])
WHOLE_OCI = tar_bytes(docker29_entries(NODE, "quay.io/calico/node:v3.20.0"))
CONTENT_BYTES = {data: len(data.rstrip(b"\0")) for data in (WHOLE, WHOLE_OCI)}


def content_of(images: tuple[Image, ...]) -> set[tuple[str, tuple[str, ...]]]:
    return {(image.image_id, image.diff_ids) for image in images}


@given(whole=st.sampled_from([WHOLE, WHOLE_OCI]), where=st.floats(0, 1), bit=st.integers(0, 7))
@settings(max_examples=400, deadline=None)
def test_a_flipped_bit_is_an_error_or_changes_no_content(
    whole: bytes, where: float, bit: int
) -> None:
    """Names stand in a plain tar without a checksum; content is what can be trusted."""
    data = bytearray(whole)
    data[int(where * (CONTENT_BYTES[whole] - 1))] ^= 1 << bit
    try:
        found = images_in(bytes(data))
    except AirferryError:
        return
    assert content_of(found) <= content_of(images_in(whole))


@pytest.mark.parametrize("whole", [WHOLE, WHOLE_OCI])
def test_flipped_bits_all_over_the_headers_and_documents(whole: bytes) -> None:
    good = content_of(images_in(whole))
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        small = [h for h in tar.getmembers() if h.size < 1000]
        places = [p for h in small for p in range(h.offset, h.offset_data + h.size, 3)]
    for number, place in enumerate(places):
        data = bytearray(whole)
        data[place] ^= 1 << number % 8
        try:
            found = images_in(bytes(data))
        except AirferryError:
            continue
        assert content_of(found) <= good


@given(junk=st.binary(max_size=400), name=st.sampled_from(["manifest.json", "index.json"]))
@settings(max_examples=100, deadline=None)
def test_junk_in_the_index_is_an_error(junk: bytes, name: str) -> None:
    with pytest.raises(AirferryError):
        images_in(tar_bytes([Entry(name, b"[" + junk), Entry("l", tar_of("x", b"y"))]))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Config",
                    "Layers",
                    "RepoTags",
                    "manifests",
                    "digest",
                    "layers",
                    "config",
                    "rootfs",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(value=json_values, name=st.sampled_from(["manifest.json", "index.json"]))
@settings(max_examples=200, deadline=None)
def test_any_json_is_images_or_an_error_of_ours(value: object, name: str) -> None:
    entries = [Entry(name, as_json(value)), Entry("a", as_json(value)), Entry("l", EMPTY_LAYER)]
    try:
        assert () == images_in(tar_bytes(entries))
    except AirferryError:
        return


def test_digest_helpers_agree() -> None:
    assert digest_of(NODE.config) == NODE.image_id
    assert descriptor(BASE, OCI_LAYER)["digest"] == digest_of(BASE)
