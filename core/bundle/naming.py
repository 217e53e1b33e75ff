"""Names that two bundles, or two images of one, claim for different images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from core.bundle.model import Bundle
from core.bundle.reference import Reference
from core.errors import NameCollision

KEEP_SOURCE = (
    "Set keepSourceRegistry: true in the config (import: --keep-source-registry), so that each "
    "keeps its registry in its name"
)


@dataclass(frozen=True)
class Clash:
    """A name that is refused to a bundle, because it stands for another image already.

    Args:
        name: The name on the site.
        reference: What the bundle calls its image.
        bundle: The bundle's name.
        other: What the other image is called.
        holder: The bundle that has the name; it may be the same one.
    """

    name: str
    reference: Reference
    bundle: str
    other: Reference
    holder: str

    @property
    def what(self) -> str:
        """The clash in words."""
        return (
            f"{self.reference} of {self.bundle} and {self.other} of {self.holder} "
            f"are different images and would both be {self.name}"
        )

    @property
    def remedy(self) -> str:
        """What to do: of two registries' images each can have a name of its own."""
        if self.reference.domain == self.other.domain:
            return NameCollision.remedy_text
        if self.bundle == self.holder:
            return f"{KEEP_SOURCE}. Or leave one of the two out: --keep-going."
        return f"{KEEP_SOURCE}. Or: {NameCollision.remedy_text}"


def collision(clashes: Sequence[Clash]) -> NameCollision:
    """Return the error that tells all clashes of one bundle."""
    remedies = dict.fromkeys(clash.remedy for clash in clashes)
    return NameCollision("; ".join(c.what for c in clashes), remedy=" ".join(remedies))


@dataclass
class _Claim:
    images: frozenset[str]
    bundles: list[tuple[int, Reference]]

    def agrees(self, images: frozenset[str]) -> bool:
        """Whether these are the same images, or more of them, or some."""
        return images <= self.images or self.images <= images


@dataclass
class Names:
    """Who has which name.

    Bundles that have the same image agree, however each encodes it, and also where one has it for
    further platforms.

    Args:
        bundles: As they were given, without the names that they do not get.
        clashes: For each of them, the names that it is refused.
    """

    bundles: list[Bundle] = field(default_factory=list)
    clashes: list[tuple[Clash, ...]] = field(default_factory=list)


def names_of(
    bundles: Sequence[Bundle],
    name_of: Callable[[Reference], str],
    *,
    later_wins: bool,
    in_part: Callable[[Bundle], bool] = lambda _: False,
) -> Names:
    """Settle which bundle has which name, so that every name stands for one image.

    (Or for one for each platform.) Bundles that have the same image agree, however each encodes it,
    and also where one has it for further platforms.

    Args:
        bundles: The first that claims a name has it.
        name_of: The name that a reference gets on the site.
        later_wins: Where two bundles differ, the later one's image has the name.
        in_part: Whether a bundle that is refused a name keeps its others; else it has none at all.
    """
    claims: dict[str, _Claim] = {}
    lost: list[set[Reference]] = [set() for _ in bundles]
    clashes: list[tuple[Clash, ...]] = []
    for number, bundle in enumerate(bundles):
        claimed = {
            reference: (name_of(reference), frozenset(image.image_id for image in images))
            for reference, images in bundle.references.items()
        }
        refused = list(_refused(number, bundles, claimed, claims, later_wins=later_wins))
        clashes.append(tuple(refused))
        gone = {clash.reference for clash in refused}
        if gone and not in_part(bundle):
            gone = set(claimed)
        lost[number] |= gone
        for reference, (name, images) in claimed.items():
            if reference in gone:
                continue
            claim = claims.setdefault(name, _Claim(images, []))
            if not claim.agrees(images):
                for loser, its_reference in claim.bundles:
                    lost[loser].add(its_reference)
                claim = claims[name] = _Claim(images, [])
            claim.images |= images
            claim.bundles.append((number, reference))
    left = [bundle.without(gone) for bundle, gone in zip(bundles, lost, strict=True)]
    return Names(left, clashes)


def _refused(
    number: int,
    bundles: Sequence[Bundle],
    claimed: dict[Reference, tuple[str, frozenset[str]]],
    claims: dict[str, _Claim],
    *,
    later_wins: bool,
) -> Iterator[Clash]:
    """Yield the names that a bundle cannot have: another's, or claimed twice by itself."""
    bundle = bundles[number]
    own: dict[str, tuple[_Claim, Reference]] = {}
    for reference, (name, images) in claimed.items():
        claim, first = own.setdefault(name, (_Claim(images, []), reference))
        if not claim.agrees(images):
            yield Clash(name, reference, bundle.name, first, bundle.name)
            continue
        claim.images |= images
        held = claims.get(name)
        if held and not later_wins and not held.agrees(images):
            holder, other = held.bundles[0]
            yield Clash(name, reference, bundle.name, other, bundles[holder].name)
