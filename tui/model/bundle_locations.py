"""Where bundles lie: imagesDir and the sticks, and what is known of each bundle."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.bundle.catalogue import Catalogue
from core.bundle.copy_from_media import is_taken
from core.bundle.discovery import Ignored, find_bundles, gaps_in, registry_bytes
from core.bundle.media import OnStick, Stick
from core.bundle.model import Bundle, BundleFile
from core.config import Mode
from core.errors import AirferryError, BundleError
from core.files import nearest_directory
from tui.model.site import Site

InRegistry = Mapping[str, frozenset[str]]
"""The image IDs that each name of the registry stands for."""
NOT_THERE = "is not there yet"
MISSING_REMEDY = (
    "It is made when bundles are taken from a stick: put it in, then +. "
    "Or set imagesDir to where the bundles are: Esc, to Config."
)


@dataclass(frozen=True)
class Entry:
    """One bundle in one place.

    Args:
        file: The bundle.
        on_stick: It lies on a stick; else in imagesDir.
        gap: Which of its parts are seen to be missing.
        bundle: What is known of it, if anything is.
        checked_at: When it was last found whole, in seconds since the epoch.
        taken: It lies on a stick, and in imagesDir as well.
    """

    file: BundleFile
    on_stick: bool = False
    gap: str = ""
    bundle: Bundle | None = None
    checked_at: float | None = None
    taken: bool = False

    @property
    def key(self) -> str:
        """What tells it from all others."""
        return f"{'stick' if self.on_stick else 'here'}:{self.file.path}"


@dataclass(frozen=True)
class Place:
    """imagesDir, or a stick.

    Args:
        path: The directory.
        entries: The bundles in it.
        ignored: Its other files.
        error: Why it cannot be looked at.
        remedy: What to do about that.
    """

    path: Path
    entries: tuple[Entry, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    error: str = ""
    remedy: str = ""

    @property
    def new(self) -> list[BundleFile]:
        """The whole bundles of a stick that are not in imagesDir."""
        return [entry.file for entry in self.entries if not entry.taken and not entry.gap]


@dataclass(frozen=True)
class Room:
    """Room for bundles, in bytes.

    Args:
        images_free: Free in imagesDir.
        registry_free: Free in registryDir.
        registry_needs: What the bundles that were never imported take there, about; 0 where the
            site has no registry of its own.
    """

    images_free: int = 0
    registry_free: int = 0
    registry_needs: int = 0


@dataclass(frozen=True)
class Shelves:
    """All places, and what the registry holds; None where that is not known."""

    here: Place
    room: Room = field(default_factory=Room)
    sticks: tuple[Place, ...] = ()
    in_registry: InRegistry | None = None

    @property
    def entries(self) -> Iterator[Entry]:
        """All bundles, those of imagesDir first."""
        for place in (self.here, *self.sticks):
            yield from place.entries

    def find(self, key: str) -> Entry | None:
        """Return a bundle by its key."""
        return next((entry for entry in self.entries if entry.key == key), None)

    def stick(self, key: str) -> Place | None:
        """Return the stick that a bundle lies on, or whose own key this is."""
        for stick in self.sticks:
            if key == stick_key(stick) or any(entry.key == key for entry in stick.entries):
                return stick
        return None

    @property
    def new(self) -> list[BundleFile]:
        """The bundles on all sticks that are not in imagesDir."""
        return [file for stick in self.sticks for file in stick.new]


def stick_key(stick: Place) -> str:
    """Return what tells a stick from all others."""
    return f"stick {stick.path}"


def look_here(site: Site) -> Shelves:
    """List imagesDir. Blocks as long as the directory does."""
    directory = site.config.images_dir
    if not directory.exists():
        here = Place(directory, error=f"{directory} {NOT_THERE}", remedy=MISSING_REMEDY)
        return Shelves(here, _room(site, ()))
    try:
        files, ignored = find_bundles(directory)
        gaps = gaps_in(files)
    except AirferryError as error:
        return Shelves(Place(directory, error=error.what, remedy=error.remedy), _room(site, ()))
    entries = [_known(site, Entry(file, gap=gaps.get(file.path, ""))) for file in files]
    return Shelves(Place(directory, tuple(entries), tuple(ignored)), _room(site, entries))


def look_at_sticks(site: Site, within_s: float | None = None) -> tuple[Place, ...]:
    """List the sticks. Blocks no longer than the sticks may take to answer.

    Args:
        site: The site.
        within_s: How long each may take, in seconds; as long as is sensible if None.
    """
    return tuple(_stick(site, site.media.look(stick, within_s)) for stick in sticks_in(site))


def sticks_in(site: Site) -> list[Stick]:
    """Return the sticks that are in, but for one that imagesDir is on. Blocks for no time."""
    images = site.config.images_dir
    return [stick for stick in site.media.sticks() if not images.is_relative_to(stick.path)]


def _stick(site: Site, found: OnStick) -> Place:
    entries = [
        Entry(
            file,
            on_stick=True,
            gap=found.gaps.get(file.path, ""),
            taken=is_taken(file, site.config.images_dir),
        )
        for file in found.files
    ]
    known = tuple(_known(site, entry) for entry in entries)
    return Place(found.stick.path, known, found.ignored, found.error, found.remedy)


def _known(site: Site, entry: Entry) -> Entry:
    """Add what is known of a bundle."""
    catalogue, file = Catalogue(site.config.state_dir), entry.file
    bundle = catalogue.find(file) or site.listed.get(file.key)
    return replace(entry, bundle=bundle, checked_at=catalogue.checked_at(file))


def _room(site: Site, entries: Sequence[Entry]) -> Room:
    config = site.config
    images = shutil.disk_usage(nearest_directory(config.images_dir)).free
    if config.mode is not Mode.DU:
        return Room(images)
    fresh = [e.file for e in entries if not e.gap and not (e.bundle and e.bundle.imported)]
    try:
        needs = sum(registry_bytes(file) for file in fresh)
    except BundleError:
        needs = 0
    return Room(images, shutil.disk_usage(nearest_directory(config.registry_dir)).free, needs)


def ask_registry(site: Site) -> InRegistry | None:
    """Ask the registry what it holds; None where there is none, or it does not answer. Blocks."""
    if site.config.mode is Mode.NONE or site.problems:
        return None
    from core.engine.holdings import held  # takes a while to import: not for the first screen

    try:
        return {entry.name: frozenset(entry.image_ids) for entry in held(site.config)}
    except AirferryError:
        return None


def new_and_here(bundle: Bundle, in_registry: InRegistry) -> tuple[int, int]:
    """Return how many images of a bundle the registry lacks, and how many it has."""
    everything = frozenset[str]().union(*in_registry.values())

    def is_there(references: Sequence[str], image_id: str) -> bool:
        if not references:
            return image_id in everything
        return all(image_id in in_registry.get(name, ()) for name in references)

    there = sum(
        is_there([f"{r.site_repository}:{r.tag}" for r in image.references], image.image_id)
        for image in bundle.images
    )
    return len(bundle.images) - there, there
