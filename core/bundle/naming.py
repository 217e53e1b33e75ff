"""Names that two bundles claim for different images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.bundle.model import Bundle
from core.bundle.reference import Reference
from core.errors import NameCollision


@dataclass
class _Claim:
    images: frozenset[str]
    bundles: list[tuple[int, Reference]]


def without_collisions(
    bundles: Sequence[Bundle], name_of: Callable[[Reference], str], *, later_wins: bool
) -> list[Bundle]:
    """Return the bundles so that every name stands for one image, or one for each platform.

    Bundles that have the same image agree, however each encodes it, and also where one has it for
    further platforms.

    Args:
        bundles: In the order of their names.
        name_of: The name that a reference gets on the site.
        later_wins: Where two bundles differ, the later one's image has the name.

    Raises:
        NameCollision: two different images would get the same name; both bundles are named.
    """
    claims: dict[str, _Claim] = {}
    lost: list[set[Reference]] = [set() for _ in bundles]
    for number, bundle in enumerate(bundles):
        for reference, images in bundle.references.items():
            name = name_of(reference)
            ids = frozenset(image.image_id for image in images)
            claim = claims.setdefault(name, _Claim(ids, []))
            if not (ids <= claim.images or claim.images <= ids):
                earlier, other = claim.bundles[0]
                if not later_wins or number in [other for other, _ in claim.bundles]:
                    raise NameCollision(
                        f"{reference} of {bundle.name} and {other} of {bundles[earlier].name} "
                        f"are different images and would both be {name}"
                    )
                for loser, its_reference in claim.bundles:
                    lost[loser].add(its_reference)
                claim = claims[name] = _Claim(ids, [])
            claim.images |= ids
            claim.bundles.append((number, reference))
    return [bundle.without(names) for bundle, names in zip(bundles, lost, strict=True)]
