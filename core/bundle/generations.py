"""Generations of bundles: which are the newest, and which were replaced by later ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from core.bundle.model import Bundle
from core.bundle.reference import Reference, digest_tag
from core.versions import numbers, release_in

_NUMBERED = re.compile(r"[-_.]?v?-?\d[\w.+-]*")


@dataclass(frozen=True)
class Dated:
    """A bundle that was imported, and when, in seconds since the epoch."""

    bundle: Bundle
    imported_at: float


@dataclass(frozen=True)
class Generation:
    """Bundles that came together.

    Args:
        title: The release, or the bundle's name where that does not tell one.
        series: What it is a generation of: others of it replace it.
        bundles: The bundles.
    """

    title: str
    series: str
    bundles: tuple[Bundle, ...]


def generations_of(dated: Iterable[Dated]) -> dict[str, list[Generation]]:
    """Return the generations of each series, the newest first.

    Bundles with a release in their names are one series, by release. The others are series of those
    whose names differ in numbers only, by the time of import: an addition that was brought once
    stays, however old it is.

    Args:
        dated: Every bundle that was imported.
    """
    releases: dict[str, list[Dated]] = {}
    series: dict[str, list[Dated]] = {}
    for one in dated:
        release = release_in(one.bundle.name)
        found = (
            releases.setdefault(release, [])
            if release
            else series.setdefault(_series_of(one.bundle.name), [])
        )
        found.append(one)
    made: dict[str, list[Generation]] = {}
    for release in sorted(releases, key=numbers, reverse=True):
        bundles = tuple(one.bundle for one in releases[release])
        made.setdefault("", []).append(Generation(f"release {release}", "", bundles))
    for name, members in sorted(series.items()):
        members.sort(key=lambda one: one.imported_at, reverse=True)
        made[name] = [Generation(one.bundle.name, name, (one.bundle,)) for one in members]
    return made


def kept_and_old(
    generations: dict[str, list[Generation]], keep: int
) -> tuple[list[Generation], list[Generation]]:
    """Return the newest few generations of each series, and those before them."""
    kept = [one for found in generations.values() for one in found[:keep]]
    return kept, [one for found in generations.values() for one in found[keep:]]


def names_in(generations: Sequence[Generation]) -> dict[str, dict[str, str]]:
    """Return each name (`repository:tag`) of some generations, its image IDs, and whose each is.

    What travels with images, and what is kept by its digest, has the manifest's digest instead.
    """
    found: dict[str, dict[str, str]] = {}
    for generation in generations:
        for bundle in generation.bundles:
            for reference, known_by in _known_names(bundle):
                name = f"{reference.site_repository}:{reference.tag}"
                found.setdefault(name, {}).update(dict.fromkeys(known_by, generation.title))
    return found


def _known_names(bundle: Bundle) -> Iterator[tuple[Reference, list[str]]]:
    for reference, images in bundle.references.items():
        yield reference, [image.image_id for image in images]
        named = bundle.list_of(reference) or images[0]
        if named.is_kept:
            digest = named.manifest_digest
            yield replace(reference, tag=digest_tag(digest)), [digest]
    for one in bundle.carried:
        for own in one.references:
            yield own, [one.manifest_digest]


def _series_of(name: str) -> str:
    """Return a bundle's name without numbers: `site-tools-2026-11.tar` is of `site-tools`."""
    stem = name.partition(".tar")[0].removesuffix(".tgz")
    return _NUMBERED.sub("", stem) or name
