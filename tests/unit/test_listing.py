"""What of a directory is a bundle, and why the rest is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.bundle import Ignored, bundle_file, find_bundles, list_bundle
from core.errors import BundleError, BundleTruncated, NotABundle
from tests.support.archives import docker_archive, sample_images, write_bundle
from tests.support.layouts import Entry, tar_bytes

OTHER = "another artifact of the site, not images"


def names_in(directory: Path) -> tuple[list[str], list[Ignored]]:
    bundles, ignored = find_bundles(directory)
    return [file.name for file in bundles], ignored


@pytest.mark.parametrize(
    "name",
    [
        "docker-imgs-v-5.6.0-2161634.tar.gz",
        "kubedu-imgs-v-5.6.0-2161634.tar.gz",
        "images.tar",
        "images.tgz",
        "images",
        "IMAGES.TAR",
    ],
)
def test_bundles_are_told_by_content(tmp_path: Path, name: str) -> None:
    write_bundle(tmp_path / name, sample_images()[1:2])
    assert ([name], []) == names_in(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "docker-5.6.0.tar.gz",
        "docker-8-5.11.0.tar.gz",
        "docker-9-5.11.0.tar.gz",
        "docker-ubuntu-5.11.0.tar.gz",
        "hostagent-5.6.0.tar.gz",
        "nodelet.tar.gz",
        "nodelet-1.2.tar.gz",
        "pf9-kube-1.21.tar.gz",
        "pf9-deploy-1.tar",
        "ansible-2.tar.gz",
        "du-5.6.0.tar.gz",
        "airctl-5.6.0.tar.gz",
        "install.sh",
    ],
)
def test_other_artifacts_are_ignored_with_the_reason(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(tar_bytes([Entry("x", b"y")]))
    assert ([], [Ignored(name, OTHER)]) == names_in(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("README", b"hello"),
        ("notes.txt", b"x" * 5000),
        ("nothing", b""),
        ("SHA256SUMS", b"00  images.tar\n"),
        ("images.tar.gz.sha256", b"00  images.tar.gz\n"),
        ("images.tar.md5", b"00  images.tar\n"),
        ("images.tar.gz.asc", b"-----BEGIN PGP SIGNATURE-----\n"),
    ],
)
def test_what_is_no_archive_is_ignored(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert ([], [Ignored(name, "not an archive")]) == names_in(tmp_path)


def test_what_is_no_file_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "directory.tar").mkdir()
    (tmp_path / "broken.tar").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.tar")
    assert ([], ["broken.tar", "directory.tar", "pipe.tar"]) == (
        find_bundles(tmp_path)[0],
        [other.name for other in find_bundles(tmp_path)[1] if other.reason == "not a file"],
    )


def test_hidden_files_are_not_spoken_of(tmp_path: Path) -> None:
    (tmp_path / ".images.tar.part").write_bytes(docker_archive(sample_images()))
    assert ([], []) == names_in(tmp_path)


def test_a_damaged_tar_is_a_bundle_that_will_be_refused(tmp_path: Path) -> None:
    """To pass over it in silence would leave a site without its images."""
    (tmp_path / "images.tar").write_bytes(b"junk")
    (tmp_path / "more.tar.gz").write_bytes(b"")
    assert (["images.tar", "more.tar.gz"], []) == names_in(tmp_path)


def test_in_the_order_of_names_and_through_links(tmp_path: Path) -> None:
    write_bundle(tmp_path / "c.tar", sample_images()[1:2])
    for name in ("b.tar", "a.tar"):
        (tmp_path / name).symlink_to("c.tar")
    assert (["a.tar", "b.tar", "c.tar"], []) == names_in(tmp_path)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="No such file"):
        find_bundles(tmp_path / "nothing")


def test_the_key_tells_one_content_from_another(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "a.tar", sample_images()[1:2])
    first = bundle_file(path)
    assert first == bundle_file(path)
    os.utime(path, ns=(0, first.modified_ns + 1))
    assert first.key != bundle_file(path).key


def test_listing_reads_names_and_sizes_only(tmp_path: Path) -> None:
    images = sample_images()
    found = list_bundle(bundle_file(write_bundle(tmp_path / "a.tar", images)))
    assert [tuple(image.tags) for image in images] == [
        tuple(name.familiar for name in image.references) for image in found.images
    ]
    assert [[len(layer) for layer in image.layers] for image in images] == [
        [layer.size_bytes for layer in image.layers] for image in found.images
    ]
    assert {""} == {layer.digest for image in found.images for layer in image.layers}
    assert not found.imported


def test_listing_refuses_what_is_not_whole(tmp_path: Path) -> None:
    data = docker_archive(sample_images())
    path = tmp_path / "a.tar"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(BundleTruncated, match=r"a\.tar"):
        list_bundle(bundle_file(path))


def test_listing_refuses_a_tar_without_images(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tar_bytes([Entry("index.json", b'{"manifests": []}')]))
    with pytest.raises(NotABundle, match=r"a\.tar: no image in it"):
        list_bundle(bundle_file(path))
