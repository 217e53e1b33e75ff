"""What is kept of bundles between runs, and what is left of it after a power failure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.bundle import Bundle, BundleFile, Catalogue, Image, Layer, Reference

LAYER = Layer("sha256:aa", "sha256:bb", 7)
OTHER_LAYER = Layer("sha256:cc", "sha256:dd", 8)
IMAGE = Image("sha256:ee", (Reference("a.b", "c", "1"),), "linux/amd64", 9, (LAYER,), "{}")
BUNDLE = Bundle("a.tar", 100, (IMAGE, replace(IMAGE, references=(), layers=())), imported=True)
FILE = BundleFile(Path("a.tar"), 100, 1)


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tmp_path)


@pytest.fixture
def checkpoint_path(tmp_path: Path) -> Path:
    return tmp_path / "bundles" / f"{FILE.key}.layers"


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


def test_a_checkpoint_is_read_back(catalogue: Catalogue) -> None:
    written = catalogue.checkpoint(FILE)
    written.add(512, LAYER)
    written.add(4096, OTHER_LAYER)
    read = catalogue.checkpoint(FILE)
    assert [LAYER, OTHER_LAYER, None] == [read.layer_at(offset) for offset in (512, 4096, 0)]


def test_a_checkpoint_is_forgotten(catalogue: Catalogue, checkpoint_path: Path) -> None:
    written = catalogue.checkpoint(FILE)
    written.add(512, LAYER)
    written.clear()
    written.clear()
    assert (None, False) == (written.layer_at(512), checkpoint_path.exists())


@pytest.mark.parametrize(
    "tail", [b'{"offset": 40', b"\0\0\0", b"\xff\xfe", b"[]", b'{"offset": 1}']
)
def test_a_line_cut_short_costs_that_layer_only(
    catalogue: Catalogue, checkpoint_path: Path, tail: bytes
) -> None:
    catalogue.checkpoint(FILE).add(512, LAYER)
    with checkpoint_path.open("ab") as file:
        file.write(tail)
    resumed = catalogue.checkpoint(FILE)
    resumed.add(8192, OTHER_LAYER)
    read = catalogue.checkpoint(FILE)
    assert [LAYER, OTHER_LAYER] == [read.layer_at(512), read.layer_at(8192)]


def test_every_cut_of_a_checkpoint_is_read(catalogue: Catalogue, checkpoint_path: Path) -> None:
    catalogue.checkpoint(FILE).add(512, LAYER)
    whole = checkpoint_path.read_bytes()
    for cut in range(len(whole)):
        checkpoint_path.write_bytes(whole[:cut])
        assert catalogue.checkpoint(FILE).layer_at(512) in (None, LAYER)
