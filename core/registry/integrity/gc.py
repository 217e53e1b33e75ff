"""Clearing up the storage of the DU's registry: what no name needs goes, and gives its room back.

Our own mark and sweep, because CNCF distribution's (`garbage-collect`, 2.8) either keeps every
manifest that ever had a name, or (`--delete-untagged`) takes manifests that only a list names
(distribution#3178). Here a name keeps all that it leads to, and nothing else is kept.

Links go before blobs, so that a kill at any moment leaves every name whole, and nothing that looks
whole and is not: a blob without a link is the next sweep's.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import RegistryDamaged
from core.registry.api.parallel import Name
from core.registry.content.staging import STAGE
from core.registry.integrity.scan import PURGED_AFTER_S
from core.registry.local.storage import LinkType, Reachability, Storage, reach_of

_FIXED_DEPTH = 2  # blobs/sha256 and repositories


@dataclass(frozen=True)
class GcPlan:
    """What is of no use any more.

    Args:
        links: Links that lead to nothing that is needed.
        blobs: The size of each blob that no name needs, in bytes.
        others: Files and directories that were left behind: unfinished uploads, drafts, damaged
            blobs that were put aside; with their sizes.
        stored_bytes: Of all blobs that there are.
        kept_names: How many names there are.
    """

    links: tuple[Path, ...] = ()
    blobs: dict[str, int] = field(default_factory=dict)
    others: dict[Path, int] = field(default_factory=dict)
    stored_bytes: int = 0
    kept_names: int = 0

    @property
    def size_bytes(self) -> int:
        """The room that it gives back."""
        return sum(self.blobs.values()) + sum(self.others.values())

    def __bool__(self) -> bool:
        return bool(self.links or self.blobs or self.others)


def plan_sweep(storage: Storage, without: Collection[Name] = frozenset()) -> GcPlan:
    """Return what is of no use any more.

    Args:
        storage: The registry's directory.
        without: Names, (repository, tag), that are taken for gone.

    Raises:
        RegistryDamaged: what a name leads to cannot be read, so nobody knows what it needs.
    """
    gone = frozenset(without)
    tags = {name: digest for name, digest in storage.tags().items() if name not in gone}
    reach = reach_of(tags, lambda _, digest: storage.document(digest))
    _require_whole(tags, reach)
    sizes, needed = storage.blobs(), reach.digests
    blobs = {digest: size for digest, size in sizes.items() if digest not in needed}
    links = [
        link.path
        for repository in storage.repositories()
        for link in storage.links(repository)
        if not _is_needed(link.leads, (repository, link.digest), reach, needed)
    ]
    old = [path for path, age_s in storage.uploads() if age_s > PURGED_AFTER_S]
    aside = [storage.aside_path(digest) for digest in storage.aside()]
    others = {path: _size_of(path) for path in (*old, *storage.drafts(), *aside)}
    return GcPlan(tuple(links), blobs, others, sum(sizes.values()), len(tags))


def _require_whole(tags: dict[Name, str], reach: Reachability) -> None:
    damaged = [f"{repository}:{tag}" for (repository, tag), digest in tags.items() if not digest]
    unread = sorted({n for names in reach.names_of(reach.unread).values() for n in names})
    if damaged or unread:
        name = [*damaged, *unread][0]
        raise RegistryDamaged(
            f"{name} is damaged in the registry: nobody can tell which parts it needs, so none "
            "is removed",
            remedy="Mend it first: airferry registry verify --repair. Or give it up: "
            f"airferry registry delete {name}",
        )


def _is_needed(leads: LinkType, key: Name, reach: Reachability, needed: Collection[str]) -> bool:
    """Whether a link is: one for imports is for as long as its blob is needed anywhere."""
    if key[0] == STAGE:
        return key[1] in needed
    return key in (reach.parts if leads is LinkType.PART else reach.manifests)


def carry_out(
    storage: Storage, sweep: GcPlan, go_on: Callable[[], None], told: Callable[[int], None]
) -> None:
    """Remove what is of no use any more. Nobody may push meanwhile.

    Args:
        storage: The registry's directory.
        sweep: What that is.
        go_on: Called between two removals; raises to end it.
        told: Told the bytes that were given back so far.

    Raises:
        OSError: something cannot be removed.
        Cancelled: raised by `go_on`.
    """
    done = 0
    for path in sweep.links:
        go_on()
        path.unlink(missing_ok=True)
    for digest, size in sweep.blobs.items():
        go_on()
        storage.blob_path(digest).unlink(missing_ok=True)
        done += size
        told(done)
    for path, size in sweep.others.items():
        go_on()
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        done += size
        told(done)
    _drop_empty(storage.directory / "docker/registry/v2")


def _drop_empty(top: Path) -> None:
    """Remove directories in which nothing is any more, but for those that are always there."""
    for place, _, files in os.walk(top, topdown=False):
        path = Path(place)
        if not files and len(path.relative_to(top).parts) > _FIXED_DEPTH:
            with suppress(OSError):  # something is in it
                path.rmdir()


def _size_of(path: Path) -> int:
    try:
        if path.is_dir():
            return sum(inside.stat().st_size for inside in path.rglob("*") if inside.is_file())
        return path.stat().st_size
    except FileNotFoundError:
        return 0
