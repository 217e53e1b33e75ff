"""What is kept of bundles between runs, and what is left of it after a power failure."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from core.bundle.catalogue import Catalogue, LayerIndex
from core.bundle.layers import CHUNK_BYTES, LayerStream
from core.bundle.model import Bundle, BundleFile, Image, Layer, ManifestList
from core.bundle.reference import Reference
from core.bundle.tarstream import BLOCK, TarStream
from tests.support.layouts import Entry, tar_bytes

LAYER = Layer("sha256:aa", "sha256:bb", 7, "zstd", "sha256:ab", 70)
OTHER_LAYER = Layer("sha256:cc", "sha256:dd", 8)
IMAGE = Image("sha256:ee", (Reference("a.b", "c", "1"),), "linux/amd64", 9, (LAYER,), "{}")
BUNDLE = Bundle(
    name="a.tar",
    size_bytes=100,
    images=(IMAGE, replace(IMAGE, references=(), layers=())),
    imported=True,
    lists=(ManifestList((Reference("a.b", "c", "1"),), "[]", "index"),),
    notes=("layers that belong to no image: 1",),
    layout="oci-layout",
)
FILE = BundleFile(Path("a.tar"), 100, 1)


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tmp_path)


def test_a_record_comes_back_as_it_was(catalogue: Catalogue) -> None:
    catalogue.keep(FILE, BUNDLE)
    assert BUNDLE == catalogue.find(FILE)


def test_a_changed_file_is_another(catalogue: Catalogue) -> None:
    catalogue.keep(FILE, BUNDLE)
    others = [replace(FILE, size_bytes=101), replace(FILE, modified_ns=2)]
    assert [None, None] == [catalogue.find(file) for file in others]


def test_nothing_is_known_at_first(catalogue: Catalogue, tmp_path: Path) -> None:
    assert None is catalogue.find(FILE)
    assert [] == list(tmp_path.iterdir())


def test_that_a_bundle_was_checked_is_kept_for_that_very_file(catalogue: Catalogue) -> None:
    assert None is catalogue.checked_at(FILE)
    catalogue.keep_checked(FILE)
    assert (True, None) == (
        (catalogue.checked_at(FILE) or 0) > 0,
        catalogue.checked_at(replace(FILE, modified_ns=2)),
    )


def test_all_that_is_known(catalogue: Catalogue, tmp_path: Path) -> None:
    assert [] == catalogue.all()
    catalogue.keep(FILE, BUNDLE)
    catalogue.keep_checked(FILE)
    (tmp_path / "bundles" / "torn.json").write_bytes(b"{")
    assert [BUNDLE] == catalogue.all()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"1",
        b"\xff\xfe",
        b'{"images": 1}',
        b'{"images": ["x"]}',
        b'{"images": [{"references": [], "layers": [{"x": 1}]}]}',
        b'{"images": []}',
        b'{"name": "a", "size_bytes": 1, "images": [], "imported": true}',
    ],
)
def test_records_that_cannot_be_read_are_as_none(
    catalogue: Catalogue, tmp_path: Path, text: bytes
) -> None:
    catalogue.keep(FILE, BUNDLE)
    (tmp_path / "bundles" / f"{FILE.key}.json").write_bytes(text)
    assert None is catalogue.find(FILE)
    catalogue.keep(FILE, BUNDLE)
    assert BUNDLE == catalogue.find(FILE)


def test_records_are_private_and_leave_no_draft(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.keep(FILE, BUNDLE)
    assert 0o700 == (tmp_path / "bundles").stat().st_mode & 0o777
    assert [f"{FILE.key}.json"] == [path.name for path in (tmp_path / "bundles").iterdir()]


def index_path(state_dir: Path) -> Path:
    return state_dir / "bundles" / "layers.jsonl"


def test_layers_are_found_again(catalogue: Catalogue) -> None:
    written = catalogue.layers()
    written.add("one", LAYER)
    written.add("two", OTHER_LAYER)
    for index in (written, catalogue.layers()):
        assert [LAYER, OTHER_LAYER, None] == [index.find(key) for key in ("one", "two", "three")]


def test_the_last_line_counts(catalogue: Catalogue) -> None:
    """A layer that is compressed in another way now is another blob."""
    for layer in (LAYER, OTHER_LAYER):
        catalogue.layers().add("one", layer)
        assert layer == catalogue.layers().find("one")


def test_what_is_known_is_not_written_again(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.layers().add("one", LAYER)
    before = index_path(tmp_path).read_bytes()
    catalogue.layers().add("one", LAYER)
    assert before == index_path(tmp_path).read_bytes()


@pytest.mark.parametrize(
    "line",
    [
        b'{"key": "tw',
        b"\0\0\0",
        b"\xff\xfe",
        b"[]",
        b"1",
        b"null",
        b"{}",
        b'{"key": "one"}',
        b'{"key": "one", "diff_id": "x", "more": 1}',
        b'{"diff_id": "x", "digest": "y", "size_bytes": 1}',
    ],
)
def test_a_line_cut_short_costs_that_layer_only(
    catalogue: Catalogue, tmp_path: Path, line: bytes
) -> None:
    catalogue.layers().add("one", LAYER)
    with index_path(tmp_path).open("ab") as file:
        file.write(line)
    catalogue.layers().add("two", OTHER_LAYER)
    read = catalogue.layers()
    assert [LAYER, OTHER_LAYER] == [read.find("one"), read.find("two")]


def test_every_cut_of_the_index_is_read(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.layers().add("one", LAYER)
    whole = index_path(tmp_path).read_bytes()
    for cut in range(len(whole)):
        index_path(tmp_path).write_bytes(whole[:cut])
        assert catalogue.layers().find("one") in (None, LAYER)


def key_of(layer: bytes, *, form: str = "", before: bytes = b"{}") -> str:
    """Return what a layer is told by, with another member before it in its bundle."""
    archive = TarStream(io.BytesIO(tar_bytes([Entry("x", before), Entry("l", layer)])), "b.tar")
    found = []
    for member in archive:
        if member.name == "l":
            stream = LayerStream(archive, member, archive.read(BLOCK), "b.tar")
            found.append(LayerIndex(Path("nowhere")).key(stream, form))
    return found[0]


def test_a_layer_is_told_by_its_size_and_beginning() -> None:
    """So two that begin alike have one key; that they differ is seen when they are hashed."""
    begins = bytes(CHUNK_BYTES)
    known = key_of(begins + b"x")
    assert [True, True] == [
        known == key_of(begins + b"y"),
        known == key_of(begins + b"x", before=b"[]" * 500),
    ]
    others = [key_of(layer) for layer in (begins, begins + b"xx", b"x" + begins)]
    assert known not in [*others, key_of(begins + b"x", form="gzip")]
