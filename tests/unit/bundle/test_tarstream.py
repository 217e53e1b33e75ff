"""The tar reader against the standard library's writer, and against what no writer makes."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bundle.left_out import Why
from core.bundle.tarstream import (
    BLOCK,
    MAX_MEMBER_BYTES,
    MIN_SEEK_BYTES,
    Kind,
    TarStream,
    is_tar_header,
)
from core.errors import BundleCorrupt, BundleTruncated, NotABundle, UnfitBundle, UnsafeBundle
from tests.support.layouts import Entry, hardlink, symlink, tar_bytes

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def read_all(data: bytes) -> list[tuple[str, Kind, bytes, str]]:
    archive = TarStream(io.BytesIO(data), "b.tar")
    found = []
    for member in archive:
        content = bytearray()
        while piece := archive.read(1000):
            content += piece
        assert member.size_bytes == len(content)
        found.append((member.name, member.kind, bytes(content), member.link))
    return found


def header_of(entry: Entry) -> bytearray:
    return bytearray(tar_bytes([entry])[:BLOCK])


def signed(header: bytearray) -> bytes:
    """Return a header with its checksum made right again."""
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


names = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=20)
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
files = st.lists(st.tuples(paths, st.binary(max_size=2000)), max_size=6)


@given(files=files, tar_format=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
@settings(max_examples=100, deadline=None)
def test_reads_what_the_standard_library_writes(
    files: list[tuple[str, bytes]], tar_format: int
) -> None:
    data = tar_bytes([Entry(name, content) for name, content in files], tar_format)
    assert files == [(name, content) for name, _, content, _ in read_all(data)]


@given(files=st.lists(st.binary(max_size=3000), max_size=5))
@settings(max_examples=30, deadline=None)
def test_reads_ustar(files: list[bytes]) -> None:
    data = tar_bytes(
        [Entry(f"d/{n}", content) for n, content in enumerate(files)], tarfile.USTAR_FORMAT
    )
    assert files == [content for _, _, content, _ in read_all(data)]


@pytest.mark.parametrize("tar_format", FORMATS)
def test_kinds_and_links(tar_format: int) -> None:
    entries = [
        Entry("d/", kind=tarfile.DIRTYPE),
        Entry("d/a", b"abc"),
        symlink("d/s", "../d/a"),
        hardlink("d/h", "d/a"),
        Entry("old", b"x", tarfile.AREGTYPE),
        Entry("contiguous", b"y", tarfile.CONTTYPE),
    ]
    assert [
        (Kind.DIRECTORY, ""),
        (Kind.FILE, ""),
        (Kind.SYMLINK, "../d/a"),
        (Kind.HARDLINK, "d/a"),
        (Kind.FILE, ""),
        (Kind.FILE, ""),
    ] == [(kind, link) for _, kind, _, link in read_all(tar_bytes(entries, tar_format))]


@pytest.mark.parametrize("length", [99, 100, 101, 155, 200, 255, 256, 300, 3000])
@pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_links(length: int, tar_format: int) -> None:
    name = "n" * length
    found = read_all(tar_bytes([Entry(name, b"1"), symlink("s", name)], tar_format))
    assert [(name, ""), ("s", name)] == [(n, link) for n, _, _, link in found]


def test_long_name_split_as_ustar_does() -> None:
    name = "p" * 120 + "/" + "n" * 90
    assert name == read_all(tar_bytes([Entry(name)], tarfile.USTAR_FORMAT))[0][0]


def test_offsets_are_those_of_the_content() -> None:
    data = tar_bytes([Entry("a" * 200, b"first"), Entry("b", b"second")], tarfile.PAX_FORMAT)
    offsets = [member.offset_bytes for member in TarStream(io.BytesIO(data), "b.tar")]
    assert [b"first", b"second"] == [
        data[start : start + size] for start, size in zip(offsets, (5, 6), strict=True)
    ]


def test_unread_content_is_passed_over() -> None:
    data = tar_bytes([Entry("a", bytes(5000)), Entry("b", b"x")])
    archive = TarStream(io.BytesIO(data), "b.tar")
    seen = []
    for member in archive:
        archive.read(17)
        seen.append(member.name)
    assert ["a", "b"] == seen


class Sought(io.BytesIO):
    """A file that can be sought in, and how many bytes of it were read all the same."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data

    def skip(self, size: int) -> bool:
        self.seek(size, io.SEEK_CUR)
        return True


