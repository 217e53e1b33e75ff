"""From members to images: the layout of every writer, whoever repacked it."""

from __future__ import annotations

import random
import tarfile
from dataclasses import replace

import pytest

from core.bundle.left_out import Why
from core.errors import NotABundle
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.layouts import (
    OCI_CONFIG,
    OCI_MANIFEST,
    Entry,
    as_json,
    blob_name,
    crane_entries,
    descriptor,
    docker25_entries,
    docker29_entries,
    entries_of,
    jib_entries,
    nix_entries,
    podman_entries,
    tar_bytes,
)
from tests.support.oci import (
    DOCKER,
    GZIP,
    PLAIN,
    PLAIN_SAID_TO_BE_GZIP,
    ZSTD,
    Kinds,
    Layout,
    full_name,
    listing_entry,
    manifest_of,
    noted,
    on_platform,
    ref_name,
)
from tests.support.reading import contents_in, facts_of, facts_wanted, names_in

EMPTY_LAYER = bytes(1024)
BASE = layer_tar(1, 5000)
NODE = ImageSpec(["quay.io/calico/node:v3.20.0"], [BASE, layer_tar(2, 3000)])
PAUSE = ImageSpec(["k8s.gcr.io/pause:3.5", "k8s.gcr.io/pause:latest"], [layer_tar(3, 2000)])
NGINX = ImageSpec(["nginx:1.21"], [BASE, EMPTY_LAYER, layer_tar(4, 3000), EMPTY_LAYER])
NAMELESS = ImageSpec([], NODE.layers)
IMAGES = [NODE, PAUSE, NGINX]
ARCHIVE, OCI = "docker-archive", "oci-layout"


def ctr_entries(kinds: Kinds = GZIP) -> list[Entry]:
    """Return what `ctr images export` writes of NODE and PAUSE: a descriptor for each name."""
    layout = Layout()
    top = [noted(layout.image(i, kinds), full_name(tag)) for i in (NODE, PAUSE) for tag in i.tags]
    listing = listing_entry((NODE, NODE.tags), (PAUSE, PAUSE.tags), kinds=kinds)
    return [*layout.entries(*top), listing]


def layout_of(image: ImageSpec, *notes: dict[str, object], kinds: Kinds = GZIP) -> list[Entry]:
    """Return an OCI layout with one image."""
    layout = Layout()
    return layout.entries(noted(layout.image(image, kinds), *notes))


