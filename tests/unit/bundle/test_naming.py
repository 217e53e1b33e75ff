"""Names that two bundles claim: the same image, another one, and who has it in the end."""

from __future__ import annotations

import itertools

import pytest

from core.bundle.model import Bundle, Image, ManifestList
from core.bundle.naming import collision, names_of
from core.bundle.reference import Reference, parse_reference
from core.errors import NameCollision


def bundle(name: str, **images: str) -> Bundle:
    """Return a bundle: for each image, by its ID, its names."""
    made = tuple(
        Image(image, tuple(map(parse_reference, names.split())), "linux/amd64", 1, ())
        for image, names in images.items()
    )
    return Bundle(name, 1, made, imported=True)


def names_in(bundles: list[Bundle]) -> list[list[str]]:
    return [[str(reference) for reference in one.references] for one in bundles]


def resolved(*bundles: Bundle, later_wins: bool = False) -> list[Bundle]:
    """Return the bundles with the names that they get.

    Raises:
        NameCollision: one is refused some.
    """
    found = names_of(bundles, lambda name: name.at("localhost:5001"), later_wins=later_wins)
    for clashes in filter(None, found.clashes):
        raise collision(clashes)
    return found.bundles


@pytest.mark.parametrize("later_wins", [False, True])
@pytest.mark.parametrize(
    "bundles",
    [
        [],
        [bundle("a.tar")],
        [bundle("a.tar", one="a.b/c:1"), bundle("b.tar", two="a.b/c:2")],
        [bundle("a.tar", one="a.b/c:1"), bundle("b.tar", one="a.b/c:1")],
        [bundle("a.tar", one="a.b/c:1"), bundle("b.tar", one="other.b/c:1 a.b/c:2")],
        [bundle("a.tar", one="a.b/c:1 x.y/c:1")],
    ],
)
def test_names_of_one_image_each_stay(bundles: list[Bundle], later_wins: bool) -> None:
    assert bundles == resolved(*bundles, later_wins=later_wins)


@pytest.mark.parametrize("second", ["a.b/c:1", "x.y/c:1"])
def test_a_name_of_two_images_is_refused_and_both_bundles_are_named(second: str) -> None:
    """Also where only the name on the site is the same."""
    with pytest.raises(NameCollision) as caught:
        resolved(bundle("a.tar", one="a.b/c:1"), bundle("b.tar", two=second))
    words = ("a.b/c:1 of a.tar", f"{second} of b.tar", "localhost:5001/c:1")
    assert [True] * 3 == [word in caught.value.what for word in words]
    assert "--later-wins" in caught.value.remedy


def test_the_later_bundle_takes_the_name_and_only_that() -> None:
    found = resolved(
        bundle("a.tar", one="a.b/c:1 a.b/c:old", three="a.b/d:1"),
        bundle("b.tar", two="a.b/c:1"),
        later_wins=True,
    )
    assert [["a.b/c:old", "a.b/d:1"], ["a.b/c:1"]] == names_in(found)


def test_an_image_that_loses_its_only_name_stays_in_its_bundle() -> None:
    found = resolved(
        bundle("a.tar", one="a.b/c:1"), bundle("b.tar", two="a.b/c:1"), later_wins=True
    )
    assert [["one"], ["two"]] == [[image.image_id for image in one.images] for one in found]


def test_the_name_that_is_lost_is_the_one_of_the_same_name_on_the_site() -> None:
    found = resolved(
        bundle("a.tar", one="a.b/c:1"), bundle("b.tar", two="x.y/c:1"), later_wins=True
    )
    assert [[], ["x.y/c:1"]] == names_in(found)


@pytest.mark.parametrize(
    ("ids", "left"),
    [
        ("123", [False, False, True]),
        ("112", [False, False, True]),
        ("122", [False, True, True]),
        ("121", [False, False, True]),
    ],
)
def test_of_three_bundles_the_last_has_it(ids: str, left: list[bool]) -> None:
    bundles = [bundle(f"{n}.tar", **{f"i{i}": "a.b/c:1"}) for n, i in enumerate(ids)]
    found = resolved(*bundles, later_wins=True)
    assert left == [bool(one.references) for one in found]
    with pytest.raises(NameCollision):
        resolved(*bundles)