def test_what_nobody_reads_is_sought_over() -> None:
    entries = [Entry("a", bytes(MIN_SEEK_BYTES * 3)), Entry("b", b"x" * 700), Entry("c", b"y")]
    stream = Sought(tar_bytes(entries))
    archive = TarStream(stream, "b.tar", stream.skip)
    found = [(member.name, member.offset_bytes, archive.read(7)) for member in archive]
    assert [("a", 512, bytes(7)), ("b", 197632, b"x" * 7), ("c", 199168, b"y")] == found
    assert stream.taken < 16_384


def test_a_stream_that_cannot_be_sought_in_is_read() -> None:
    entries = [Entry("a", bytes(MIN_SEEK_BYTES * 3)), Entry("b", b"x")]
    data = tar_bytes(entries)
    stream = Sought(data)
    assert ["a", "b"] == [member.name for member in TarStream(stream, "b.tar", lambda _: False)]
    assert len(data) == stream.taken


@pytest.mark.parametrize("tar_format", FORMATS)
def test_cut_at_every_block_is_never_taken_for_whole(tar_format: int) -> None:
    entries = [Entry("a" * 90, b"x" * 700), Entry("b", bytes(1500)), symlink("c", "b")]
    data = tar_bytes(entries, tar_format)
    whole = read_all(data)
    content_bytes = len(data.rstrip(b"\0"))
    content_bytes += -content_bytes % BLOCK
    for cut in range(BLOCK, content_bytes + 1, BLOCK):
        with pytest.raises(BundleTruncated):
            read_all(data[:cut])
    for cut in range(content_bytes + BLOCK, len(data) + 1, BLOCK):
        assert whole == read_all(data[:cut])


def test_cut_within_a_block() -> None:
    data = tar_bytes([Entry("a", b"x" * 700)])
    for cut in (513, 1100, 1535):
        with pytest.raises(BundleTruncated):
            read_all(data[:cut])


def test_what_is_too_short_for_any_archive_is_none() -> None:
    data = tar_bytes([Entry("a", b"x" * 700)])
    for cut in (1, 511):
        with pytest.raises(NotABundle, match="too short"):
            read_all(data[:cut])


def test_short_reads_are_put_together() -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 7))

    data = tar_bytes([Entry("a", b"x" * 700)])
    archive = TarStream(Trickle(data), "b.tar")
    assert [b"x" * 700] == [archive.read(700) for _ in archive]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", NotABundle),
        (b"no tar" * 200, NotABundle),
        (b"\x7fELF" + bytes(600), NotABundle),
        (tar_bytes([Entry("a", b"x")])[:1024] + b"junk" * 128, BundleCorrupt),
    ],
)
def test_not_a_tar(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_all(data)


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"Z"])
def test_members_of_other_kinds_are_refused(kind: bytes) -> None:
    with pytest.raises(UnsafeBundle, match="a device or of unknown kind"):
        read_all(tar_bytes([Entry("dev/x", kind=kind)]))


@pytest.mark.parametrize(
    ("kind", "said"), [(tarfile.GNUTYPE_SPARSE, "is sparse"), (b"M", "tar --multi-volume")]
)
def test_what_tar_s_options_make_is_told(kind: bytes, said: str) -> None:
    with pytest.raises(UnfitBundle, match=said):
        read_all(tar_bytes([Entry("x", kind=kind)]))


def test_a_label_is_passed_over() -> None:
    """`tar --label` begins an archive with one."""
    data = tar_bytes([Entry("my bundle", kind=b"V"), Entry("a", b"x")])
    assert ["a"] == [name for name, *_ in read_all(data)]


def test_pax_sparse_is_refused() -> None:
    record = b"22 GNU.sparse.major=1\n"
    data = tar_bytes([Entry("pax", record, b"x"), Entry("a", b"x")])
    with pytest.raises(UnfitBundle, match="sparse"):
        read_all(data)


@pytest.mark.parametrize(
    "field",
    [
        b"-0000000001\0",
        b"\x80\0\0\0\0\xff\xff\xff\xff\xff\xff\xff",
        b"\xff" * 12,
        b"99999999999\0",
        b"abcdefghijk\0",
        b"\x80" + b"\xff" * 11,
    ],
)
def test_impossible_sizes_are_refused(field: bytes) -> None:
    header = header_of(Entry("a"))
    header[124:136] = field
    with pytest.raises(UnsafeBundle, match="impossible size"):
        read_all(signed(header) + bytes(1024))