WRITERS: dict[str, tuple[list[Entry], list[ImageSpec], str]] = {
    "docker 20.10": (entries_of(docker_archive(IMAGES)), IMAGES, ARCHIVE),
    "gzip layers": (entries_of(docker_archive(IMAGES, gzip_layers=True)), IMAGES, ARCHIVE),
    "docker 25": (docker25_entries([NODE, PAUSE]), [NODE, PAUSE], ARCHIVE),
    "containerd store": (docker29_entries(NODE, NODE.tags[0]), [NODE], OCI),
    "docker 29": (
        [*docker29_entries(NODE, NODE.tags[0]), listing_entry((NODE, NODE.tags))],
        [NODE],
        ARCHIVE,
    ),
    "podman": (podman_entries(IMAGES), IMAGES, ARCHIVE),
    "podman, no name": (podman_entries([NAMELESS]), [NAMELESS], ARCHIVE),
    "crane": (crane_entries([NODE, PAUSE]), [NODE, PAUSE], ARCHIVE),
    "jib": (jib_entries(PAUSE), [PAUSE], ARCHIVE),
    "nix": (nix_entries(NGINX), [NGINX], ARCHIVE),
    "ctr": (ctr_entries(), [NODE, PAUSE], ARCHIVE),
    "ctr 1.6, Docker's media types": (ctr_entries(DOCKER), [NODE, PAUSE], ARCHIVE),
    "ctr --skip-manifest-json": (ctr_entries()[:-1], [NODE, PAUSE], OCI),
    "skopeo oci-archive": (layout_of(NODE, ref_name(NODE.tags[0])), [NODE], OCI),
    "skopeo oci-archive, zstd": (layout_of(NODE, full_name(NODE.tags[0]), kinds=ZSTD), [NODE], OCI),
    "podman --uncompressed": (
        layout_of(NODE, ref_name(NODE.tags[0]), kinds=PLAIN_SAID_TO_BE_GZIP),
        [NODE],
        OCI,
    ),
    "plain OCI layers": (layout_of(NODE, ref_name(NODE.tags[0]), kinds=PLAIN), [NODE], OCI),
    "empty layers of an OCI layout": (layout_of(NGINX, full_name("nginx:1.21")), [NGINX], OCI),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_writers(writer: str) -> None:
    entries, images, layout = WRITERS[writer]
    found = contents_in(tar_bytes(entries))
    assert facts_wanted(images) == facts_of(found.images)
    assert (layout, ()) == (found.layout, found.lists)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_repacked_by_a_person(writer: str, tar_format: int) -> None:
    """`./` before every name, directories of their own, and any order: index first or last."""
    entries, images, layout = WRITERS[writer]
    for seed in range(4):
        mixed = [replace(entry, name=f"./{entry.name}") for entry in entries]
        random.Random(seed).shuffle(mixed)  # noqa: S311 - any order will do
        mixed.insert(0, Entry("./", kind=tarfile.DIRTYPE))
        found = contents_in(tar_bytes(mixed, tar_format))
        assert (facts_wanted(images), layout) == (facts_of(found.images), found.layout)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("place", [0, -1])
def test_the_index_stands_first_or_last(writer: str, place: int) -> None:
    entries, images, _ = WRITERS[writer]
    documents = [e for e in entries if e.name in ("manifest.json", "index.json", "oci-layout")]
    rest = [entry for entry in entries if entry not in documents]
    mixed = [*documents, *rest] if place == 0 else [*rest, *documents]
    assert facts_wanted(images) == facts_of(contents_in(tar_bytes(mixed)).images)


def test_as_many_layers_as_an_engine_takes() -> None:
    image = ImageSpec(["many:1"], [layer_tar(n, 200) for n in range(127)])
    writers = [docker_archive([image]), tar_bytes(layout_of(image, full_name("many:1")))]
    assert [facts_wanted([image])] * 2 == [facts_of(contents_in(data).images) for data in writers]


def test_where_the_layout_holds_all_of_it_its_platforms_are_taken() -> None:
    """Docker 29 lists one platform in manifest.json; the index knows of both."""
    layout = Layout()
    arm = ImageSpec(NODE.tags, [BASE, layer_tar(5, 3000)], "linux/arm64")
    inner = layout.index(
        noted(layout.image(NODE), on_platform("linux/amd64")),
        noted(layout.image(arm), on_platform("linux/arm64")),
        layout.attestation(),
    )
    entries = layout.entries(noted(inner, full_name(NODE.tags[0])))
    found = contents_in(tar_bytes([*entries, listing_entry((NODE, NODE.tags))]))
    assert facts_wanted([NODE, arm]) == facts_of(found.images)
    assert [ARCHIVE, 1] == [found.layout, len(found.lists)]


def test_where_the_layout_lacks_layers_the_manifest_of_docker_wins() -> None:
    """Engines of early 25 wrote OCI manifests without layers (moby#47065)."""
    entries = docker25_entries([NODE, PAUSE])
    broken = as_json({"config": descriptor(NODE.config, OCI_CONFIG), "layers": []})
    index = as_json({"manifests": [descriptor(broken, OCI_MANIFEST)]})
    entries = [replace(e, data=index) if e.name == "index.json" else e for e in entries]
    found = contents_in(tar_bytes([*entries, Entry(blob_name(broken), broken)]))
    assert facts_wanted([NODE, PAUSE]) == facts_of(found.images)


@pytest.mark.parametrize(
    "index",
    [
        pytest.param({}, id="nothing in it"),
        pytest.param({"manifests": []}, id="no image"),
        pytest.param(
            {"manifests": [descriptor(manifest_of(NODE, PLAIN), OCI_MANIFEST)]}, id="one of two"
        ),
        pytest.param(
            {
                "manifests": [
                    descriptor(manifest_of(image, PLAIN), OCI_MANIFEST) for image in (NODE, PAUSE)
                ]
            },
            id="no names",
        ),
        pytest.param({"manifests": [descriptor(b"absent", OCI_MANIFEST)]}, id="absent"),
    ],
)
def test_where_the_layout_knows_less_the_manifest_of_docker_wins(index: object) -> None:
    entries = [
        replace(e, data=as_json(index)) if e.name == "index.json" else e
        for e in docker25_entries([NODE, PAUSE])
    ]
    found = contents_in(tar_bytes(entries))
    assert (facts_wanted([NODE, PAUSE]), ()) == (facts_of(found.images), found.notes)


def test_where_the_manifest_of_docker_knows_no_names_those_of_the_layout_are_taken() -> None:
    layout = Layout()
    entries = layout.entries(noted(layout.image(NODE), full_name(NODE.tags[0])))
    found = contents_in(tar_bytes([*entries, listing_entry((NODE, None))]))
    assert facts_wanted([NODE]) == facts_of(found.images)


def test_an_image_that_manifest_json_names_twice_has_both_names() -> None:
    """Some writers make an entry for each name."""
    one = [ImageSpec([tag], PAUSE.layers) for tag in PAUSE.tags]
    assert facts_wanted([PAUSE]) == facts_of(contents_in(tar_bytes(crane_entries(one))).images)


@pytest.mark.parametrize(
    "entries", [[], [Entry("VERSION", b"1.0")], [Entry("l", BASE)], [Entry("a.json", b"{}")]]
)
def test_archives_without_images(entries: list[Entry]) -> None:
    with pytest.raises(NotABundle, match=r"b\.tar: an archive, but not of images"):
        contents_in(tar_bytes(entries))


def test_layers_that_belong_to_no_image_are_noted() -> None:
    extra = [Entry("stray/layer.tar", layer_tar(9, 100)), Entry("more.tar", layer_tar(8, 100))]
    for entries in (entries_of(docker_archive(IMAGES)), layout_of(NODE, full_name("a:1"))):
        assert () == contents_in(tar_bytes(entries)).notes
        found = contents_in(tar_bytes([*entries, *extra]))
        assert ("2 layers belong to no image",) == found.notes


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("app.tar", "app"),
        ("My App (2).tar", "my-app-2"),
        ("app.tar.gz", "app"),
        ("app.TAR.GZ", "app"),
        ("app.tgz", "app"),
        ("app.oci.tar.zst", "app"),
        ("app-1.2.tar", "app-1-2"),
        ("app_x.img", "app-x"),
        ("--app--.tar", "app"),
        ("app", "app"),
        ("tar.tar", "tar"),
    ],
)
def test_a_bare_tag_is_a_tag_of_the_file_s_name(label: str, name: str) -> None:
    data = tar_bytes(layout_of(NODE, ref_name("v1")))
    assert [(f"{name}:v1",)] == names_in(contents_in(data, label))