@pytest.mark.parametrize("later_wins", [False, True])
def test_within_one_bundle_it_is_always_refused(later_wins: bool) -> None:
    """Nobody can say which of the two is meant."""
    twice = bundle("b.tar", one="a.b/c:1", two="x.y/c:1")
    before = [bundle("a.tar", one="a.b/c:1"), bundle("a.tar", three="a.b/c:1"), bundle("a.tar")]
    for earlier in before:
        with pytest.raises(NameCollision, match=r"b\.tar"):
            resolved(earlier, twice, later_wins=later_wins)


def test_other_ways_to_name_are_respected() -> None:
    bundles = [bundle("a.tar", one="a.b/c:1"), bundle("b.tar", two="x.y/c:1")]
    found = names_of(bundles, str, later_wins=False)
    assert (bundles, [(), ()]) == (found.bundles, found.clashes)


def platforms(name: str, *ids: str) -> Bundle:
    """Return a bundle with one name for several platforms."""
    reference = Reference("a.b", "c", "1")
    images = tuple(
        Image(one, (reference,), f"linux/{number}", 1, ()) for number, one in enumerate(ids)
    )
    return Bundle(name, 1, images, True, (ManifestList((reference,), "{}", "index"),))


def test_several_platforms_are_one_claim() -> None:
    bundles = [platforms("a.tar", "amd", "arm"), platforms("b.tar", "arm", "amd")]
    assert bundles == resolved(*bundles)


@pytest.mark.parametrize("other", [("arm2",), ("amd", "arm2"), ("arm2", "arm", "s390")])
def test_other_platforms_are_another_claim(other: tuple[str, ...]) -> None:
    bundles = [platforms("a.tar", "amd", "arm"), platforms("b.tar", *other)]
    with pytest.raises(NameCollision):
        resolved(*bundles)
    first, second = resolved(*bundles, later_wins=True)
    assert [{}, [()], bundles[1]] == [first.references, [x.references for x in first.lists], second]


def test_whatever_the_order_every_name_stands_for_one_image_in_the_end() -> None:
    made = [bundle(f"{n}.tar", **{f"i{n % 3}": "a.b/c:1", "x": f"a.b/d:{n}"}) for n in range(4)]
    for order in itertools.permutations(made):
        found = resolved(*order, later_wins=True)
        holders = [one for one in found if parse_reference("a.b/c:1") in one.references]
        assert order[-1].name == holders[-1].name
        assert 1 == len({one.references[parse_reference("a.b/c:1")] for one in holders})


@pytest.mark.parametrize("other", [("amd",), ("amd", "arm", "s390")])
def test_further_platforms_of_one_image_are_the_same_claim(other: tuple[str, ...]) -> None:
    bundles = [platforms("a.tar", "amd", "arm"), platforms("b.tar", *other)]
    assert bundles == resolved(*bundles)


def settled(*bundles: Bundle, in_part: bool) -> tuple[list[list[str]], list[list[str]]]:
    """Return the names that each bundle gets, and those that it is refused."""
    found = names_of(
        bundles, lambda name: name.at("localhost:5001"), later_wins=False, in_part=lambda _: in_part
    )
    refused = [[str(clash.reference) for clash in clashes] for clashes in found.clashes]
    return names_in(found.bundles), refused


@pytest.mark.parametrize("in_part", [False, True])
def test_all_names_that_a_bundle_is_refused_are_told(in_part: bool) -> None:
    """And what it does not claim then is there for the next one."""
    got, refused = settled(
        bundle("a.tar", one="a.b/c:1 a.b/d:1"),
        bundle("b.tar", two="x.y/c:1", three="a.b/d:1", four="a.b/e:1"),
        bundle("c.tar", five="a.b/e:1"),
        in_part=in_part,
    )
    assert [[], ["x.y/c:1", "a.b/d:1"], ["a.b/e:1"] if in_part else []] == refused
    left = [["a.b/e:1"], []] if in_part else [[], ["a.b/e:1"]]
    assert [["a.b/c:1", "a.b/d:1"], *left] == got


def test_two_registries_of_one_path_are_told_what_keeps_them_apart() -> None:
    one, other = "docker.io/calico/node:1", "quay.io/calico/node:1"
    for bundles in (
        [bundle("a.tar", one=one, two=other)],
        [bundle("a.tar", one=one), bundle("b.tar", two=other)],
    ):
        with pytest.raises(NameCollision) as caught:
            resolved(*bundles)
        assert "keepSourceRegistry: true" in caught.value.remedy
