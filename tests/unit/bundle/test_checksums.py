"""Checksum files beside a bundle: every way to write them, and what is compared with what."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import pytest

from core.bundle.checksums import sums_beside
from core.bundle.discovery import bundle_file
from core.bundle.listing import list_bundle, verify_bundle
from core.bundle.model import BundleFile
from core.bundle.source import open_bundle
from core.errors import BundleCorrupt, BundleError
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.oci import Layout
from tests.support.pipes import fed_pipe
from tests.support.reading import facts_of, facts_wanted

IMAGES = [ImageSpec(["a.b/c:1"], [layer_tar(1, 200_000)])]
TAR = docker_archive(IMAGES)
GZ = gzip.compress(TAR, mtime=0)
SUM = hashlib.sha256(GZ).hexdigest()
MD5 = hashlib.md5(GZ, usedforsecurity=False).hexdigest()
OTHER = "0" * 64
NAME = "x.tar.gz"

WAYS: dict[str, tuple[str, str]] = {
    "GNU": ("SHA256SUMS", "{sum}  {name}\n"),
    "GNU, binary": ("SHA256SUMS", "{sum} *{name}\n"),
    "GNU, with a path": ("SHA256SUMS", "{sum}  ./images/{name}\n"),
    "BSD": ("SHA256SUMS", "SHA256 ({name}) = {sum}\n"),
    "BSD, reversed": ("SHA256SUMS", "{sum} {name}\n"),
    "openssl 1": ("SHA256SUMS", "SHA256({name})= {sum}\n"),
    "openssl 3": ("SHA256SUMS", "SHA2-256({name})= {sum}\n"),
    "upper case": ("SHA256SUMS", "{SUM}  {name}\n"),
    "CRLF": ("SHA256SUMS", "{sum}  {name}\r\n{other}  last.tar\r\n"),
    "no line end": ("SHA256SUMS", "{sum}  {name}"),
    "among others": ("SHA256SUMS", "{other}  first.tar\n{sum}  {name}\n{other}  last.tar\n"),
    "beside one in a folder": ("SHA256SUMS", "{other}  old/{name}\n{sum}  ./{name}\n"),
    "remarks": ("SHA256SUMS", "# by hand\n\n{sum}  {name}\n-- \nEnd of file\n"),
    "lower-case list": ("sha256sums.txt", "{sum}  {name}\n"),
    "upper-case list": ("SHA256SUMS.TXT", "{sum}  {name}\n"),
    "folder": ("checksum/sha256sums.txt", "{sum}  {name}\n"),
    "folder, from above": ("checksum/SHA256SUMS", "{sum}  ../{name}\n"),
    "MD5 list": ("MD5SUMS", "{md5}  {name}\n"),
    "own": (f"{NAME}.sha256", "{sum}  {name}\n"),
    "own, bare": (f"{NAME}.sha256", "{sum}"),
    "own, bare, upper case and CRLF": (f"{NAME}.sha256", "{SUM}\r\n"),
    "own, with a byte order mark": (f"{NAME}.sha256", "\ufeff{sum}\r\n"),
    "own, under the name that it had elsewhere": (f"{NAME}.sha256", "{sum}  build/out.tar.gz\n"),
    "own, of other files too": (f"{NAME}.sha256", "{other}  first.tar\n{sum}  {name}\n"),
    "own, MD5": (f"{NAME}.md5", "{md5} *{name}\n"),
    "own, MD5, bare": (f"{NAME}.md5", "{md5}\n"),
    "own, MD5, BSD": (f"{NAME}.md5", "MD5 ({name}) = {md5}\n"),
}


@pytest.fixture
def bundle(tmp_path: Path) -> BundleFile:
    path = tmp_path / NAME
    path.write_bytes(GZ)
    return bundle_file(path)


def write_sums(directory: Path, way: str, *, wrong: bool = False, name: str = NAME) -> Path:
    """Write a checksum file in one of the ways; the checksum is another if it is to be wrong."""
    place, text = WAYS[way]
    sha256, md5 = ("f" * 64, "f" * 32) if wrong else (SUM, MD5)
    path = directory / place
    path.parent.mkdir(exist_ok=True)
    filled = text.format(sum=sha256, SUM=sha256.upper(), md5=md5, name=name, other=OTHER)
    path.write_bytes(filled.encode())
    return path


@pytest.mark.parametrize("way", WAYS)
def test_a_right_checksum(bundle: BundleFile, tmp_path: Path, way: str) -> None:
    write_sums(tmp_path, way)
    assert 1 == len(sums_beside(bundle))
    assert facts_wanted(IMAGES) == facts_of(verify_bundle(bundle).images)


@pytest.mark.parametrize("way", WAYS)
def test_a_wrong_checksum_is_told_with_both_files(
    bundle: BundleFile, tmp_path: Path, way: str
) -> None:
    written = write_sums(tmp_path, way, wrong=True)
    with pytest.raises(BundleCorrupt) as caught:
        verify_bundle(bundle)
    assert [True] * 4 == [
        word in caught.value.what
        for word in (NAME, written.name, "f" * 32, MD5 if "MD5" in way else SUM)
    ]


def test_escaped_names(tmp_path: Path) -> None:
    """What sha256sum does with a backslash in a name: one before the line, and two for one."""
    path = tmp_path / "odd\\x.tar.gz"
    path.write_bytes(GZ)
    for checksum in (SUM, "f" * 64):
        (tmp_path / "SHA256SUMS").write_text(f"\\{checksum}  odd\\\\x.tar.gz\n", encoding="utf-8")
        assert [checksum] == [found.expected for found in sums_beside(bundle_file(path))]


def test_an_escaped_own_checksum(tmp_path: Path) -> None:
    path = tmp_path / "odd\\x.tar.gz"
    path.write_bytes(GZ)
    (tmp_path / f"{path.name}.sha256").write_text(f"\\{OTHER}  odd\\\\x.tar.gz\n", encoding="utf-8")
    with pytest.raises(BundleCorrupt, match="sha256 checksum"):
        verify_bundle(bundle_file(path))


def test_the_list_that_speaks_of_other_files_is_passed_over(
    bundle: BundleFile, tmp_path: Path
) -> None:
    text = f"{OTHER}  other.tar.gz\n{OTHER}  x.tar\n{OTHER}  y{NAME}\n{OTHER}\n"
    (tmp_path / "SHA256SUMS").write_text(text, encoding="utf-8")
    assert [] == sums_beside(bundle)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no checksum",
        SUM[:-1],
        MD5,
        f"{SUM}0",
        "g" * 64,
        f"{SUM}  a.tar\n{OTHER}  b.tar\n",
        f"{SUM}\n{OTHER}\n",
    ],
)
def test_an_own_file_that_says_nothing_is_an_error(
    bundle: BundleFile, tmp_path: Path, text: str
) -> None:
    """It was meant for this bundle, so to pass over it would be to trust blindly."""
    (tmp_path / f"{NAME}.sha256").write_text(text, encoding="utf-8")
    with pytest.raises(BundleError, match=r"x\.tar\.gz\.sha256: holds no sha256 checksum of x\."):
        verify_bundle(bundle)


def test_the_own_file_counts_more_than_the_list(bundle: BundleFile, tmp_path: Path) -> None:
    write_sums(tmp_path, "GNU", wrong=True)
    write_sums(tmp_path, "own")
    assert [f"{NAME}.sha256"] == [found.written_in.name for found in sums_beside(bundle)]
    verify_bundle(bundle)


def test_both_kinds_are_compared(bundle: BundleFile, tmp_path: Path) -> None:
    write_sums(tmp_path, "own")
    write_sums(tmp_path, "own, MD5", wrong=True)
    with pytest.raises(BundleCorrupt, match=r"md5 checksum is .*x\.tar\.gz\.md5 says"):
        verify_bundle(bundle)


def test_a_list_that_cannot_be_read_is_told(bundle: BundleFile, tmp_path: Path) -> None:
    (tmp_path / "SHA256SUMS").symlink_to("/proc/self/mem")  # a file, and no byte of it is readable
    with pytest.raises(BundleError, match="SHA256SUMS: cannot be read"):
        sums_beside(bundle)


def parts_of(directory: Path) -> list[Path]:
    paths = [directory / f"{NAME}.0{number}" for number in range(3)]
    size = len(GZ) // 3 + 1
    for number, path in enumerate(paths):
        path.write_bytes(GZ[number * size : (number + 1) * size])
    return paths


def line_of(path: Path) -> str:
    return f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"


def test_checksums_of_parts(tmp_path: Path) -> None:
    parts = parts_of(tmp_path)
    (tmp_path / "SHA256SUMS").write_text("".join(map(line_of, parts)), encoding="utf-8")
    file = bundle_file(parts[0])
    assert parts == [found.path for found in sums_beside(file)]
    assert facts_wanted(IMAGES) == facts_of(verify_bundle(file).images)


def test_a_wrong_part_is_named(tmp_path: Path) -> None:
    parts = parts_of(tmp_path)
    lines = [line_of(path) for path in parts]
    lines[1] = f"{OTHER}  {parts[1].name}\n"
    (tmp_path / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
    with pytest.raises(BundleCorrupt, match=r"x\.tar\.gz\.01: .*SHA256SUMS says"):
        verify_bundle(bundle_file(parts[0]))


def test_own_checksums_of_parts(tmp_path: Path) -> None:
    parts = parts_of(tmp_path)
    for path in parts[:2]:
        path.with_name(f"{path.name}.sha256").write_text(line_of(path), encoding="utf-8")
    assert parts[:2] == [found.path for found in sums_beside(bundle_file(parts[0]))]
    verify_bundle(bundle_file(parts[0]))


@pytest.mark.parametrize("way", ["GNU", "own", "own, MD5"])
def test_the_checksum_of_the_whole_is_compared_over_all_parts(tmp_path: Path, way: str) -> None:
    file = bundle_file(parts_of(tmp_path)[0])
    write_sums(tmp_path, way)
    verify_bundle(file)
    write_sums(tmp_path, way, wrong=True)
    with pytest.raises(BundleCorrupt, match=r"^x\.tar\.gz: its"):
        verify_bundle(file)


def test_checksums_of_parts_and_whole_together(tmp_path: Path) -> None:
    parts = parts_of(tmp_path)
    lines = [f"{SUM}  {NAME}\n", *map(line_of, parts)]
    (tmp_path / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
    assert [None, *parts] == [found.path for found in sums_beside(bundle_file(parts[0]))]
    verify_bundle(bundle_file(parts[0]))


def test_every_byte_is_read_for_a_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that nobody else looks at: content of members, padding, what follows the end."""
    data = TAR + bytes(10_000)
    path = tmp_path / "x.tar"
    path.write_bytes(data)
    text = hashlib.sha256(data).hexdigest()
    path.with_name("x.tar.sha256").write_text(text, encoding="utf-8")
    monkeypatch.setattr("core.bundle.source.RawSource.skip", lambda *_: pytest.fail("sought"))
    with open_bundle(bundle_file(path)) as opened:
        next(iter(opened.archive))
        opened.finish()
        assert len(data) == opened.read_bytes


