"""OCI layouts: what indexes and manifests may say, what is left out, and what is refused."""

from __future__ import annotations

import hashlib

import pytest

from core.bundle import oci_walk as oci_walk_module
from core.bundle.carried import CarriedKind
from core.bundle.left_out import LeftOut, Why
from core.bundle.reference import digest_tag
from core.errors import BundleCorrupt, BundleError, NotABundle, UnsafeBundle
from tests.support.archives import ImageSpec, layer_tar
from tests.support.layouts import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    as_json,
    blob_name,
    descriptor,
    layout_entries,
    packed,
    tar_bytes,
)
from tests.support.oci import (
    PLAIN,
    Layout,
    full_name,
    manifest_of,
    noted,
    on_platform,
    ref_name,
)
from tests.support.reading import contents_in, facts_of, facts_wanted, images_in, names_in

NODE = ImageSpec(["quay.io/calico/node:v3.20.0"], [layer_tar(1, 5000), layer_tar(2, 3000)])
PAUSE = ImageSpec(["k8s.gcr.io/pause:3.5"], [layer_tar(3, 2000)])
HELM = "application/vnd.cncf.helm.config.v1+json"
HELM_CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
NOTHING = "application/vnd.oci.empty.v1+json"
SIGNATURE = "application/vnd.dev.cosign.simplesigning.v1+json"


def named_node(layout: Layout) -> dict[str, object]:
    return noted(layout.image(NODE), full_name(NODE.tags[0]))


def with_index(index: object, *more: bytes) -> bytes:
    """Return a layout with the blobs of NODE and others, and any index.json."""
    layout = Layout()
    layout.image(NODE)
    for blob in more:
        layout.put(blob, "")
    return tar_bytes(layout_entries({**layout.blobs, "index.json": as_json(index)}))


def test_an_image_without_layers() -> None:
    config = as_json({"os": "linux", "architecture": "arm64", "rootfs": {"diff_ids": None}})
    layout = Layout()
    manifest = as_json({"config": layout.put(config, OCI_CONFIG), "layers": None})
    found = images_in(layout.tar(layout.put(manifest, OCI_MANIFEST)))
    assert [("linux/arm64", ())] == [(image.platform, image.layers) for image in found]


def test_one_image_under_two_names_is_one_image() -> None:
    layout = Layout()
    top = [noted(layout.image(NODE), full_name(name)) for name in ("a.b/c:1", "a.b/c:2")]
    found = contents_in(layout.tar(*top))
    assert ([("a.b/c:1", "a.b/c:2")], ()) == (names_in(found), found.lists)


def test_one_name_in_two_spellings_is_one_name() -> None:
    layout = Layout()
    names = ("alpine:3", "docker.io/library/alpine:3")
    top = [noted(layout.image(NODE), full_name(name)) for name in names]
    assert [("alpine:3",)] == names_in(contents_in(layout.tar(*top)))


def test_one_image_named_directly_and_in_an_index_is_one_image() -> None:
    layout = Layout()
    inner = layout.index(noted(layout.image(NODE), on_platform("linux/amd64")))
    top = [noted(entry, full_name("a.b/c:1")) for entry in (layout.image(NODE), inner)]
    assert [("a.b/c:1",)] == names_in(contents_in(layout.tar(*top)))


def test_a_name_that_has_only_a_digest_gets_a_tag_made_of_it() -> None:
    layout = Layout()
    image = layout.image(NODE)
    digest = str(image["digest"])
    found = contents_in(layout.tar(noted(image, full_name(f"a.b/c@{digest}"))))
    assert [(f"a.b/c:{digest_tag(digest)}",)] == names_in(found)


def test_attestations_travel_with_their_image() -> None:
    layout = Layout()
    entries = [noted(layout.image(NODE), on_platform("linux/amd64")), layout.attestation()]
    outer = noted(layout.index(*entries), full_name(NODE.tags[0]))
    found = contents_in(layout.tar(outer))
    assert facts_wanted([NODE]) == facts_of(found.images)
    assert [CarriedKind.ATTESTATION] == [one.kind for one in found.carried]


