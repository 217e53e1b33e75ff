"""What is wrong in the storage of a registry: blobs damaged or gone, links that lead nowhere.

Every byte is read from the disk itself. The registry cannot say any of this: it believes the sizes
of files, and hands a damaged blob to every host that asks for it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from core.registry.api.parallel import Name
from core.registry.content.snapshot import Document
from core.registry.local.storage import Link, LinkType, Reachability, Storage, reach_of

PURGED_AFTER_S = 24 * 3600.0


class ProblemKind(StrEnum):
    """What can be wrong."""

    DAMAGED = "damaged"
    MISSING = "missing"
    LINK = "link"
    TAG = "tag"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Args:
        ill: What is wrong.
        digest: Of the blob, or of what the link should lead to; empty for a name.
        names: The images (`repository:tag`) that suffer.
        size_bytes: How large the blob is, or should be.
        link: The link, where it is one.
        name: Repository and tag, where the name itself is damaged.
    """

    ill: ProblemKind
    digest: str
    names: tuple[str, ...] = ()
    size_bytes: int = 0
    link: Link | None = None
    name: Name | None = None

    @property
    def lacks_content(self) -> bool:
        """Whether bytes are to be brought for it from elsewhere."""
        return self.ill in (ProblemKind.DAMAGED, ProblemKind.MISSING) and bool(self.names)


@dataclass(frozen=True)
class Scan:
    """What was found in a storage directory.

    Args:
        findings: What is wrong, the worst first.
        images: How many names there are.
        size_bytes: Of all blobs.
        leftovers: What is of no use any more, in words; clearing up takes it away.
    """

    findings: tuple[Problem, ...] = ()
    images: int = 0
    size_bytes: int = 0
    leftovers: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The images that suffer."""
        return sorted({name for finding in self.findings for name in finding.names})

    def of(self, *ills: ProblemKind) -> list[Problem]:
        """Return the findings of some kinds."""
        return [finding for finding in self.findings if finding.ill in ills]


class _AnotherBroke(Exception):
    """Another thread has ended the scan."""


def scan_storage(
    storage: Storage,
    go_on: Callable[[], None],
    told: Callable[[int], None],
    only: Collection[str] | None = None,
    known: Mapping[str, bytes] | None = None,
) -> Scan:
    """Look at everything that a registry has stored.

    Names are read first: whatever is pushed meanwhile, what they need was there before.

    Args:
        storage: Its directory.
        go_on: Called again and again, from several threads; raises to end it.
        told: Told the bytes that were read so far.
        only: The blobs whose bytes are read and compared; all of them if None.
        known: Manifests that are known from elsewhere: they say what an image needs where the
            registry's own is damaged.

    Raises:
        OSError: the directory itself cannot be read, or a blob for a fault of this process.
    """
    tags = storage.tags()
    elsewhere = known or {}

    def read(_: str, digest: str) -> Document | None:
        found = storage.document(digest)
        return Document("", elsewhere[digest]) if not found and digest in elsewhere else found

    reach = reach_of(tags, read)
    sizes = storage.blobs()
    looked_at = sizes if only is None else [digest for digest in only if digest in sizes]
    damaged = set(unsound_blobs(storage, looked_at, go_on, told))
    damaged |= {d for d, size in reach.sizes.items() if sizes.get(d, size) != size}
    # What was deleted since is no finding.
    damaged = {digest for digest in damaged if storage.has(digest)}
    findings = [
        *_bad_blobs(reach, sizes, damaged),
        *_bad_names(tags),
        *_bad_links(storage, reach, {*sizes} - damaged),
    ]
    return Scan(tuple(findings), len(tags), sum(sizes.values()), tuple(_leftovers(storage)))


def unsound_blobs(
    storage: Storage,
    digests: Iterable[str],
    go_on: Callable[[], None],
    told: Callable[[int], None],
) -> Iterator[str]:
    """Yield those of the blobs that are there and are not whole, see `Storage.is_damaged`.

    Args:
        storage: Where they are.
        digests: Which; they are read by as many threads as there are cores.
        go_on: Called again and again; raises to end it.
        told: Told the bytes that were read so far.

    Raises:
        OSError: this process cannot read one; that says nothing of it.
    """
    read_bytes, lock, broken = 0, threading.Lock(), threading.Event()

    def go_on_unless_broken() -> None:
        if broken.is_set():
            raise _AnotherBroke
        go_on()

    def tell(size: int) -> None:
        nonlocal read_bytes
        with lock:
            read_bytes += size
            told(read_bytes)

    def looked_at(digest: str) -> bool:
        try:
            return storage.is_damaged(digest, go_on_unless_broken, tell)
        except _AnotherBroke:  # its error is the one that is to be seen
            return False
        except BaseException:
            broken.set()
            raise

    digests = list(digests)
    with ThreadPoolExecutor(os.cpu_count(), "verify") as pool:
        for digest, is_damaged in zip(digests, pool.map(looked_at, digests), strict=True):
            if is_damaged:
                yield digest


def _bad_blobs(
    reach: Reachability, sizes: dict[str, int], damaged: Collection[str]
) -> Iterator[Problem]:
    needed = reach.digests
    lost = {digest for digest in needed if digest not in sizes}
    manifests = {digest for _, digest in reach.manifests}
    names = reach.names_of({*damaged, *lost})
    for digest in sorted({*damaged, *lost}, key=lambda d: (d not in manifests, not names[d], d)):
        ill = ProblemKind.DAMAGED if digest in damaged else ProblemKind.MISSING
        size = reach.sizes.get(digest, sizes.get(digest, 0))
        yield Problem(ill, digest, names[digest], size)


def _bad_names(tags: dict[Name, str]) -> Iterator[Problem]:
    for (repository, tag), digest in tags.items():
        if not digest:
            yield Problem(ProblemKind.TAG, "", (f"{repository}:{tag}",), name=(repository, tag))


def _bad_links(storage: Storage, reach: Reachability, there: Collection[str]) -> Iterator[Problem]:
    """Yield links that are damaged, and those that an image needs and that are not there."""
    found: set[tuple[LinkType, Name]] = set()
    for repository in storage.repositories():
        for link in storage.links(repository):
            key = (repository, link.digest)
            if link.is_sound:
                found.add((link.leads, key))
            elif (link.leads, key) not in found or link.leads is LinkType.HISTORY:
                found.add((link.leads, key))
                needs = reach.manifests if link.leads is LinkType.REVISION else reach.parts
                yield Problem(ProblemKind.LINK, link.digest, tuple(needs.get(key, ())), link=link)
    for leads, needs in ((LinkType.REVISION, reach.manifests), (LinkType.PART, reach.parts)):
        for (repository, digest), names in needs.items():
            if digest in there and (leads, (repository, digest)) not in found:
                path = storage.link_path(leads, repository, digest)
                link = Link(leads, repository, digest, path, is_sound=False)
                yield Problem(ProblemKind.LINK, digest, tuple(names), link=link)


def _leftovers(storage: Storage) -> Iterator[str]:
    old = sum(age_s > PURGED_AFTER_S for _, age_s in storage.uploads())
    for number, what in (
        (old, "unfinished uploads older than a day"),
        (len(storage.drafts()), "half-written links"),
        (len(storage.aside()), "damaged parts that were put aside"),
    ):
        if number:
            yield f"{number} {what}"
