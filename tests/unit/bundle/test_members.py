"""Going through an archive once: what is kept, and what is refused."""

from __future__ import annotations

import bz2
import hashlib
import io
import json
import lzma
import tarfile

import pytest

from core.bundle import members as members_module
from core.bundle.left_out import Why
from core.bundle.members import Members, collect, normal_name
from core.bundle.tarstream import Member, TarStream
from core.errors import BundleCorrupt, BundleError, UnfitBundle, UnsafeBundle
from tests.support.archives import layer_tar
from tests.support.layouts import Entry, hardlink, packed, symlink, tar_bytes
from tests.support.oci import zstd_packed

LAYER = layer_tar(1, 2000)


def collected(entries: list[Entry], tar_format: int = tarfile.GNU_FORMAT) -> Members[bytes]:
    archive = TarStream(io.BytesIO(tar_bytes(entries, tar_format)), "b.tar")

    def take(_member: Member, head: bytes) -> bytes:
        return head + b"".join(iter(lambda: archive.read(4096), b""))

    return collect(archive, Members[bytes]("b.tar"), take)


def test_layers_are_told_by_their_first_bytes() -> None:
    found = collected(
        [
            Entry("VERSION", b"1.0"),
            Entry("plain", LAYER),
            Entry("zipped.json", packed(LAYER)),
            Entry("config", b'{"a": 1}'),
            Entry("list", b" \n[1]"),
            Entry("zeros.tar", bytes(1024)),
            Entry("nothing"),
            Entry("notes", b"x" * 9000),
        ]
    )
    assert {"plain": LAYER, "zipped.json": packed(LAYER), "zeros.tar": bytes(1024)} == found.layers
    assert {"config": b'{"a": 1}', "list": b" \n[1]"} == found.documents


@pytest.mark.parametrize(
    "layer",
    [
        zstd_packed(LAYER),
        lzma.compress(LAYER),
        bz2.compress(LAYER),
        b"\x50\x2a\x4d\x18\x04\0\0\0\0\1\2\3" + zstd_packed(LAYER),
    ],
)
def test_compressed_layers_are_layers(layer: bytes) -> None:
    assert {"l": layer} == collected([Entry("l", layer)]).layers


def test_what_was_found_before_an_error_stays() -> None:
    data = tar_bytes([Entry("a.json", b"{}"), symlink("s", "l"), Entry("l", LAYER)])
    members = Members[bytes]("b.tar")

    def take(_member: Member, _head: bytes) -> bytes:
        raise BundleCorrupt("damaged")

    with pytest.raises(BundleCorrupt):
        collect(TarStream(io.BytesIO(data), "b.tar"), members, take)
    assert ({"a.json": b"{}"}, {}, {"s": "l"}) == (members.documents, members.layers, members.links)


@pytest.mark.parametrize(
    ("name", "normal"),
    [("a", "a"), ("./a", "a"), ("a/./b//c", "a/b/c"), ("a/../b", "b"), ("./", "."), ("..a", "..a")],
)
def test_normal_names(name: str, normal: str) -> None:
    assert normal == normal_name("b.tar", name)


@pytest.mark.parametrize("name", ["/etc/passwd", "//x", "..", "../x", "a/../../x", "./../x"])
def test_names_that_lead_out_are_refused(name: str) -> None:
    with pytest.raises(UnsafeBundle, match="leads out of the archive"):
        collected([Entry(name, b"{}")])


@pytest.mark.parametrize("link", ["/etc/passwd", "../../x", "../.."])
def test_links_that_lead_out_are_refused(link: str) -> None:
    with pytest.raises(UnsafeBundle, match="leads out of the archive"):
        collected([symlink("d/l", link)])
    with pytest.raises(UnsafeBundle, match="leads out of the archive"):
        collected([hardlink("d/l", "../x")])


def test_links_are_followed_wherever_they_stand() -> None:
    found = collected(
        [
            symlink("x/layer.tar", "../y/layer.tar"),
            Entry("y/layer.tar", LAYER),
            hardlink("z/layer.tar", "./y/layer.tar"),
            symlink("twice", "z/layer.tar"),
        ]
    )
    names = ["x/layer.tar", "./y/layer.tar", "z/layer.tar", "twice"]
    assert ["y/layer.tar"] * 4 == [found.resolve(name) for name in names]


@pytest.mark.parametrize("entries", [[symlink("a", "a")], [symlink("a", "b"), hardlink("b", "a")]])
def test_circles_of_links_are_refused(entries: list[Entry]) -> None:
    with pytest.raises(UnsafeBundle, match="circle"):
        collected(entries).resolve("a")


def test_names_out_of_a_manifest_are_bound_to_the_archive() -> None:
    with pytest.raises(UnsafeBundle, match="leads out"):
        collected([Entry("a", b"{}")]).document("../../etc/passwd")