def test_an_attestation_that_is_not_in_the_file_is_not_missed() -> None:
    layout = Layout()
    outer = layout.index(layout.image(NODE), Layout().attestation())
    found = contents_in(layout.tar(noted(outer, full_name(NODE.tags[0]))))
    assert (facts_wanted([NODE]), ()) == (facts_of(found.images), found.left_out)


def test_platforms_that_are_not_in_the_file_are_noted() -> None:
    layout = Layout()
    arm = noted(Layout().image(PAUSE), on_platform("linux/arm64/v8"))
    other = Layout().image(ImageSpec([], []))
    entries = [noted(layout.image(NODE), on_platform("linux/amd64")), arm, other]
    found = contents_in(layout.tar(noted(layout.index(*entries), full_name(NODE.tags[0]))))
    assert facts_wanted([NODE]) == facts_of(found.images)
    assert () == found.lists
    absent = (Why.PLATFORM_ABSENT, NODE.tags[0], "it is named, but not in the file")
    assert (LeftOut(*absent, "linux/arm64/v8"), LeftOut(*absent)) == found.left_out


def test_an_image_of_the_layout_itself_that_is_not_there_is_an_error() -> None:
    """Only an index within may name what is not there; a name must not vanish in silence."""
    layout = Layout()
    absent = noted(Layout().image(PAUSE), full_name(PAUSE.tags[0]))
    with pytest.raises(BundleCorrupt, match=str(absent["digest"])[7:]):
        contents_in(layout.tar(named_node(layout), absent))


def test_a_name_of_which_no_platform_is_there_is_an_error() -> None:
    layout = Layout()
    arm = noted(Layout().image(PAUSE), on_platform("linux/arm64"))
    gone = noted(layout.index(arm), full_name(PAUSE.tags[0]))
    with pytest.raises(BundleCorrupt, match=r"k8s\.gcr\.io/pause:3\.5"):
        contents_in(layout.tar(named_node(layout), gone))


@pytest.mark.parametrize(("kind", "layer"), [(HELM, HELM_CHART), (NOTHING, "text/plain")])
def test_artifacts_are_no_images(kind: str, layer: str) -> None:
    layout = Layout()
    chart = layout.artifact(kind, b"{ what is in it }", layer)
    found = contents_in(layout.tar(named_node(layout), noted(chart, ref_name("chart"))))
    assert facts_wanted([NODE]) == facts_of(found.images)
    assert [(CarriedKind.CHART if kind == HELM else CarriedKind.ARTIFACT)] == [
        one.kind for one in found.carried
    ]


def test_a_helm_chart_s_tar_belongs_to_no_image() -> None:
    layout = Layout()
    chart = layout.artifact(HELM, packed(layer_tar(5, 500)), HELM_CHART)
    found = contents_in(layout.tar(named_node(layout), chart))
    assert facts_wanted([NODE]) == facts_of(found.images)


def test_a_signature_of_cosign_is_an_artifact_though_its_config_is_an_image_s() -> None:
    layout = Layout()
    payload = as_json({"critical": {"image": {"docker-manifest-digest": NODE.image_id}}})
    rootfs = {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(payload).hexdigest()]}
    config = as_json({"architecture": "", "os": "", "rootfs": rootfs})
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": layout.put(config, OCI_CONFIG),
        "layers": [layout.put(payload, SIGNATURE)],
    }
    signature = layout.put(as_json(manifest), OCI_MANIFEST)
    found = contents_in(layout.tar(named_node(layout), signature))
    assert facts_wanted([NODE]) == facts_of(found.images)
    assert [Why.SIGNATURE] == [one.why for one in found.left_out]


def test_a_layout_of_artifacts_alone_is_no_bundle() -> None:
    layout = Layout()
    with pytest.raises(NotABundle, match="no image in it"):
        contents_in(layout.tar(layout.artifact(HELM, b"{}", HELM_CHART)))


@pytest.mark.parametrize(
    "index",
    [
        {},
        [],
        {"manifests": None},
        {"manifests": [1]},
        {"manifests": [{}]},
        {"manifests": [{"digest": 1}]},
        {"manifests": [{"digest": "../../x"}]},
        {"manifests": [{"digest": "sha256:0"}]},
        {"manifests": [descriptor(manifest_of(NODE), "", annotations="x")]},
        {"manifests": [descriptor(manifest_of(NODE), "", annotations=[1])]},
    ],
)
def test_indexes_that_say_nothing(index: object) -> None:
    with pytest.raises(BundleCorrupt):
        images_in(with_index(index))


