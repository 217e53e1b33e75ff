"""What of a directory is a bundle, and why the rest is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.bundle.discovery import Ignored, bundle_file, find_bundles, gap_in
from core.errors import BundleError
from tests.support.archives import docker_archive, sample_images, write_bundle
from tests.support.layouts import Entry, tar_bytes
from tests.support.oci import Layout, zstd_packed

OTHER = "another artifact of the site, not images"
CHECKSUMS = "checksums, compared when their bundle is read"
SIGNATURE = "a signature"
NO_ARCHIVE = "not an archive"
NO_LAYOUT = "a directory, and no OCI image layout"


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
        "images.tar.zst",
        "images-1.10",
    ],
)
def test_bundles_are_told_by_content(tmp_path: Path, name: str) -> None:
    write_bundle(tmp_path / name, sample_images()[1:2])
    assert ([name], []) == names_in(tmp_path)


@pytest.mark.parametrize("name", ["images.tar.zst", "images"])
def test_compressed_bundles_are_told_by_content(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(zstd_packed(docker_archive(sample_images()[1:2])))
    assert ([name], []) == names_in(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "docker-5.6.0.tar.gz",
        "docker-8-5.11.0.tar.gz",
        "docker-9-5.11.0.tar.gz",
        "docker-ubuntu-5.11.0.tar.gz",
        "docker-5.6.0.tar.gz.00",
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
    ("name", "content", "reason"),
    [
        ("README", b"hello", NO_ARCHIVE),
        ("notes.txt", b"x" * 5000, NO_ARCHIVE),
        ("nothing", b"", NO_ARCHIVE),
        ("SHA256SUMS", b"00  images.tar\n", CHECKSUMS),
        ("sha256sums.txt", b"00  images.tar\n", CHECKSUMS),
        ("MD5SUMS", b"00  images.tar\n", CHECKSUMS),
        ("images.tar.gz.sha256", b"00  images.tar.gz\n", CHECKSUMS),
        ("images.tar.gz.00.sha256", b"00  images.tar.gz.00\n", CHECKSUMS),
        ("images.tar.md5", b"00  images.tar\n", CHECKSUMS),
        ("images.tar.gz.asc", b"-----BEGIN PGP SIGNATURE-----\n", SIGNATURE),
        ("images.tar.gz.sig", b"\x89\x02", SIGNATURE),
        ("SHA256SUMS.asc", b"-----BEGIN PGP SIGNATURE-----\n", SIGNATURE),
    ],
)
def test_what_is_no_archive_is_ignored(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert ([], [Ignored(name, reason)]) == names_in(tmp_path)


@pytest.mark.parametrize(
    "name", ["SHA512SUMS", "images.tar.sha512", "images.tar.gz.sha512", "images.tar.sha1"]
)
def test_checksums_of_other_kinds_are_no_bundles(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"00  images.tar\n")
    assert [] == names_in(tmp_path)[0]


def test_what_is_no_file_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "directory.tar").mkdir()
    (tmp_path / "broken.tar").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.tar")
    assert [
        Ignored("broken.tar", "not a file"),
        Ignored("directory.tar", NO_LAYOUT),
        Ignored("pipe.tar", "not a file"),
    ] == find_bundles(tmp_path)[1]


def test_hidden_files_are_not_spoken_of(tmp_path: Path) -> None:
    (tmp_path / ".images.tar.part").write_bytes(docker_archive(sample_images()))
    assert ([], []) == names_in(tmp_path)


def test_a_damaged_tar_is_a_bundle_that_will_be_refused(tmp_path: Path) -> None:
    """To pass over it in silence would leave a site without its images."""
    for name in ("images.tar", "more.tar.gz", "most.tgz", "parts.tar.gz.00"):
        (tmp_path / name).write_bytes(b"junk" if name != "more.tar.gz" else b"")
    names = ["images.tar", "more.tar.gz", "most.tgz", "parts.tar.gz"]
    assert (names, []) == names_in(tmp_path)


def test_in_the_order_of_names_and_through_links(tmp_path: Path) -> None:
    write_bundle(tmp_path / "c.tar", sample_images()[1:2])
    for name in ("b.tar", "a.tar"):
        (tmp_path / name).symlink_to("c.tar")
    assert (["a.tar", "b.tar", "c.tar"], []) == names_in(tmp_path)


def test_files_parts_and_layouts_in_one_directory(tmp_path: Path) -> None:
    image = sample_images()[1]
    data = docker_archive([image])
    (tmp_path / "b.tar.aa").write_bytes(data[:2000])
    (tmp_path / "b.tar.ab").write_bytes(data[2000:])
    (tmp_path / "a.tar").write_bytes(data)
    layout = Layout()
    layout.write(tmp_path / "c", layout.image(image))
    (tmp_path / "checksum").mkdir()
    assert (["a.tar", "b.tar", "c"], [Ignored("checksum", NO_LAYOUT)]) == names_in(tmp_path)


def test_names_that_paint_the_screen_are_shown_without_their_paint(tmp_path: Path) -> None:
    write_bundle(tmp_path / "a\x1b[2J.tar", sample_images()[1:2])
    (tmp_path / "b\x1b[2J.txt").write_bytes(b"hello")
    assert (["a?[2J.tar"], [Ignored("b?[2J.txt", NO_ARCHIVE)]) == names_in(tmp_path)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="No such file"):
        find_bundles(tmp_path / "nothing")


def test_the_key_tells_one_content_from_another(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "a.tar", sample_images()[1:2])
    first = bundle_file(path)
    assert first == bundle_file(path)
    os.utime(path, ns=(0, first.modified_ns + 1))
    assert first.key != bundle_file(path).key


def test_the_key_is_the_same_wherever_the_stick_is_put_in(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "a.tar", sample_images()[1:2])
    (tmp_path / "elsewhere").mkdir()
    before = bundle_file(path).key
    assert before == bundle_file(path.rename(tmp_path / "elsewhere" / "a.tar")).key


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = docker_archive(sample_images()[1:2])
    for number in range(2):
        Path(f"x.tar.0{number}").write_bytes(data[number * 2000 :][: (2000, None)[number]])
    wanted = (Path("x.tar.00"), Path("x.tar.01"))
    for given in ("x.tar.01", "./x.tar.00", "x.tar"):
        assert wanted == bundle_file(Path(given)).parts


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ([0, 1, 2, 3], ""),
        ([0, 2, 3], "part b.tar.01 is missing"),
        ([0, 3], "parts b.tar.01 and 1 more are missing"),
        ([1, 2, 3], "part b.tar.00 is missing"),
        ([0, 1, 2], ""),
    ],
)
def test_parts_that_are_seen_to_be_missing(tmp_path: Path, there: list[int], said: str) -> None:
    data = docker_archive(sample_images()[2:])
    for number in there:
        quarter = len(data) // 4 + 1
        part = data[number * quarter : (number + 1) * quarter]
        (tmp_path / f"b.tar.{number:02}").write_bytes(part)
    (file,), _ = find_bundles(tmp_path)
    assert said == gap_in(file)


def test_a_bundle_of_one_file_has_no_gap(tmp_path: Path) -> None:
    assert "" == gap_in(bundle_file(write_bundle(tmp_path / "b.tar", sample_images()[1:2])))
