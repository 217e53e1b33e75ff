"""What is known of a bundle, asked for by name, named anew, or stripped of names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.bundle.model import Bundle, BundleFile, Image, Layer, ManifestList
from core.bundle.reference import Reference
from core.errors import BundleError

ONE, TWO, NEW = (Reference("a.b", "c", tag) for tag in ("1", "2", "new"))
LAYERS = (Layer("sha256:aa", "sha256:bb", 7), Layer("sha256:cc", "sha256:dd", 8))
AMD = Image("sha256:ee", (ONE, TWO), "linux/amd64", 9, LAYERS, "{}")
ARM = Image("sha256:ff", (ONE,), "linux/arm64", 9, LAYERS[:1], "{}")
LIST = ManifestList((ONE,), "[]", "index")
SINGLE = Bundle("a.tar", 100, (AMD,), imported=True)
SEVERAL = Bundle("a.tar", 100, (AMD, ARM), imported=True, lists=(LIST,))
ONE_LIST = (replace(AMD, references=(ONE,)), ARM)


def test_every_name_and_what_it_stands_for() -> None:
    assert {ONE: (AMD, ARM), TWO: (AMD,)} == SEVERAL.references


def test_blobs_are_there_once() -> None:
    assert {"sha256:bb": 7, "sha256:dd": 8} == SEVERAL.blobs


def test_lists_by_name() -> None:
    assert [LIST, None, None] == [SEVERAL.list_of(name) for name in (ONE, TWO, NEW)]


@pytest.mark.parametrize("names", [(), (ONE,), (ONE, TWO)])
def test_a_name_for_the_one_image(names: tuple[Reference, ...]) -> None:
    found = replace(SINGLE, images=(replace(AMD, references=names),)).named(NEW)
    assert replace(SINGLE, images=(replace(AMD, references=(NEW,)),)) == found


@pytest.mark.parametrize("names", [(ONE,), (ONE, TWO)])
def test_a_name_for_one_image_of_several_platforms(names: tuple[Reference, ...]) -> None:
    """Several names of the same list are no several images."""
    images = tuple(replace(image, references=names) for image in (AMD, ARM))
    lists = (replace(LIST, references=names),)
    found = replace(SEVERAL, images=images, lists=lists).named(NEW)
    assert {NEW: found.images} == found.references
    assert (replace(LIST, references=(NEW,)),) == found.lists


@pytest.mark.parametrize(
    "bundle",
    [
        replace(SINGLE, images=()),
        replace(SINGLE, images=(AMD, ARM)),
        SEVERAL,
        replace(SEVERAL, images=(AMD, ARM, replace(ARM, references=()))),
        replace(SEVERAL, images=(*ONE_LIST, replace(AMD, references=()))),
    ],
)
def test_no_name_for_several_images(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"a\.tar: holds \d images") as caught:
        bundle.named(NEW)
    assert "--name" in caught.value.remedy


def test_without_names() -> None:
    found = SEVERAL.without([ONE, NEW])
    assert {TWO: (replace(AMD, references=(TWO,)),)} == found.references
    assert [()] == [several.references for several in found.lists]
    assert None is found.list_of(ONE)
    assert SEVERAL.blobs == found.blobs


def test_without_none_it_is_the_same() -> None:
    assert SEVERAL is SEVERAL.without([])


def test_titles() -> None:
    assert ["a.b/c:1", "sha256:ee"] == [AMD.title, replace(AMD, references=()).title]


def test_names_of_files() -> None:
    file = BundleFile(Path("/x/a.tar.00"), 1, 1, (Path("/x/a.tar.00"),), "a.tar")
    assert ["a.tar", "a.tar.00"] == [file.name, replace(file, title="").name]
    assert [file.parts, (Path("/x/b.tar"),)] == [
        file.files,
        BundleFile(Path("/x/b.tar"), 1, 1).files,
    ]