def test_base_256_size() -> None:
    header = header_of(Entry("a", b"abc"))
    header[124:136] = b"\x80" + (3).to_bytes(11, "big")
    data = signed(header) + b"abc".ljust(BLOCK, b"\0") + bytes(1024)
    assert [b"abc"] == [content for _, _, content, _ in read_all(data)]


@pytest.mark.parametrize(
    "size", ["-1", "1.5", "x", str(MAX_MEMBER_BYTES + 1), "9" * 30, "9" * 5000, "٣"]
)
def test_impossible_pax_sizes_are_refused(size: str) -> None:
    text = f" size={size}\n".encode()
    length = len(text) + len(str(len(text) + 4))
    record = str(length).encode() + text
    assert length == len(record)
    with pytest.raises(UnsafeBundle):
        read_all(tar_bytes([Entry("pax", record, b"x"), Entry("a", b"x")]))


def test_pax_size_wins() -> None:
    data = tar_bytes([Entry("pax", b"10 size=3\n", b"x"), Entry("a", b"abcdef")])
    assert [b"abc"] == [content for _, _, content, _ in read_all(data)]


@pytest.mark.parametrize(
    "record",
    [b"nonsense", b"5 a=b\n", b"-6 a=b\n", b"999 path=a\n", b"0 \n", b"9" * 5000 + b" a=b\n"],
)
def test_damaged_pax_headers_are_refused(record: bytes) -> None:
    with pytest.raises(BundleCorrupt, match="pax"):
        read_all(tar_bytes([Entry("pax", record, b"x"), Entry("a", b"x")]))


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_huge_extended_headers_are_refused(kind: bytes) -> None:
    header = header_of(Entry("h", kind=kind))
    header[124:136] = b"%011o\0" % (2 << 20)
    with pytest.raises(UnsafeBundle, match="extended header"):
        read_all(signed(header) + bytes(4 << 20))


def test_what_follows_the_end_is_read_to_its_end() -> None:
    """So that the checksum at the end of a compressed file is looked at as well."""
    stream = io.BytesIO(tar_bytes([Entry("a", b"x")]) + bytes(300_000))
    assert 1 == len(list(TarStream(stream, "b.tar")))
    assert b"" == stream.read()


def test_an_endless_tail_is_refused() -> None:
    class Endless(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(size) or bytes(size or 0)

    with pytest.raises(UnsafeBundle, match="goes on"):
        list(TarStream(Endless(tar_bytes([Entry("a", b"x")])), "b.tar"))


def test_is_tar_header() -> None:
    header = bytes(header_of(Entry("a")))
    assert [True, True, False, False] == [
        is_tar_header(block)
        for block in (header, bytes(BLOCK), header[:-1] + b"x", b"{}".ljust(BLOCK))
    ]


ONE = tar_bytes([Entry("a", b"x")])


@pytest.mark.parametrize(
    ("tail", "what"),
    [
        (tar_bytes([Entry("b", b"y")]), "a second archive"),
        (bytes(512) + tar_bytes([Entry("b", b"y")]), "a second archive"),
        (gzip.compress(b"x", mtime=0), "a second, compressed archive"),
        (b"signature", "something that is no archive"),
    ],
)
def test_what_lies_behind_the_end_is_told(tail: bytes, what: str) -> None:
    archive = TarStream(io.BytesIO(ONE + tail), "b.tar")
    assert ["a"] == [member.name for member in archive]
    (left,) = archive.left_out
    assert (Why.BEHIND_END, what) == (left.why, left.what)
    assert f"byte {len(ONE) + len(tail) - len(tail.lstrip(bytes(1)))} of b.tar" in left.reason


@pytest.mark.parametrize("tail", [b"", bytes(5), bytes(20_000)])
def test_zeros_behind_the_end_are_padding(tail: bytes) -> None:
    archive = TarStream(io.BytesIO(ONE + tail), "b.tar")
    assert (1, []) == (len(list(archive)), archive.left_out)


def test_a_second_archive_may_be_of_any_size() -> None:
    class Long(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(size) or b"x" * (size or 0)

    archive = TarStream(Long(ONE + ONE), "b.tar")
    assert 1 == len(list(archive))
    assert ["a second archive"] == [left.what for left in archive.left_out]
