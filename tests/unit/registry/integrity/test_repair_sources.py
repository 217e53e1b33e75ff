"""Bundles in parts, in directories, compressed in every way, out of pipes, with checksums."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import BundleCorrupt, BundleError, BundleTruncated
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.importing import Importer
from tests.support.layouts import packed
from tests.support.oci import GZIP, PLAIN, ZSTD, Kinds, zstd_packed
from tests.support.pipes import fed_pipe
from tests.support.platforms import layout_of, several, split, two_platforms, write_layout
from tests.support.reading import facts_of, facts_wanted
from tests.support.stored import Storage

IMAGE = ImageSpec(["quay.io/a/b:1"], [layer_tar(1, 9000), layer_tar(2, 4000)])
IMAGES = [IMAGE, ImageSpec(["pause:3.5", "pause:latest"], [layer_tar(3, 400_000)])]
ARCHIVE = docker_archive(IMAGES)
TAGS = ["a/b:1", "pause:3.5", "pause:latest"]
Pack = Callable[[bytes], bytes]
packings = pytest.mark.parametrize(
    "pack",
    [bytes, gzip.compress, zstd_packed, lzma.compress, bz2.compress],
    ids=["plain", "gzip", "zstd", "xz", "bzip2"],
)


def sum_of(data: bytes, algorithm: str) -> str:
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()


@packings
def test_however_the_bundle_is_compressed(importer: Importer, stored: Storage, pack: Pack) -> None:
    done = importer.put(pack(ARCHIVE))
    assert facts_wanted(IMAGES) == facts_of(done.bundle.images)
    assert TAGS == stored.tags()


@packings
def test_out_of_a_pipe(importer: Importer, stored: Storage, tmp_path: Path, pack: Pack) -> None:
    told: list[int] = []
    with fed_pipe(tmp_path / "pipe", pack(ARCHIVE)) as pipe:
        done = importer.ingest(pipe, told.append)
    assert facts_wanted(IMAGES) == facts_of(done.bundle.images)
    assert (sorted(told), len(pack(ARCHIVE))) == (told, told[-1])
    assert [] == stored.upload_data()


def test_a_pipe_that_ends_too_early(importer: Importer, stored: Storage, tmp_path: Path) -> None:
    with (
        fed_pipe(tmp_path / "pipe", ARCHIVE[: len(ARCHIVE) // 2]) as pipe,
        pytest.raises(BundleTruncated, match="pipe: ends in the middle"),
    ):
        importer.ingest(pipe)
    assert ([], []) == (stored.tags(), stored.upload_data())


def test_small_layers_out_of_a_pipe_are_not_sent_twice(importer: Importer, tmp_path: Path) -> None:
    importer.ingest(docker_archive([IMAGE]))
    with fed_pipe(tmp_path / "pipe", docker_archive([IMAGE])) as pipe:
        done = importer.ingest(pipe)
    assert (0, 2) == (done.sent_layers, done.kept_layers)


@packings
@pytest.mark.parametrize("parts", [2, 7])
def test_in_parts(
    importer: Importer, stored: Storage, tmp_path: Path, pack: Pack, parts: int
) -> None:
    told: list[int] = []
    first, *_ = split(pack(ARCHIVE), tmp_path / "b.tar", parts)
    done = importer.ingest(first, told.append)
    assert facts_wanted(IMAGES) == facts_of(done.bundle.images)
    assert ("b.tar", len(pack(ARCHIVE))) == (done.bundle.name, told[-1])
    assert [] == stored.upload_data()


@pytest.mark.parametrize("lost", [1, 2])
def test_a_part_that_is_missing_is_named_and_leaves_nothing(
    importer: Importer, stored: Storage, tmp_path: Path, lost: int
) -> None:
    parts = split(ARCHIVE, tmp_path / "b.tar", 3)
    parts[lost].unlink()
    with pytest.raises(BundleError, match=rf"b\.tar\.0{lost}"):
        importer.ingest(parts[0])
    assert ([], []) == (stored.tags(), stored.upload_data())


@pytest.mark.parametrize("kinds", [GZIP, PLAIN, ZSTD], ids=["gzip", "plain", "zstd"])
def test_an_oci_layout_that_is_a_directory(
    importer: Importer, stored: Storage, tmp_path: Path, kinds: Kinds
) -> None:
    told: list[int] = []
    directory = write_layout(tmp_path / "layout", layout_of(IMAGE, kinds))
    bundle = importer.put(directory).bundle
    assert facts_wanted([IMAGE]) == facts_of(bundle.images)
    assert ["a/b:1"] == stored.tags()
    again = importer.ingest(directory, told.append)
    assert (0, 2) == (again.sent_layers, again.kept_layers)
    assert sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) == told[-1]


def test_a_directory_with_several_platforms(importer: Importer, tmp_path: Path) -> None:
    directory = write_layout(tmp_path / "layout", several(two_platforms()))
    bundle = importer.put(directory).bundle
    assert facts_wanted(two_platforms()) == facts_of(bundle.images)
    assert bundle.lists[0].manifest_digest == importer.client.manifest_digest("site/both", "1")


def test_a_damaged_blob_in_a_directory(importer: Importer, stored: Storage, tmp_path: Path) -> None:
    entries = layout_of(IMAGE, PLAIN)
    directory = write_layout(tmp_path / "layout", entries)
    (name,) = [entry.name for entry in entries if entry.data == IMAGE.layers[1]]
    (directory / name).write_bytes(layer_tar(9, 4000))
    with pytest.raises(BundleCorrupt, match=r"layer 2 of 2 is damaged"):
        importer.ingest(directory)
    assert ([], []) == (stored.tags(), stored.upload_data())


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
@pytest.mark.parametrize("pack", [bytes, packed], ids=["plain", "gzip"])
def test_a_checksum_that_fits(importer: Importer, pack: Pack, algorithm: str) -> None:
    path = importer.written(pack(ARCHIVE))
    path.with_name(f"b.tar.{algorithm}").write_text(
        f"{sum_of(path.read_bytes(), algorithm)}  b.tar\n"
    )
    assert facts_wanted(IMAGES) == facts_of(importer.put(path).bundle.images)


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
@pytest.mark.parametrize("pack", [bytes, packed], ids=["plain", "gzip"])
def test_a_checksum_that_does_not_fit_leaves_no_tag_and_no_upload(
    importer: Importer, stored: Storage, pack: Pack, algorithm: str
) -> None:
    """Every image of it is whole; the difference is behind the archive's end, say."""
    path = importer.written(pack(ARCHIVE))
    sums = path.with_name(f"{algorithm.upper()}SUMS")
    sums.write_text(f"{sum_of(b'other', algorithm)} *b.tar\n")
    with pytest.raises(BundleCorrupt, match=rf"its {algorithm} checksum is .*{sums.name} says"):
        importer.put(path)
    assert ([], []) == (stored.tags(), stored.upload_data())


def test_checksums_of_parts(importer: Importer, stored: Storage, tmp_path: Path) -> None:
    parts = split(ARCHIVE, tmp_path / "b.tar", 3)
    lines = [f"{sum_of(part.read_bytes(), 'sha256')}  {part.name}\n" for part in parts]
    sums = tmp_path / "SHA256SUMS"
    sums.write_text("".join(lines))
    assert facts_wanted(IMAGES) == facts_of(importer.ingest(parts[0]).bundle.images)
    sums.write_text(lines[0] + lines[1] + f"{sum_of(b'other', 'sha256')}  {parts[2].name}\n")
    with pytest.raises(BundleCorrupt, match=r"b\.tar\.02: its sha256 checksum"):
        importer.put(parts[0])
    assert [] == stored.tags()


def test_a_second_import_compares_checksums_all_the_same(importer: Importer) -> None:
    """Nothing is sent, and yet every byte is read."""
    path = importer.written(ARCHIVE)
    importer.put(path)
    path.with_name("SHA256SUMS").write_text(f"{sum_of(b'other', 'sha256')}  b.tar\n")
    with pytest.raises(BundleCorrupt, match="its sha256 checksum"):
        importer.put(path)
