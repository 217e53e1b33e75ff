"""What is left out of a bundle, in sentences, and what a bundle has to say of itself."""

from __future__ import annotations

from core.bundle.left_out import LeftOut, Why, told
from core.bundle.model import Bundle, Image
from core.bundle.reference import parse_reference

NAMED = Image("sha256:1", (parse_reference("a.b/c:1"),), "linux/amd64", 2, ())
NAMELESS = Image("sha256:2", (), "linux/amd64", 2, ())


def absent(platform: str) -> LeftOut:
    return LeftOut(Why.PLATFORM_ABSENT, "a.b/c:1", "its layers are not in the file", platform)


def remarks_of(*images: Image, left_out: tuple[LeftOut, ...] = ()) -> tuple[str, ...]:
    return Bundle("b.tar", 1, images, False, notes=("noted",), left_out=left_out).remarks


def test_one_thing_is_named() -> None:
    assert ["left out: a.b/c:1 linux/arm64: its layers are not in the file"] == told(
        [absent("linux/arm64")]
    )


def test_several_things_of_one_kind_are_counted() -> None:
    platforms = ["linux/arm64", "linux/s390x", "linux/386", "linux/riscv64"]
    assert [
        "left out: 4 platforms (a.b/c:1 linux/arm64, a.b/c:1 linux/s390x, a.b/c:1 linux/386 and "
        "1 more): its layers are not in the file"
    ] == told(map(absent, platforms))


def test_each_reason_has_a_sentence() -> None:
    chart = LeftOut(Why.ARTIFACT, "a.b/chart:1", "a Helm chart, no image")
    assert 2 == len(told([chart, absent("linux/arm64"), chart]))


def test_a_bundle_with_nothing_to_remark() -> None:
    assert ("noted",) == remarks_of(NAMED)


def test_an_image_without_a_name_can_get_one() -> None:
    assert "its image has no name: give it one with --name NAME:TAG" == remarks_of(NAMELESS)[-1]


def test_several_images_without_a_name_cannot() -> None:
    assert remarks_of(NAMED, NAMELESS)[-1].startswith("1 image has no name and")
    assert remarks_of(NAMELESS, NAMELESS)[-1].startswith("2 images have no name and")


def test_what_is_left_out_is_remarked() -> None:
    found = remarks_of(NAMED, left_out=(absent("linux/arm64"),))
    assert ("noted", "left out: a.b/c:1 linux/arm64: its layers are not in the file") == found