@pytest.mark.parametrize(
    "second", [Entry("./a", b"[]"), Entry("a", LAYER), symlink("a", "b"), hardlink("a", "b")]
)
@pytest.mark.parametrize("first", [Entry("a", b"{}"), Entry("a", LAYER), symlink("a", "b")])
def test_of_two_members_of_one_name_the_last_one_counts(first: Entry, second: Entry) -> None:
    """As for tar itself, whose -r and -u append what is newer."""
    found, alone = collected([first, second]), collected([second])
    assert (alone.documents, alone.layers, alone.links) == (
        found.documents,
        found.layers,
        found.links,
    )
    assert [(Why.MEMBER_TWICE, "a")] == [(one.why, one.what) for one in found.left_out]


def test_a_member_that_stands_there_often_is_told_once() -> None:
    assert 1 == len(collected([Entry("a", b"{}")] * 5).left_out)


def test_directories_may_stand_twice() -> None:
    entries = [Entry("d/", kind=tarfile.DIRTYPE), Entry("d/", kind=tarfile.DIRTYPE)]
    assert {} == collected(entries).documents


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x04\x22\x4d\x18" + LAYER, "is packed with lz4"),
        (b"\0\1\2 no layer", "is neither a tar nor packed"),
        (b"[" * (9 << 20), "has 9437184 bytes, more than any document"),
        (b'{"spdxVersion":"' + b"x" * (1 << 20) + b'"}', "is a document, and of no image"),
        (b'{"layers of": "' + b"x" * (1 << 20) + b'"}', "is a document, and of no image"),
    ],
)
def test_what_is_of_no_use_is_passed_over_and_missed_only_when_asked_for(
    data: bytes, reason: str
) -> None:
    found = collected([Entry("other", data), Entry("a.json", b"{}")])
    assert ({"a.json": b"{}"}, {}) == (found.documents, found.layers)
    with pytest.raises(BundleError, match=f"'other' {reason}"):
        found.document("other")


def test_many_documents_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members_module, "MAX_DOCUMENTS_BYTES", 10_000)
    with pytest.raises(UnsafeBundle, match="bytes of documents"):
        collected([Entry(f"{n}.json", b'{"layers":' + b" " * 990) for n in range(11)])


def test_many_documents_of_no_image_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members_module, "MAX_DOCUMENTS_BYTES", 10_000)
    found = collected([Entry(f"{n}.json", b'{"a":0' + b" " * 993 + b"}") for n in range(20)])
    assert 10 == len(found.documents)


def test_blobs_of_a_layout_that_are_no_documents_are_handed_on() -> None:
    name = "blobs/sha256/" + "0" * 64
    sbom = b'{"spdxVersion":"' + b"x" * (1 << 20) + b'"}'
    assert {name: len(sbom)} == collected([Entry(name, sbom)]).blobs


@pytest.mark.parametrize("name", ["x/layer.tar", "blobs/sha256/" + hashlib.sha256().hexdigest()])
def test_a_layer_of_no_bytes_is_one(name: str) -> None:
    """Engines of 2014 wrote such, and docker load takes them."""
    assert {name: b""} == collected([Entry(name)]).layers


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xff\xfe"])
def test_a_listing_behind_a_byte_order_mark_is_read(mark: bytes) -> None:
    text = "[1]".encode("utf-16-le" if mark == b"\xff\xfe" else "utf-8")
    assert [1] == collected([Entry("manifest.json", mark + text)]).json("manifest.json")


def test_another_document_behind_a_byte_order_mark_is_told() -> None:
    found = collected([Entry("c.json", b"\xef\xbb\xbf{}")])
    with pytest.raises(UnfitBundle, match="begins with a byte order mark"):
        found.json("c.json")


@pytest.mark.parametrize("text", [b"", b"hello", b"\0\1"])
def test_a_listing_is_kept_whatever_is_in_it(text: bytes) -> None:
    with pytest.raises(BundleCorrupt, match=r"'index\.json' is not valid JSON"):
        collected([Entry("index.json", text)]).json("index.json")


def test_many_members_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members_module, "MAX_MEMBERS", 10)
    with pytest.raises(UnsafeBundle, match="more than 10 members"):
        collected([symlink(f"l{n}", "x") for n in range(11)])


def test_names_without_measure_are_refused() -> None:
    with pytest.raises(UnsafeBundle, match="name of 5000 characters"):
        collected([symlink("n" * 5000, "x")])
    with pytest.raises(UnsafeBundle, match="name of 5002 characters"):
        collected([symlink("d/l", "n" * 5000)])


@pytest.mark.parametrize(
    "text", [b"{", b"[" * 10_000, b'{"a": ' * 10_000, b'{"a": "\xff"}', b"[" + b"9" * 5000 + b"]"]
)
def test_what_is_no_json_is_named(text: bytes) -> None:
    found = collected([Entry("c.json", text)])
    with pytest.raises(BundleCorrupt, match=r"b\.tar: 'c\.json' is not valid JSON"):
        found.json("c.json")


def test_missing_documents_are_named() -> None:
    with pytest.raises(BundleCorrupt, match=r"'x\.json' is named but not in the archive"):
        collected([Entry("a", json.dumps({}).encode())]).document("x.json")
