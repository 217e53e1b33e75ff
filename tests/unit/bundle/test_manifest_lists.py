"""Several platforms under one name: the bundle's own index kept, or a new one written."""

from __future__ import annotations

import json

import pytest

from core.bundle.left_out import Why
from core.bundle.model import Contents
from core.errors import BundleCorrupt
from tests.support.archives import ImageSpec, digest_of, layer_tar
from tests.support.layouts import OCI_INDEX, OCI_MANIFEST
from tests.support.oci import (
    DOCKER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    GZIP,
    PLAIN,
    ZSTD,
    Descriptor,
    Kinds,
    Layout,
    full_name,
    noted,
    on_platform,
)
from tests.support.reading import contents_in, facts_of, facts_wanted

NAME = "quay.io/calico/node:v3"
BASE = layer_tar(1, 3000)
AMD = ImageSpec([NAME], [BASE, layer_tar(2, 500)])
ARM = ImageSpec([NAME], [BASE, layer_tar(3, 500)], "linux/arm64/v8")
S390 = ImageSpec([NAME], [layer_tar(4, 500)], "linux/s390x")


def entry(layout: Layout, image: ImageSpec, kinds: Kinds = GZIP) -> Descriptor:
    return noted(layout.image(image, kinds), on_platform(image.platform))


def after_import(layout: Layout, *top: Descriptor) -> Contents:
    return contents_in(layout.tar(*top), stored=True)


def names_of(contents: Contents) -> list[list[str]]:
    return [[name.familiar for name in several.references] for several in contents.lists]


def platforms_in(manifest: str) -> list[str]:
    """Return the platforms that a list names."""
    entries = json.loads(manifest)["manifests"]
    names = ("os", "architecture", "variant")
    return ["/".join(e["platform"][n] for n in names if n in e["platform"]) for e in entries]


@pytest.mark.parametrize(
    ("kinds", "kind"), [(GZIP, OCI_INDEX), (ZSTD, OCI_INDEX), (DOCKER, DOCKER_LIST)]
)
def test_an_index_of_which_nothing_was_changed_is_kept(kinds: Kinds, kind: str) -> None:
    layout = Layout()
    index = layout.index(entry(layout, AMD, kinds), entry(layout, ARM, kinds), kind=kind)
    found = after_import(layout, noted(index, full_name(NAME)))
    assert facts_wanted([AMD, ARM]) == facts_of(found.images)
    (several,) = found.lists
    assert (index["digest"], kind) == (several.manifest_digest, several.manifest_type)
    assert [[NAME]] == names_of(found)
    assert set(json.loads(several.manifest)["manifests"][0]) >= {"digest", "platform"}


def test_an_index_that_does_not_say_what_it_is_is_oci_s() -> None:
    layout = Layout()
    text = json.dumps({"manifests": [entry(layout, AMD), entry(layout, ARM)]}).encode()
    found = after_import(layout, noted(layout.put(text, OCI_INDEX), full_name(NAME)))
    assert [(digest_of(text), OCI_INDEX)] == [
        (several.manifest_digest, several.manifest_type) for several in found.lists
    ]


def new_list(found: Contents) -> dict[str, object]:
    """Return a list that was written anew, after a look at each of its entries."""
    (several,) = found.lists
    content: dict[str, object] = json.loads(several.manifest)
    assert several.manifest_type == content["mediaType"]
    assert [
        (image.manifest_digest, len(image.manifest.encode()), image.manifest_type)
        for image in found.images
    ] == [
        (one["digest"], one["size"], one["mediaType"])
        for one in json.loads(several.manifest)["manifests"]
        if one["platform"]["os"] != "unknown"
    ]
    return content


def test_where_layers_were_compressed_the_list_is_a_new_one() -> None:
    layout = Layout()
    index = layout.index(entry(layout, AMD, PLAIN), entry(layout, ARM, PLAIN))
    found = after_import(layout, noted(index, full_name(NAME)))
    assert DOCKER_LIST == new_list(found)["mediaType"]
    assert ["linux/amd64", "linux/arm64/v8"] == platforms_in(found.lists[0].manifest)
    assert {DOCKER_MANIFEST} == {image.manifest_type for image in found.images}


def test_where_some_layers_were_compressed_the_list_is_oci_s() -> None:
    layout = Layout()
    index = layout.index(entry(layout, AMD, PLAIN), entry(layout, ARM, GZIP))
    found = after_import(layout, noted(index, full_name(NAME)))
    assert OCI_INDEX == new_list(found)["mediaType"]
    assert [DOCKER_MANIFEST, OCI_MANIFEST] == [image.manifest_type for image in found.images]


