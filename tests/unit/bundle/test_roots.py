"""Bundles that lie in a directory of the archive, several of them, and what skopeo calls `dir:`."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.bundle.discovery import bundle_file, find_bundles
from core.bundle.listing import list_bundle, verify_bundle
from core.errors import BundleError
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.layouts import (
    Entry,
    as_json,
    blob_name,
    entries_of,
    hex_of,
    packed,
    symlink,
    tar_bytes,
)
from tests.support.oci import Layout, full_name, manifest_of, noted
from tests.support.reading import contents_in, facts_of, facts_wanted, names_in

NODE = ImageSpec(["a.b/node:1"], [layer_tar(1, 2000), layer_tar(2, 900)])
PAUSE = ImageSpec(["a.b/pause:1"], [layer_tar(3, 800)])
ZARF = "org.opencontainers.image.base.name"


def below(root: str, entries: list[Entry]) -> list[Entry]:
    return [Entry(root + one.name, one.data, one.kind, one.link) for one in entries]


def layout_of(image: ImageSpec, notes: dict[str, object] | None = None) -> list[Entry]:
    layout = Layout()
    return layout.entries(noted(layout.image(image), notes or full_name(image.tags[0])))


def skopeo_dir(image: ImageSpec) -> list[Entry]:
    blobs = [image.config, *map(packed, image.layers)]
    return [
        Entry("version", b"Directory Transport Version: 1.1\n"),
        Entry("manifest.json", manifest_of(image)),
        *(Entry(hex_of(blob), blob) for blob in blobs),
    ]


@pytest.mark.parametrize("root", ["bundle/", "a/b/c/", "My Bundle/"])
@pytest.mark.parametrize("kind", ["docker-archive", "oci-layout"])
def test_a_bundle_in_a_directory_of_the_archive(root: str, kind: str) -> None:
    entries = entries_of(docker_archive([NODE])) if kind[0] == "d" else layout_of(NODE)
    found = contents_in(tar_bytes([*below(root, entries), Entry("README", b"x")]))
    assert (facts_wanted([NODE]), kind) == (facts_of(found.images), found.layout)
    assert f"found in a directory of it: {root}" in found.notes
    assert all(layer.member.startswith(root) for layer in found.images[0].layers)


def test_bundles_beside_each_other() -> None:
    entries = [
        *below("a/", entries_of(docker_archive([NODE]))),
        *below("b/", layout_of(PAUSE)),
        Entry("c/index.json", b"{}"),
    ]
    found = contents_in(tar_bytes(entries))
    assert facts_wanted([NODE, PAUSE]) == facts_of(found.images)
    assert "found in 2 directories of it: a/, b/" in found.notes


def test_the_root_s_own_listing_counts_alone() -> None:
    entries = [*entries_of(docker_archive([NODE])), *below("b/", layout_of(PAUSE))]
    assert facts_wanted([NODE]) == facts_of(contents_in(tar_bytes(entries)).images)


def test_of_two_directories_the_last_has_a_name_that_both_claim() -> None:
    other = ImageSpec(NODE.tags, PAUSE.layers)
    found = contents_in(tar_bytes([*below("a/", layout_of(NODE)), *below("b/", layout_of(other))]))
    assert facts_wanted([other]) == facts_of(found.images)
    assert ["a.b/node:1"] == [one.what.split()[0] for one in found.left_out]


def test_a_zarf_package() -> None:
    """It names images by an annotation that elsewhere says what an image was built from."""
    entries = [
        Entry("zarf.yaml", b"kind: ZarfPackageConfig\n"),
        Entry("checksums.txt", b"x"),
        *below("images/", layout_of(NODE, {"annotations": {ZARF: NODE.tags[0]}})),
        Entry("sboms.tar", layer_tar(7, 100)),
    ]
    assert facts_wanted([NODE]) == facts_of(contents_in(tar_bytes(entries)).images)


def test_what_an_image_was_built_from_is_no_name_where_there_is_another() -> None:
    base = {ZARF: "docker.io/library/debian:12", "io.containerd.image.name": "a.b/c:1"}
    entries = layout_of(NODE, {"annotations": base})
    assert [("a.b/c:1",)] == names_in(contents_in(tar_bytes(entries)))


def test_a_skopeo_dir_in_a_tar() -> None:
    found = contents_in(tar_bytes(skopeo_dir(NODE)), "app.tar")
    assert [("app:latest",)] == names_in(found)
    assert [NODE.image_id] == [image.image_id for image in found.images]


@pytest.mark.parametrize("kind", ["layer", "config"])
def test_a_damaged_skopeo_dir(kind: str) -> None:
    victim = {"layer": packed(NODE.layers[1]), "config": NODE.config}[kind]
    other = {"layer": packed(layer_tar(9, 900)), "config": NODE.config.replace(b"amd64", b"arm64")}
    entries = [
        Entry(one.name, other[kind] if one.data == victim else one.data) for one in skopeo_dir(NODE)
    ]
    with pytest.raises(BundleError, match=r"is damaged|another digest"):
        contents_in(tar_bytes(entries))


def written(directory: Path, entries: list[Entry]) -> Path:
    for one in entries:
        path = directory / one.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.data)
    return directory


def test_a_skopeo_dir_on_disk(tmp_path: Path) -> None:
    directory = written(tmp_path / "app", skopeo_dir(NODE))
    for read in (list_bundle, verify_bundle):
        found = read(bundle_file(directory))
        assert [("app:latest", NODE.image_id)] == [
            (image.title, image.image_id) for image in found.images
        ]
    assert [directory] == [file.path for file in find_bundles(tmp_path)[0]]


def linked_layout(entries: list[Entry]) -> list[Entry]:
    """Return a layout whose blobs are links into a store beside them."""
    moved = []
    for one in entries:
        if one.name.startswith("blobs/"):
            name = one.name.replace("blobs/sha256/", "store/")
            moved += [Entry(name, one.data), symlink(one.name, f"../../{name}")]
        else:
            moved.append(one)
    return moved


def test_a_layout_whose_blobs_are_links() -> None:
    found = contents_in(tar_bytes(linked_layout(layout_of(NODE))))
    assert facts_wanted([NODE]) == facts_of(found.images)


def test_a_layout_on_disk_whose_blobs_are_links(tmp_path: Path) -> None:
    directory = written(tmp_path / "app", layout_of(NODE))
    (directory / "store").mkdir()
    for blob in list((directory / "blobs" / "sha256").iterdir()):
        blob.rename(directory / "store" / blob.name)
        blob.symlink_to(Path("../../store") / blob.name)
    found = verify_bundle(bundle_file(directory))
    assert facts_wanted([NODE]) == facts_of(found.images)


@pytest.mark.parametrize("target", ["/etc/hostname", "../../../elsewhere", "nowhere", "x"])
def test_a_link_that_leads_out_is_told_with_what_to_do(tmp_path: Path, target: str) -> None:
    directory = written(tmp_path / "app", layout_of(NODE))
    path = directory / blob_name(NODE.config)
    path.rename(tmp_path / "elsewhere")
    if target == "x":
        (path.parent / "x").symlink_to(path)
    path.symlink_to(target)
    with pytest.raises(BundleError) as told:
        list_bundle(bundle_file(directory))
    assert "Do not use" not in told.value.remedy


@pytest.mark.parametrize(
    ("entries", "lack"),
    [
        ([Entry("index.json", b"{}")], "the file oci-layout is missing"),
        ([Entry("oci-layout", b"{}")], "the file index.json is missing"),
        ([Entry("blobs/sha256/00", b"{}")], "the file index.json is missing"),
        ([Entry("manifest.json", as_json([]))], "an unpacked archive of docker save"),
    ],
)
def test_what_a_directory_lacks_is_told(tmp_path: Path, entries: list[Entry], lack: str) -> None:
    directory = written(tmp_path / "app", entries)
    with pytest.raises(BundleError, match=lack):
        bundle_file(directory)
    assert lack in find_bundles(tmp_path)[1][0].reason