@pytest.mark.parametrize("notes", [{}, ref_name(NODE.image_id)])
def test_an_image_that_is_alone_is_named_after_the_file(notes: dict[str, object]) -> None:
    """Also where podman gives its ID for a name."""
    found = contents_in(tar_bytes(layout_of(NODE, notes)))
    assert ([("b:latest",)], ("b:latest is named after the file",)) == (
        names_in(found),
        found.notes,
    )


def test_what_has_the_file_s_name_by_itself_is_not_noted() -> None:
    found = contents_in(tar_bytes(layout_of(NODE, full_name("docker.io/library/b:v1"))))
    assert ([("b:v1",)], ()) == (names_in(found), found.notes)


@pytest.mark.parametrize("label", [".tar", "ä.tar", "---.tar"])
def test_a_file_s_name_may_give_none(label: str) -> None:
    for notes in ({}, ref_name("v1")):
        assert [()] == names_in(contents_in(tar_bytes(layout_of(NODE, notes)), label))


def test_several_images_without_a_name_stay_so() -> None:
    layout = Layout()
    data = layout.tar(layout.image(NODE), layout.image(PAUSE))
    assert [(), ()] == names_in(contents_in(data))


def test_several_platforms_without_a_name_are_one_image_and_named_after_the_file() -> None:
    """What `docker buildx build --output type=oci` and `skopeo copy --all` write."""
    layout = Layout()
    arm = ImageSpec([], PAUSE.layers, "linux/arm64")
    inner = layout.index(
        noted(layout.image(NODE), on_platform("linux/amd64")),
        noted(layout.image(arm), on_platform("linux/arm64")),
        layout.attestation(),
    )
    found = contents_in(layout.tar(inner))
    assert [("b:latest",)] * 2 == names_in(found)
    assert [("b:latest",)] == [tuple(n.familiar for n in one.references) for one in found.lists]


def test_several_tags_of_one_file() -> None:
    layout = Layout()
    data = layout.tar(
        noted(layout.image(NODE), ref_name("v1")), noted(layout.image(PAUSE), ref_name("v2"))
    )
    assert [("b:v1",), ("b:v2",)] == names_in(contents_in(data))


def test_a_whole_name_counts_more_than_a_tag() -> None:
    entries = layout_of(NODE, full_name("a.b/c:1"), ref_name("latest"))
    assert [("a.b/c:1",)] == names_in(contents_in(tar_bytes(entries)))


def test_a_tag_that_is_none_is_told() -> None:
    found = contents_in(tar_bytes(layout_of(NODE, ref_name("no tag"))))
    assert [()] == names_in(found)
    assert [(Why.BAD_NAME, "b:no tag")] == [(one.why, one.what) for one in found.left_out]


def test_a_docker_archive_without_names_is_not_named_after_the_file() -> None:
    """There the writer says that it has none, and `docker load` gives it none."""
    assert [()] == names_in(contents_in(docker_archive([NAMELESS])))
