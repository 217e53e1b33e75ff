"""Bundles with flipped bits, junk and any JSON: images as they were, or an error of ours."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bundle.model import Image
from core.errors import AirferryError
from tests.support.archives import ImageSpec, docker_archive, layer_tar, tar_of
from tests.support.layouts import (
    Entry,
    as_json,
    docker25_entries,
    docker29_entries,
    tar_bytes,
)
from tests.support.oci import ZSTD, Layout, full_name, noted
from tests.support.reading import contents_in, images_in

EMPTY_LAYER = bytes(1024)
BASE = layer_tar(1, 5000)
NODE = ImageSpec(["quay.io/calico/node:v3.20.0"], [BASE, layer_tar(2, 3000)])
NGINX = ImageSpec(["nginx:1.21"], [BASE, EMPTY_LAYER, layer_tar(4, 3000), EMPTY_LAYER])


def zstd_layout() -> bytes:
    layout = Layout()
    return layout.tar(noted(layout.image(NODE, ZSTD), full_name("a.b/c:1")))


WHOLE = {
    "docker-archive": docker_archive([NODE, NGINX]),
    "OCI layout": tar_bytes(docker29_entries(NODE, "quay.io/calico/node:v3.20.0")),
    "both": tar_bytes(docker25_entries([NODE])),
    "zstd": zstd_layout(),
}


def content_of(images: tuple[Image, ...]) -> set[tuple[str, tuple[str, ...]]]:
    return {(image.image_id, image.diff_ids) for image in images}


GOOD = {kind: content_of(images_in(data)) for kind, data in WHOLE.items()}


@given(kind=st.sampled_from(sorted(WHOLE)), where=st.floats(0, 1), bit=st.integers(0, 7))
@settings(max_examples=300, deadline=None)
def test_a_flipped_bit_is_an_error_or_changes_no_content(kind: str, where: float, bit: int) -> None:
    """Names stand in a plain tar without a checksum; content is what can be trusted."""
    data = bytearray(WHOLE[kind])
    data[int(where * (len(WHOLE[kind].rstrip(b"\0")) - 1))] ^= 1 << bit
    try:
        found = images_in(bytes(data))
    except AirferryError:
        return
    assert content_of(found) <= GOOD[kind]


@pytest.mark.parametrize("kind", WHOLE)
def test_flipped_bits_all_over_the_headers_and_documents(kind: str) -> None:
    with tarfile.open(fileobj=io.BytesIO(WHOLE[kind])) as tar:
        small = [header for header in tar.getmembers() if header.size < 1000]
    places = [p for h in small for p in range(h.offset, h.offset_data + h.size, 5)]
    for number, place in enumerate(places):
        data = bytearray(WHOLE[kind])
        data[place] ^= 1 << number % 8
        try:
            found = images_in(bytes(data))
        except AirferryError:
            continue
        assert content_of(found) <= GOOD[kind]


@given(junk=st.binary(max_size=400), name=st.sampled_from(["manifest.json", "index.json"]))
@settings(max_examples=100, deadline=None)
def test_junk_in_the_index_is_an_error(junk: bytes, name: str) -> None:
    with pytest.raises(AirferryError):
        images_in(tar_bytes([Entry(name, b"[" + junk), Entry("l", tar_of("x", b"y"))]))


WORDS = (
    "Config",
    "Layers",
    "RepoTags",
    "annotations",
    "architecture",
    "config",
    "digest",
    "layers",
    "manifests",
    "mediaType",
    "os",
    "platform",
    "rootfs",
    "vnd.docker.reference.type",
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
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


@given(value=json_values, descriptor=json_values, stored=st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_json_behind_an_index_is_images_or_an_error_of_ours(
    value: object, descriptor: object, stored: bool
) -> None:
    """As a manifest or nested index that is there, named by a descriptor that says anything."""
    layout = Layout()
    inner = layout.put(as_json(value), "")
    top = {**descriptor, **inner} if isinstance(descriptor, dict) else inner
    index = layout.put(as_json({"manifests": [top, layout.image(NODE)]}), "")
    try:
        found = contents_in(layout.tar(top, index), stored=stored)
    except AirferryError:
        return
    assert content_of(found.images) <= GOOD["both"]


@given(config=json_values, layers=st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_json_as_a_config_is_an_image_without_layers_or_an_error(
    config: object, layers: bool
) -> None:
    text = as_json(config)
    listing = [{"Config": "c", "RepoTags": ["a:1"], "Layers": ["l"] if layers else []}]
    entries = [Entry("c", text), Entry("l", EMPTY_LAYER), Entry("manifest.json", as_json(listing))]
    try:
        found = images_in(tar_bytes(entries))
    except AirferryError:
        return
    assert [()] == [image.layers for image in found]
