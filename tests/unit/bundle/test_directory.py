"""OCI layouts that lie unpacked in a directory, read as if they were archives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.bundle import directory as directory_module
from core.bundle.discovery import Ignored, bundle_file, find_bundles
from core.bundle.listing import list_bundle, verify_bundle
from core.bundle.source import open_bundle
from core.bundle.tarstream import Member
from core.errors import BundleCorrupt, BundleError, BundleTruncated, Cancelled, UnsafeBundle
from tests.support.archives import ImageSpec, layer_tar
from tests.support.layouts import blob_name, packed
from tests.support.oci import PLAIN, Layout, full_name, manifest_of, noted, on_platform, ref_name
from tests.support.reading import facts_of, facts_wanted

NODE = ImageSpec(["quay.io/calico/node:v3"], [layer_tar(1, 20_000), layer_tar(2, 3000)])
PAUSE = ImageSpec(["pause:3.5"], [layer_tar(3, 2000)])


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A layout of two images."""
    layout = Layout()
    node = noted(layout.image(NODE), full_name(NODE.tags[0]))
    return layout.write(
        tmp_path / "layout", node, noted(layout.image(PAUSE), ref_name(PAUSE.tags[0]))
    )


def tree_bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def members_of(path: Path) -> list[Member]:
    with open_bundle(bundle_file(path)) as opened:
        return list(opened.archive)


def test_listed_and_verified(directory: Path) -> None:
    for found in (list_bundle(bundle_file(directory)), verify_bundle(bundle_file(directory))):
        assert facts_wanted([NODE, PAUSE]) == facts_of(found.images)
        assert ("layout", tree_bytes(directory), "oci-layout") == (
            found.name,
            found.size_bytes,
            found.layout,
        )


def test_found_beside_other_bundles(directory: Path) -> None:
    (directory.parent / "no-layout").mkdir()
    bundles, ignored = find_bundles(directory.parent)
    assert [bundle_file(directory)] == bundles
    assert [Ignored("no-layout", "a directory, and no OCI image layout")] == ignored


def test_nested_indexes(tmp_path: Path) -> None:
    layout = Layout()
    arm = ImageSpec(["a.b/c:1"], [layer_tar(4, 500)], "linux/arm64")
    amd = ImageSpec(["a.b/c:1"], [layer_tar(5, 500)])
    inner = layout.index(layout.image(amd), layout.image(arm))
    directory = layout.write(tmp_path / "layout", noted(inner, full_name("a.b/c:1")))
    assert facts_wanted([amd, arm]) == facts_of(verify_bundle(bundle_file(directory)).images)


def test_an_image_without_a_name_is_named_after_the_directory(tmp_path: Path) -> None:
    layout = Layout()
    directory = layout.write(tmp_path / "My App", noted(layout.image(NODE), ref_name("v1")))
    found = list_bundle(bundle_file(directory))
    assert ["my-app:v1"] == [found.images[0].references[0].familiar]


def test_documents_come_first_and_the_order_never_changes(directory: Path) -> None:
    members = members_of(directory)
    names = [member.name for member in members]
    blobs = names[2:]
    assert (["oci-layout", "index.json"], sorted(blobs)) == (names[:2], blobs)
    offsets = [sum(one.size_bytes for one in members[:number]) for number in range(len(members))]
    assert offsets == [member.offset_bytes for member in members]


def test_what_lies_beside_the_layout_is_not_read(directory: Path) -> None:
    before = members_of(directory)
    (directory / "README").write_bytes(b"hello")
    (directory / "ingest").mkdir()
    (directory / "ingest" / "draft").write_bytes(b"{}")
    (directory / "blobs" / "stray").write_bytes(b"{}")
    assert before == members_of(directory)


def test_bytes_read_grow_to_those_of_the_directory(directory: Path) -> None:
    seen = []
    with open_bundle(bundle_file(directory)) as opened:
        for number, _ in enumerate(opened.archive):
            opened.archive.read(7 if number % 2 else 1 << 20)
            seen.append(opened.read_bytes)
        opened.finish()
        assert tree_bytes(directory) == opened.read_bytes
    assert seen == sorted(seen)


def test_a_cancel_ends_the_reading(directory: Path) -> None:
    def go_on() -> None:
        raise Cancelled("ended")

    with pytest.raises(Cancelled):
        list_bundle(bundle_file(directory), go_on)


@pytest.mark.parametrize("kind", ["manifest", "config", "layer"])
def test_a_missing_blob_is_named(directory: Path, kind: str) -> None:
    blob = {"manifest": manifest_of(NODE), "config": NODE.config, "layer": packed(NODE.layers[1])}
    name = blob_name(blob[kind])
    (directory / name).unlink()
    with pytest.raises(BundleCorrupt, match=Path(name).name):
        list_bundle(bundle_file(directory))


@pytest.mark.parametrize("kind", ["manifest", "config", "layer"])
def test_a_damaged_blob_is_told(directory: Path, kind: str) -> None:
    blob = {"manifest": manifest_of(NODE), "config": NODE.config, "layer": packed(NODE.layers[1])}
    path = directory / blob_name(blob[kind])
    data = bytearray(blob[kind])
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match="layout: "):
        verify_bundle(bundle_file(directory))