@pytest.mark.parametrize("place", [0.3, 0.9, 1.0])
def test_a_flipped_bit_that_nothing_else_tells(tmp_path: Path, place: float) -> None:
    """In the padding behind the end mark, in a tar's header field that nobody reads."""
    path = tmp_path / "x.tar"
    data = bytearray(TAR + bytes(10_000))
    path.with_name("x.tar.sha256").write_text(hashlib.sha256(data).hexdigest(), encoding="utf-8")
    data[len(TAR) + int(place * 9_999)] = 1
    path.write_bytes(data)
    with pytest.raises(BundleCorrupt, match="checksum"):
        verify_bundle(bundle_file(path))


def test_a_list_only_lists(bundle: BundleFile, tmp_path: Path) -> None:
    """It reads no more than it must, so it compares nothing."""
    write_sums(tmp_path, "own", wrong=True)
    assert facts_wanted(IMAGES) == facts_of(list_bundle(bundle).images)


@pytest.mark.parametrize(("wrong", "fine"), [(False, True), (True, False)])
def test_a_pipe_has_checksums_too(tmp_path: Path, wrong: bool, fine: bool) -> None:
    write_sums(tmp_path, "GNU", wrong=wrong)
    with fed_pipe(tmp_path / NAME, GZ):
        try:
            verify_bundle(bundle_file(tmp_path / NAME))
            found = True
        except BundleCorrupt:
            found = False
    assert fine == found


