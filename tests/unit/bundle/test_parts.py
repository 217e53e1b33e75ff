"""Bundles split to fit on a stick: their parts found, put in order, and missed."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bundle.discovery import Ignored, bundle_file, find_bundles
from core.bundle.listing import list_bundle, verify_bundle
from core.bundle.model import BundleFile
from core.bundle.parts import next_part, part_name
from core.errors import BundleError, BundleTruncated
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.oci import Layout, zstd_packed
from tests.support.reading import facts_of, facts_wanted

IMAGES = [ImageSpec(["a.b/c:1"], [layer_tar(1, 20_000), layer_tar(2, 300)])]
TAR = docker_archive(IMAGES)
SERIES = {
    "two digits": ("x.tar.gz", ["x.tar.gz.00", "x.tar.gz.01", "x.tar.gz.02"]),
    "three digits": ("x.tar", ["x.tar.000", "x.tar.001", "x.tar.002"]),
    "from one": ("x.tgz", ["x.tgz.1", "x.tgz.2", "x.tgz.3"]),
    "letters": ("x.tar.gz", ["x.tar.gz.aa", "x.tar.gz.ab", "x.tar.gz.ac"]),
    "letters without a dot": ("x.tar.gz", ["x.tar.gzaa", "x.tar.gzab", "x.tar.gzac"]),
    "three letters": ("x.tar.zst", ["x.tar.zst.aaa", "x.tar.zst.aab", "x.tar.zst.aac"]),
    "part": ("x.tar", ["x.tar.part1", "x.tar.part2", "x.tar.part3"]),
    "part of two digits": ("x.tar.gz", ["x.tar.gz.part01", "x.tar.gz.part02", "x.tar.gz.part03"]),
    "part behind a hyphen": ("x", ["x-part-1", "x-part-2", "x-part-3"]),
    "part before the number": ("x.tar", ["x.tar.part.0", "x.tar.part.1", "x.tar.part.2"]),
    "beyond z": ("x.tar", ["x.tar.ay", "x.tar.az", "x.tar.ba"]),
    "beyond nine": ("x.tar", ["x.tar.part8", "x.tar.part9", "x.tar.part10"]),
}


def split(directory: Path, data: bytes, names: Sequence[str]) -> list[Path]:
    """Write a bundle in parts of about the same size."""
    size = -(-len(data) // len(names))
    paths = [directory / name for name in names]
    for number, path in enumerate(paths):
        path.write_bytes(data[number * size : (number + 1) * size])
    return paths


@pytest.mark.parametrize("kind", SERIES)
def test_any_part_or_the_name_before_it_was_split_is_the_bundle(tmp_path: Path, kind: str) -> None:
    stem, names = SERIES[kind]
    paths = split(tmp_path, gzip.compress(TAR), names)
    found = [bundle_file(path) for path in (*paths, tmp_path / stem)]
    wanted = BundleFile(
        path=paths[0],
        size_bytes=sum(path.stat().st_size for path in paths),
        modified_ns=max(path.stat().st_mtime_ns for path in paths),
        parts=tuple(paths),
        title=stem,
        fingerprint=found[0].fingerprint,
    )
    assert [wanted] * 4 == found
    assert stem == found[0].name
    assert facts_wanted(IMAGES) == facts_of(verify_bundle(found[0]).images)


@pytest.mark.parametrize("kind", SERIES)
def test_a_directory_lists_a_split_bundle_once(tmp_path: Path, kind: str) -> None:
    stem, names = SERIES[kind]
    split(tmp_path, gzip.compress(TAR), names)
    (tmp_path / "another.tar").write_bytes(TAR)
    (tmp_path / "notes.txt").write_bytes(b"hello")
    bundles, ignored = find_bundles(tmp_path)
    assert ["another.tar", stem] == [file.name for file in bundles]
    assert [Ignored("notes.txt", "not an archive")] == ignored


@pytest.mark.parametrize(
    "name",
    [
        "x.tar",
        "x.tar.gz",
        "x.tar.xz",
        "x.tar.zst",
        "x.tar.bz2",
        "x.tgz",
        "x.tzst",
        "x.img",
        "app-1.10",
        "app.10",
        "images-v5.00",
        "x.tar.20240131",
        "x.tar.gz.a",
        "x.tar.gz.AA",
        "part1",
        "x.partial",
        "x.part",
        "xaa",
        "README.md",
        "imgs",
    ],
)
def test_what_is_no_part(name: str) -> None:
    assert None is part_name(name)


def test_a_whole_bundle_is_no_part_of_another(tmp_path: Path) -> None:
    names = ["app.tar", "app.tar.gz", "app-1.tar", "app-1.10", "app-1.9", "app.tgz"]
    for name in names:
        (tmp_path / name).write_bytes(TAR)
    assert sorted(names) == [file.name for file in find_bundles(tmp_path)[0]]
    assert [()] * 6 == [bundle_file(tmp_path / name).parts for name in names]


def test_a_bundle_and_its_parts_side_by_side_are_told_apart(tmp_path: Path) -> None:
    whole = tmp_path / "x.tar"
    whole.write_bytes(TAR)
    parts = split(tmp_path, TAR, ["x.tar.00", "x.tar.01"])
    assert () == bundle_file(whole).parts
    assert tuple(parts) == bundle_file(parts[1]).parts
    assert 2 == len(find_bundles(tmp_path)[0])


def test_two_ways_to_split_are_two_bundles(tmp_path: Path) -> None:
    digits = split(tmp_path, TAR, ["x.tar.00", "x.tar.01"])
    letters = split(tmp_path, TAR, ["x.tar.aa", "x.tar.ab"])
    part = split(tmp_path, TAR, ["x.tar.part1", "x.tar.part2"])
    found = {bundle_file(path).parts for path in (*digits, *letters, *part)}
    assert {tuple(digits), tuple(letters), tuple(part)} == found


@pytest.mark.parametrize("letters", [["aa", "ab"], ["aaa", "aab"]])
@pytest.mark.parametrize("beside", ["asc", "sig", "txt", "sha256", "md5"])
def test_what_lies_beside_the_parts_is_none_of_them(
    tmp_path: Path, letters: list[str], beside: str
) -> None:
    parts = split(tmp_path, gzip.compress(TAR), [f"x.tar.gz.{one}" for one in letters])
    (tmp_path / f"x.tar.gz.{beside}").write_bytes(b"-----BEGIN PGP SIGNATURE-----\n")
    assert tuple(parts) == bundle_file(parts[0]).parts


def test_more_parts_than_letters(tmp_path: Path) -> None:
    names = [f"x.tar.{first}{second}" for first in "ab" for second in map(chr, range(97, 123))]
    parts = split(tmp_path, TAR, names[:40])
    assert tuple(parts) == bundle_file(parts[-1]).parts
    assert facts_wanted(IMAGES) == facts_of(list_bundle(bundle_file(parts[0])).images)


@pytest.mark.parametrize(
    ("last", "following"),
    [
        ("x.tar.00", "x.tar.01"),
        ("x.tar.09", "x.tar.10"),
        ("x.tar.099", "x.tar.100"),
        ("x.tar.az", "x.tar.ba"),
        ("x.tar.gzaz", "x.tar.gzba"),
        ("x.tar.part9", "x.tar.part10"),
        ("x.tar.part09", "x.tar.part10"),
        ("x-part-3", "x-part-4"),
    ],
)
def test_the_name_of_the_next_part(last: str, following: str) -> None:
    assert following == next_part((Path("x.tar.00"), Path(last)))


@pytest.mark.parametrize(
    ("names", "lost", "missing"),
    [
        (["x.tar.00", "x.tar.01", "x.tar.02"], [1], r"x\.tar\.01"),
        (["x.tar.aa", "x.tar.ab", "x.tar.ac"], [1], r"x\.tar\.ab"),
        (["x.tar.00", "x.tar.01", "x.tar.02"], [0], r"x\.tar\.00"),
        (["x.tar.aa", "x.tar.ab", "x.tar.ac"], [0], r"x\.tar\.aa"),
        (["x.tar.part1", "x.tar.part2", "x.tar.part3"], [0], r"x\.tar\.part1"),
        (["x.tar.part01", "x.tar.part02", "x.tar.part03"], [0], r"x\.tar\.part01"),
        ([f"x.tar.{n:02}" for n in range(12)], [3, 10], r"x\.tar\.03, x\.tar\.10"),
    ],
)
def test_missing_parts_are_named(
    tmp_path: Path, names: list[str], lost: list[int], missing: str
) -> None:
    parts = split(tmp_path, gzip.compress(TAR), names)
    for number in lost:
        parts[number].unlink()
    there = next(path for path in parts if path.exists())
    with pytest.raises(BundleError, match=rf"x\.tar: missing {missing} beside") as caught:
        list_bundle(bundle_file(there))
    assert "all parts" in caught.value.remedy


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd_packed])
@pytest.mark.parametrize("kind", ["two digits", "letters", "part"])
def test_the_last_part_is_missed_by_name(
    tmp_path: Path, kind: str, pack: Callable[[bytes], bytes]
) -> None:
    _, names = SERIES[kind]
    parts = split(tmp_path, pack(TAR), names)
    parts[-1].unlink()
    with pytest.raises(BundleTruncated, match=f"is there a {names[-1]}") as caught:
        list_bundle(bundle_file(parts[0]))
    assert "all parts" in caught.value.remedy


def test_a_part_that_is_cut_is_told(tmp_path: Path) -> None:
    parts = split(tmp_path, gzip.compress(TAR), ["x.tar.gz.00", "x.tar.gz.01", "x.tar.gz.02"])
    parts[1].write_bytes(parts[1].read_bytes()[:-1])
    with pytest.raises(BundleError, match=r"x\.tar\.gz: the compressed data"):
        list_bundle(bundle_file(parts[0]))


def test_an_image_without_a_name_is_named_after_the_whole(tmp_path: Path) -> None:
    layout = Layout()
    parts = split(tmp_path, layout.tar(layout.image(IMAGES[0])), ["app.tar.00", "app.tar.01"])
    found = list_bundle(bundle_file(parts[1]))
    assert ["app:latest"] == [found.images[0].references[0].familiar]


def test_a_part_that_changes_makes_it_another_bundle(tmp_path: Path) -> None:
    parts = split(tmp_path, TAR, ["x.tar.00", "x.tar.01"])
    before = bundle_file(parts[0]).key
    parts[1].write_bytes(parts[1].read_bytes() + b"\0")
    assert before != bundle_file(parts[0]).key


DATA = {"plain": TAR, "gzip": gzip.compress(TAR), "zstd": zstd_packed(TAR)}


@given(
    kind=st.sampled_from(sorted(DATA)),
    cuts=st.lists(st.floats(0, 1), max_size=11),
    stretch=st.integers(1, 50),
)
@settings(max_examples=40, deadline=None)
def test_split_anywhere_it_is_the_same_bundle(kind: str, cuts: list[float], stretch: int) -> None:
    """Cuts are drawn to the beginning as well, where the first bytes tell what it is."""
    data = DATA[kind]
    places = sorted(int(cut**stretch * len(data)) for cut in cuts)
    with tempfile.TemporaryDirectory() as name:
        for number, (start, end) in enumerate(zip([0, *places], [*places, len(data)], strict=True)):
            (Path(name) / f"x.tar.{number:02}").write_bytes(data[start:end])
        for found in map(list_bundle, find_bundles(Path(name))[0]):
            assert facts_wanted(IMAGES) == facts_of(found.images)