def test_another_layer_under_the_name_of_one_is_told(tmp_path: Path) -> None:
    layout = Layout()
    directory = layout.write(tmp_path / "layout", layout.image(PAUSE, PLAIN))
    (directory / blob_name(PAUSE.layers[0])).write_bytes(layer_tar(9, 2000))
    with pytest.raises(BundleCorrupt, match="layer 1 of 1 is damaged"):
        verify_bundle(bundle_file(directory))


@pytest.mark.parametrize("name", ["blobs/sha256/" + "0" * 64, "manifest.json"])
def test_a_link_is_refused(directory: Path, name: str) -> None:
    (directory / name).symlink_to("/etc/hostname")
    with pytest.raises(UnsafeBundle, match="is no plain file"):
        list_bundle(bundle_file(directory))


def test_a_link_to_a_blob_is_refused(directory: Path) -> None:
    path = directory / blob_name(packed(NODE.layers[0]))
    path.rename(directory.parent / "elsewhere")
    path.symlink_to(directory.parent / "elsewhere")
    with pytest.raises(UnsafeBundle, match="is no plain file"):
        list_bundle(bundle_file(directory))


@pytest.mark.parametrize("name", ["blobs", "blobs/sha256"])
def test_a_link_to_a_folder_is_refused(directory: Path, name: str) -> None:
    """Else what lies anywhere on this machine would be read as part of the bundle."""
    (directory / name).rename(directory.parent / "elsewhere")
    (directory / name).symlink_to(directory.parent / "elsewhere")
    with pytest.raises(UnsafeBundle):
        list_bundle(bundle_file(directory))


def test_what_is_neither_file_nor_link_is_refused(directory: Path) -> None:
    os.mkfifo(directory / "blobs" / "sha256" / "pipe")
    with pytest.raises(UnsafeBundle, match="'pipe' is no plain file"):
        list_bundle(bundle_file(directory))


def test_a_folder_among_the_blobs_is_refused(directory: Path) -> None:
    (directory / "blobs" / "sha256" / "deeper").mkdir()
    with pytest.raises(UnsafeBundle, match="'deeper' is no plain file"):
        list_bundle(bundle_file(directory))


def test_files_without_measure_are_refused(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_module, "MAX_FILES", 5)
    with pytest.raises(UnsafeBundle, match="more than 5 files"):
        list_bundle(bundle_file(directory))


def test_a_bad_layout_does_not_hide_the_other_bundles(directory: Path, tmp_path: Path) -> None:
    good = Layout()
    good.write(tmp_path / "good", good.image(PAUSE))
    (directory / "manifest.json").symlink_to("/etc/hostname")
    assert ["good", "layout"] == [file.name for file in find_bundles(tmp_path)[0]]


def test_a_file_that_gets_shorter_is_told(directory: Path) -> None:
    path = max(directory.rglob("*"), key=lambda found: found.stat().st_size)
    with open_bundle(bundle_file(directory)) as opened:
        for member in opened.archive:
            if member.name.endswith(path.name):
                opened.archive.read(1000)
                os.truncate(path, 2000)
                with pytest.raises(BundleTruncated, match="layout: a file got shorter"):
                    opened.archive.read(1 << 20)
                return
    pytest.fail("the file was not read")


def test_a_file_that_grows_is_read_as_far_as_it_was(directory: Path) -> None:
    path = directory / "oci-layout"
    size = path.stat().st_size
    with open_bundle(bundle_file(directory)) as opened:
        next(members := iter(opened.archive))
        path.write_bytes(path.read_bytes() + b"more")
        assert size == len(opened.archive.read(1 << 20))
        assert b"" == opened.archive.read(1)
        next(members)


def test_a_file_that_vanishes_is_told(directory: Path) -> None:
    file = bundle_file(directory)
    with open_bundle(file) as opened:
        members = iter(opened.archive)
        next(members)
        (directory / "index.json").unlink()
        with pytest.raises(BundleError, match=r"index\.json: cannot be read: No such file"):
            next(members)


@pytest.mark.parametrize("name", ["oci-layout", "index.json"])
def test_a_directory_that_lacks_what_makes_a_layout(directory: Path, name: str) -> None:
    (directory / name).unlink()
    with pytest.raises(BundleError, match="no directory with an OCI image layout"):
        bundle_file(directory)


def test_a_changed_blob_makes_it_another_bundle(directory: Path) -> None:
    before = bundle_file(directory)
    assert before == bundle_file(directory)
    path = next((directory / "blobs" / "sha256").iterdir())
    os.utime(path, ns=(0, before.modified_ns + 10))
    assert before.key != bundle_file(directory).key


def test_platforms_that_are_not_there_are_noted(tmp_path: Path) -> None:
    layout = Layout()
    there = noted(layout.image(NODE), on_platform("linux/amd64"))
    absent = noted(Layout().image(PAUSE), on_platform("linux/arm64"))
    index = noted(layout.index(there, absent), full_name(NODE.tags[0]))
    found = list_bundle(bundle_file(layout.write(tmp_path / "layout", index)))
    assert facts_wanted([NODE]) == facts_of(found.images)
    assert [(NODE.tags[0], "linux/arm64")] == [(one.what, one.platform) for one in found.left_out]