def test_a_directory_has_none(tmp_path: Path) -> None:
    layout = Layout()
    path = layout.write(tmp_path / "x", layout.image(IMAGES[0]))
    (tmp_path / "x.sha256").write_text("nonsense", encoding="utf-8")
    assert [] == sums_beside(bundle_file(path))


@pytest.mark.parametrize(
    "junk", [b"\xff\xfe" + f"{SUM}  {NAME}".encode("utf-16-le"), b"\0" * 99, b"\xff" * 99]
)
def test_lists_that_are_no_text_are_passed_over(
    bundle: BundleFile, tmp_path: Path, junk: bytes
) -> None:
    (tmp_path / "SHA256SUMS").write_bytes(junk)
    assert [] == sums_beside(bundle)


@pytest.mark.parametrize("name", ["SHA256SUMS", "x.tar.gz.sha256", "MD5SUMS"])
@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_what_is_called_like_checksums_and_is_no_file_is_passed_over(
    tmp_path: Path, name: str, kind: str
) -> None:
    """A read of such a pipe would wait for ever, and a directory is no fault of the bundle's."""
    (tmp_path / "x.tar.gz").write_bytes(b"x")
    if kind == "pipe":
        os.mkfifo(tmp_path / name)
    else:
        (tmp_path / name).mkdir()
    assert [] == sums_beside(bundle_file(tmp_path / "x.tar.gz"))


def test_a_file_whose_name_has_no_room_for_an_ending(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 251 + ".tar")
    path.write_bytes(b"x")
    listed = f"{hashlib.sha256(b'x').hexdigest()}  {path.name}\n"
    assert [] == sums_beside(bundle_file(path))
    (tmp_path / "SHA256SUMS").write_text(listed)
    assert ["sha256"] == [one.algorithm for one in sums_beside(bundle_file(path))]
