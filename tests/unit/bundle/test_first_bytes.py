"""What is told of a file that is no tar, packed or not: what it is, and what to do."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from core.bundle.discovery import bundle_file, find_bundles
from core.bundle.first_bytes import form_of
from core.bundle.listing import list_bundle, verify_bundle
from core.errors import BundleError, NotABundle
from tests.support.archives import ImageSpec, docker_archive, layer_tar

ARCHIVE = docker_archive([ImageSpec(["a.b/c:1"], [layer_tar(1, 2000)])])


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("bundle.tar", ARCHIVE)
    return buffer.getvalue()


FORMS = {
    "lz4": (b"\x04\x22\x4d\x18\x64\x40\xa7" + ARCHIVE, "packed with lz4", "lz4 -d"),
    "lz4 -l": (b"\x02\x21\x4c\x18" + ARCHIVE, "packed with lz4", "lz4 -d"),
    "compress": (b"\x1f\x9d\x90" + ARCHIVE, "packed with compress", "uncompress"),
    "lzip": (b"LZIP\1" + ARCHIVE, "packed with lzip", "lzip -d"),
    "lzop": (b"\x89LZO\0\r\n\x1a\n" + ARCHIVE, "packed with lzop", "lzop -d"),
    "lzma": (b"\x5d\0\0\x80\0" + ARCHIVE, "packed with lzma", "xz "),
    "snappy": (b"\xff\x06\0\0sNaPpY" + ARCHIVE, "packed with snappy", "snzip"),
    "zip": (zipped(), "a zip archive", "unzip"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4" + ARCHIVE, "a 7z archive", "7z x"),
    "rar": (b"Rar!\x1a\x07\1\0" + ARCHIVE, "a RAR archive", "unrar"),
    "cpio": (b"070701" + b"0" * 600, "a cpio archive", "cpio"),
    "debian": (b"!<arch>\ndebian-binary   " + b"0" * 600, "a Debian package", "dockerRepo"),
    "rpm": (b"\xed\xab\xee\xdb\3\0" + bytes(600), "an RPM package", "dockerRepo"),
    "page": (b"\n<!DOCTYPE html><html>" + b"x" * 600, "a web page", "in its place"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS", "in its"),
    "json": (b'{"errors": []}' * 50, "JSON text", "imagesDir"),
    "text": (b"hello\n" * 1000, "text", "imagesDir"),
    "mark": (b"\xef\xbb\xbf" + ARCHIVE, "behind a byte order mark", "copies bytes"),
    "mark and text": (b"\xff\xfeh\0i\0" * 300, "byte order mark", "imagesDir"),
    "encrypted": (b"Salted__" + ARCHIVE, "encrypted (openssl enc)", "Decrypt"),
    "program": (b"\x7fELF" + bytes(600), "a program", "imagesDir"),
    "twice": (gzip.compress(ARCHIVE), "compressed twice", "once"),
}


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_no_tar_is_told_as_what_it_is(tmp_path: Path, kind: str, packed: bool) -> None:
    data, what, remedy = FORMS[kind]
    is_packed = packed or kind == "twice"
    path = tmp_path / "bundle.tar"
    path.write_bytes(gzip.compress(data) if is_packed else data)
    for read in (list_bundle, verify_bundle):
        with pytest.raises(NotABundle) as told:
            read(bundle_file(path))
        if kind != "pointer":  # too short for a tar, so that is told of text
            assert what in told.value.what
            assert remedy in told.value.remedy
        assert "Do not use" not in told.value.remedy
        assert "opy it again" not in told.value.remedy


@pytest.mark.parametrize("head", [ARCHIVE[:512], b"", b"\0" * 512, bytes(range(1, 200))])
def test_what_says_nothing_is_none(head: bytes) -> None:
    assert form_of(head) is None


def test_what_is_ignored_in_a_directory_is_told_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "images.zip").write_bytes(zipped())
    (tmp_path / "README").write_text("hello")
    assert ["not an archive", "not an archive: a zip archive, no tar"] == [
        one.reason for one in find_bundles(tmp_path)[1]
    ]


def test_garbage_behind_the_end_of_what_is_packed(tmp_path: Path) -> None:
    path = tmp_path / "b.tar.gz"
    path.write_bytes(gzip.compress(ARCHIVE) + b"garbage")
    with pytest.raises(BundleError, match="something else lies behind its end"):
        list_bundle(bundle_file(path))