def test_a_new_list_names_only_what_is_there() -> None:
    layout = Layout()
    absent = entry(Layout(), S390)
    entries = [entry(layout, AMD), absent, entry(layout, ARM), layout.attestation()]
    found = after_import(layout, noted(layout.index(*entries), full_name(NAME)))
    assert OCI_INDEX == new_list(found)["mediaType"]
    *platforms, of_attestation = platforms_in(found.lists[0].manifest)
    assert ["linux/amd64", "linux/arm64/v8"] == platforms
    assert "unknown/unknown" == of_attestation
    assert [(Why.PLATFORM_ABSENT, "linux/s390x")] == [
        (one.why, one.platform) for one in found.left_out
    ]


def test_a_platform_that_is_alone_needs_no_list() -> None:
    layout = Layout()
    index = layout.index(entry(layout, AMD), entry(Layout(), ARM))
    found = after_import(layout, noted(index, full_name(NAME)))
    assert (facts_wanted([AMD]), ()) == (facts_of(found.images), found.lists)


def test_platforms_that_stand_side_by_side_under_one_name_get_a_list() -> None:
    layout = Layout()
    top = [noted(entry(layout, image), full_name(NAME)) for image in (AMD, ARM)]
    found = after_import(layout, *top)
    assert ["linux/amd64", "linux/arm64/v8"] == platforms_in(json.dumps(new_list(found)))


def test_a_platform_that_only_the_config_knows_is_in_a_new_list() -> None:
    layout = Layout()
    top = [noted(layout.image(image), full_name(NAME)) for image in (AMD, ARM)]
    found = after_import(layout, *top)
    assert ["linux/amd64", "linux/arm64/v8"] == platforms_in(json.dumps(new_list(found)))


def test_two_names_share_a_list() -> None:
    layout = Layout()
    index = layout.index(entry(layout, AMD), entry(layout, ARM))
    names = [NAME, "quay.io/calico/node:latest"]
    found = after_import(layout, *(noted(index, full_name(name)) for name in names))
    assert [names] == names_of(found)
    assert [tuple(names)] * 2 == [facts[0] for facts in facts_of(found.images)]


def test_two_names_of_different_platforms_have_lists_of_their_own() -> None:
    layout = Layout()
    first = layout.index(entry(layout, AMD), entry(layout, ARM))
    second = layout.index(entry(layout, AMD), entry(layout, S390))
    found = after_import(
        layout, noted(first, full_name("a.b/c:1")), noted(second, full_name("a.b/c:2"))
    )
    assert [["a.b/c:1"], ["a.b/c:2"]] == names_of(found)
    assert [first["digest"], second["digest"]] == [one.manifest_digest for one in found.lists]
    assert 3 == len(found.images)


def test_a_bundle_that_was_only_listed_has_lists_without_text() -> None:
    layout = Layout()
    index = layout.index(entry(layout, AMD), entry(layout, ARM))
    found = contents_in(layout.tar(noted(index, full_name(NAME))))
    assert [[NAME]] == names_of(found)
    assert [""] == [several.manifest for several in found.lists]


def test_one_platform_twice_under_one_name_is_refused() -> None:
    layout = Layout()
    second = ImageSpec([NAME], [layer_tar(9, 500)])
    index = layout.index(entry(layout, AMD), entry(layout, second))
    with pytest.raises(BundleCorrupt, match=r"quay\.io/calico/node:v3 stands for two images of"):
        contents_in(layout.tar(noted(index, full_name(NAME))))


def test_the_same_image_twice_in_an_index_is_there_once() -> None:
    layout = Layout()
    index = layout.index(entry(layout, AMD), entry(layout, AMD), entry(layout, ARM))
    found = after_import(layout, noted(index, full_name(NAME)))
    assert facts_wanted([AMD, ARM]) == facts_of(found.images)


def test_variants_that_only_the_index_tells_apart_are_two_platforms() -> None:
    """Configs made before 2021 say `arm` for v6 and v7 alike."""
    layout = Layout()
    arms = [ImageSpec([NAME], [layer_tar(n, 500)], "linux/arm") for n in (6, 7)]
    entries = [
        noted(layout.image(image), on_platform(f"linux/arm/v{n}"))
        for n, image in zip((6, 7), arms, strict=True)
    ]
    found = after_import(layout, noted(layout.index(*entries), full_name(NAME)))
    assert (facts_wanted(arms), 1) == (facts_of(found.images), len(found.lists))


def test_builds_of_windows_are_platforms_of_their_own() -> None:
    """`registry.k8s.io/pause:3.9` has one for each, told apart by `os.version` alone."""
    layout = Layout()
    builds = [ImageSpec([NAME], [layer_tar(n, 500)], "windows/amd64") for n in (1, 2)]
    entries = [entry(layout, AMD)] + [
        noted(layout.image(image), on_platform("windows/amd64", f"10.0.{n}.1"))
        for n, image in enumerate(builds)
    ]
    index = layout.index(*entries)
    found = after_import(layout, noted(index, full_name(NAME)))
    assert facts_wanted([AMD, *builds]) == facts_of(found.images)
    assert [index["digest"]] == [several.manifest_digest for several in found.lists]