@pytest.mark.parametrize("inner", [{"manifests": None}, {"manifests": [{}]}, {"manifests": 1}])
def test_indexes_within_that_say_nothing(inner: object) -> None:
    text = as_json(inner)
    with pytest.raises(BundleCorrupt):
        images_in(with_index({"manifests": [descriptor(text, OCI_INDEX)]}, text))


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
        {"config": descriptor(NODE.config, OCI_CONFIG), "layers": [{"digest": "../x"}] * 2},
        {"config": descriptor(b"elsewhere", OCI_CONFIG), "layers": []},
        {"config": {"digest": "../../x"}, "layers": []},
    ],
)
def test_manifests_that_say_nothing(manifest: object) -> None:
    text = as_json(manifest)
    with pytest.raises(BundleError):
        images_in(with_index({"manifests": [descriptor(text, OCI_MANIFEST)]}, text))


@pytest.mark.parametrize("victim", ["manifest", "config", "index"])
def test_documents_that_are_not_what_their_names_say(victim: str) -> None:
    layout = Layout()
    index = layout.index(layout.image(NODE))
    name, old, new = {
        "manifest": (blob_name(manifest_of(NODE)), b"size", b"Size"),
        "config": (blob_name(NODE.config), b"linux", b"mimux"),
        "index": ("blobs/" + str(index["digest"]).replace(":", "/"), b"size", b"Size"),
    }[victim]
    layout.blobs[name] = layout.blobs[name].replace(old, new)
    with pytest.raises(BundleCorrupt, match=r"b\.tar"):
        images_in(layout.tar(index))


def test_another_layer_under_the_name_of_one_is_told() -> None:
    layout = Layout()
    top = layout.image(NODE)
    layout.blobs[blob_name(packed(NODE.layers[1]))] = packed(layer_tar(98, 5000))
    with pytest.raises(BundleCorrupt, match="layer 2 of 2 is damaged"):
        images_in(layout.tar(top))


@pytest.mark.parametrize("stored", [True, False])
def test_a_layer_packed_in_another_way_is_not_the_one_that_was_promised(stored: bool) -> None:
    """What is inside is right, so only the digest of the blob itself tells."""
    layout = Layout()
    top = layout.image(NODE)
    layout.blobs[blob_name(packed(NODE.layers[1]))] = NODE.layers[1]
    with pytest.raises(BundleCorrupt, match="layer 2 of 2 is damaged"):
        contents_in(layout.tar(top), stored=stored)


@pytest.mark.parametrize("kind", ["layer", "config"])
def test_what_is_missing_is_named(kind: str) -> None:
    layout = Layout()
    top = layout.image(NODE, PLAIN)
    name = blob_name(NODE.config if kind == "config" else NODE.layers[1])
    del layout.blobs[name]
    with pytest.raises(BundleCorrupt, match=f"'{name}' is named but not in the archive"):
        images_in(layout.tar(top))


def test_indexes_nested_too_deeply() -> None:
    layout = Layout()
    inner = layout.image(NODE)
    for _ in range(6):
        inner = layout.index(inner)
    with pytest.raises(BundleCorrupt, match="nested too deeply"):
        images_in(layout.tar(inner))


def test_indexes_as_deep_as_real_ones() -> None:
    layout = Layout()
    inner = noted(layout.index(layout.index(layout.image(NODE))), full_name(NODE.tags[0]))
    assert facts_wanted([NODE]) == facts_of(images_in(layout.tar(inner)))


def test_indexes_that_multiply_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred times a hundred times a hundred: small in the file, endless to follow."""
    monkeypatch.setattr(oci_walk_module, "MAX_IMAGES", 500)
    layout = Layout()
    inner = layout.index()
    for _ in range(3):
        inner = layout.index(*[inner] * 100)
    with pytest.raises(UnsafeBundle, match="more than 500 images"):
        images_in(layout.tar(inner))
