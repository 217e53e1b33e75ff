"""From a backup into a registry: what it lacks is sent, and afterwards all is as the backup says.

Blobs come first, then manifests, each before the lists that name it, and the tags last of all; so
whatever ends it before leaves every tag either as it was or as it is in the backup.
"""

from __future__ import annotations

import errno
import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TypeVar

from core.errors import (
    BundleCorrupt,
    BundleError,
    Cancelled,
    RegistryBusy,
    RegistryError,
    RegistryFull,
)
from core.pause import Pause
from core.registry.api.client import RegistryClient
from core.registry.api.parallel import Name, asked
from core.registry.backup.archive import BackupArchive
from core.registry.content.inventory import names_in
from core.registry.content.snapshot import STUMBLED, RegistrySnapshot
from core.registry.local.blob_files import BlobFiles

UPLOADS = 4
T = TypeVar("T")


@dataclass(frozen=True)
class RestoreDiff:
    """What a registry lacks of a backup, and has too much.

    Args:
        blobs: The size of each blob that is to be sent.
        links: Each (repository, blob) that is to be made known.
        manifests: Each (repository, digest) that is to be put.
        tags: Each (repository, tag) that stands for something else, or for nothing.
        damaged: Blobs and manifests that are there, but not what they should be.
        extra: The digest of each (repository, tag) that is to be removed.
    """

    blobs: Mapping[str, int] = field(default_factory=dict)
    links: tuple[Name, ...] = ()
    manifests: tuple[Name, ...] = ()
    tags: tuple[Name, ...] = ()
    damaged: tuple[str, ...] = ()
    extra: Mapping[Name, str] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """How much is to be sent."""
        return sum(self.blobs.values())

    def __bool__(self) -> bool:
        return any((self.blobs, self.links, self.manifests, self.tags, self.damaged, self.extra))


class Restore:
    """A backup on its way back; may be asked and run again and again.

    Args:
        saved: The backup, and others from which blobs may be taken; the newest says what is to be.
        client: The registry.
        stop: Ends it within a second when set.
        files: Where the registry stores, if that is on this machine.
        prune: Remove tags that the backup does not have.
        pause: Holds it between two blobs.
    """

    def __init__(
        self,
        saved: Sequence[BackupArchive],
        client: RegistryClient,
        stop: threading.Event,
        files: BlobFiles | None = None,
        *,
        prune: bool = False,
        pause: Pause | None = None,
    ) -> None:
        self.newest = max(saved, key=lambda one: one.record.created)
        self._sources = {digest: one for one in saved for digest in one.places}
        self._client = client
        self._stop = stop
        self._broken = threading.Event()
        self._looks_elsewhere = threading.Event()
        self._files = files
        self._prune = prune
        self._pause = pause or Pause()
        self._sent_bytes = 0
        self._under_way: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def content(self) -> RegistrySnapshot:
        """What the registry is to hold."""
        return self.newest.snapshot

    def lacks(self, *, closely: bool, say: Callable[[str], None] = lambda _: None) -> RestoreDiff:
        """Ask the registry what it lacks.

        Args:
            closely: Read what it has from its disk, where that is possible, and compare.
            say: Told in words how far it is.

        Raises:
            BundleError: what it lacks is in none of the backups.
            RegistryError: it is gone, or has damaged blobs that only its own people can replace.
            Cancelled: `stop` was set.
        """
        content, client = self.content, self._client
        manifests = [(name, digest) for name, ds in content.manifests.items() for digest in ds]
        sizes = asked(lambda name: self._ask(client.blob_size, name), content.links)
        filed = asked(lambda name: self._ask(client.manifest_digest, name), manifests)
        tagged = asked(lambda name: self._ask(client.manifest_digest, name), content.tags)
        damaged = {d for (_, d), size in sizes.items() if size not in (None, content.blobs[d])}
        if self._files is not None and closely:
            digests = sorted({*content.blobs, *content.documents} - damaged)
            damaged |= set(self._damaged_files(self._files, digests, say))
        if damaged and self._files is None:
            raise self._damaged_elsewhere(sorted(damaged)[0])
        whole = {d for (_, d), size in sizes.items() if size is not None and d not in damaged}
        found = RestoreDiff(
            blobs={d: size for d, size in content.blobs.items() if d not in whole},
            links=tuple(name for name, size in sizes.items() if size is None),
            manifests=tuple(n for n in manifests if filed[n] is None or n[1] in damaged),
            tags=tuple(name for name, digest in content.tags.items() if tagged[name] != digest),
            damaged=tuple(sorted(damaged)),
            extra=self._extra() if self._prune else {},
        )
        self._require_sources(found)
        return found

    def images_of(self, lacks: RestoreDiff) -> int:
        """Return how many images (names) lack something."""
        links, manifests = frozenset(lacks.links), frozenset(lacks.manifests)
        return sum(
            name in lacks.tags
            or any(
                (name[0], manifest) in manifests
                or any(
                    digest in lacks.blobs or (name[0], digest) in links
                    for digest in self.content.documents[manifest].blobs
                )
                for manifest in self.content.below(top)
            )
            for name, top in self.content.tags.items()
        )

    def run(
        self,
        lacks: RestoreDiff,
        progress: Callable[[int], None],
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Supply what the registry lacks.

        Args:
            lacks: What that is.
            progress: Told the bytes that were sent so far, by all calls together.
            say: Told in words what is done now.

        Raises:
            BundleCorrupt: a blob of the backup is damaged; no tag was put then.
            RegistryError: the registry refused or went away.
            Cancelled: `stop` was set.
        """
        self._broken.clear()
        self._under_way.clear()
        with self._client.ended_by(self._stop):
            homes = self._supply(lacks, progress, say)
            say("putting the images together")
            asked(lambda name: self._link(name, homes), lacks.links)
            self._put(lacks.manifests, lambda name: name[1])
            say("naming the images")
            self._put(lacks.tags, lambda name: self.content.tags[name])
            self._remove(lacks.extra)

    def _supply(
        self, lacks: RestoreDiff, progress: Callable[[int], None], say: Callable[[str], None]
    ) -> dict[str, str]:
        """Send blobs, in place of damaged ones too; return into which repository each went."""
        files = self._files
        if files is None:
            return self._send(lacks, progress, say)
        for digest in lacks.damaged:
            files.remove(digest)
        files.clear_drafts()
        try:
            return self._send(lacks, progress, say)
        finally:
            files.clear_drafts()

    def _send(
        self, lacks: RestoreDiff, progress: Callable[[int], None], say: Callable[[str], None]
    ) -> dict[str, str]:
        """Send blobs side by side; return into which repository each went."""
        say("sending what is missing")
        unknown: dict[str, list[str]] = {}
        for repository, digest in lacks.links:
            unknown.setdefault(digest, []).append(repository)
        homes = {
            digest: (unknown.get(digest) or self.content.repositories_of(digest))[0]
            for digest in lacks.blobs
        }

        def upload(digest: str) -> None:
            if self._pause.wait(self._go_on, say):
                say("sending what is missing")
            self._upload(digest, homes[digest], progress)

        with ThreadPoolExecutor(UPLOADS, "upload") as pool:
            jobs = [pool.submit(upload, digest) for digest in homes]
            done, _ = wait(jobs, return_when=FIRST_EXCEPTION)
            if any(job.exception() for job in done):
                self._broken.set()
                for job in jobs:
                    job.cancel()
        errors = [error for job in jobs if not job.cancelled() and (error := job.exception())]
        for error in sorted(errors, key=lambda error: isinstance(error, Cancelled)):
            raise error
        return homes

    def _upload(self, digest: str, repository: str, progress: Callable[[int], None]) -> None:
        source = self._sources[digest]

        def checked() -> Iterator[bytes]:
            found = hashlib.sha256()
            for piece in source.pieces(digest, self._go_on):
                found.update(piece)
                yield piece
                self._tell(digest, len(piece), progress)
            if f"sha256:{found.hexdigest()}" != digest:
                raise BundleCorrupt(
                    f"{source.name}: the blob {digest} of {self.content.needed_by(digest)} is "
                    f"damaged (it is sha256:{found.hexdigest()})",
                    remedy="Copy the backup again, or take another one. No tag was changed.",
                )

        if not self._put_directly(digest, repository, checked):
            with self._lock:
                self._under_way.pop(digest, 0)
            self._client.upload_stream(repository, checked(), lambda: digest)
        with self._lock:
            self._sent_bytes += self._under_way.pop(digest, 0)

    def _put_directly(
        self, digest: str, repository: str, checked: Callable[[], Iterator[bytes]]
    ) -> bool:
        """Put a blob where the registry stores; False if that cannot be, or it does not see it.

        Raises:
            BundleCorrupt: it is damaged.
            RegistryFull: there is no room.
            Cancelled: `stop` was set.
        """
        files = self._files
        if files is None or self._looks_elsewhere.is_set():
            return False
        try:
            files.put(repository, digest, checked())
            if self._client.blob_size(repository, digest) == self.content.blobs[digest]:
                return True
            self._looks_elsewhere.set()
            files.take_back(repository, digest)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise RegistryFull(f"{files.directory} is full") from error
        return False

    def _tell(self, digest: str, size: int, progress: Callable[[int], None]) -> None:
        with self._lock:
            self._under_way[digest] = self._under_way.get(digest, 0) + size
            done = self._sent_bytes + sum(self._under_way.values())
        progress(done)

    def _link(self, name: Name, homes: Mapping[str, str]) -> None:
        """Make a blob known in one more repository."""
        self._go_on()
        repository, digest = name
        if homes.get(digest) == repository:
            return
        sources = [homes[digest]] if digest in homes else self.content.repositories_of(digest)
        for source in sources:
            size = self._ask(self._client.blob_size, (source, digest))
            if source != repository and size is not None:
                if not self._client.mount(repository, digest, source):
                    self._client.copy_blob(repository, digest, source)
                return
        raise RegistryError(f"the blob {digest} went while it was being restored")

    def _put(self, names: Sequence[Name], digest_of: Callable[[Name], str]) -> None:
        """Put manifests in their order, repositories side by side; see `publish` for why."""

        def put(repository: str) -> None:
            for name in by_repository[repository]:
                self._go_on()
                document = self.content.documents[digest_of(name)]
                self._client.put_manifest(*name, document.data, document.media_type)

        by_repository: dict[str, list[Name]] = {}
        for name in names:
            by_repository.setdefault(name[0], []).append(name)
        asked(put, by_repository)

    def _remove(self, extra: Mapping[Name, str]) -> None:
        gone: set[Name] = set()
        for (repository, tag), digest in extra.items():
            self._go_on()
            if digest in self.content.manifests.get(repository, ()):
                self._client.delete_tag(repository, tag)
            elif (repository, digest) not in gone:
                self._client.delete_manifest(repository, digest)
                gone.add((repository, digest))

    def _extra(self) -> dict[Name, str]:
        listed = [name for name in names_in(self._client) if name not in self.content.tags]
        found = asked(lambda name: self._ask(self._client.manifest_digest, name), listed)
        return {name: digest for name, digest in found.items() if digest is not None}

    def _damaged_files(
        self, files: BlobFiles, digests: Sequence[str], say: Callable[[str], None]
    ) -> Iterator[str]:
        read_bytes, told = 0, 0
        total = sum(self.content.blobs.get(digest, 0) for digest in digests) or 1

        def tell(size: int) -> None:
            nonlocal read_bytes, told
            read_bytes += size
            if 100 * read_bytes // total > told:
                told = 100 * read_bytes // total
                say(f"comparing what is there, {min(told, 100)} %")

        yield from files.damaged(digests, self._go_on, tell)

    def _require_sources(self, lacks: RestoreDiff) -> None:
        digests = [*lacks.blobs, *(digest for _, digest in lacks.manifests)]
        lost = [digest for digest in digests if digest not in self._sources]
        if not lost:
            return
        needs = self.newest.record.needs
        raise BundleError(
            f"{self.newest.name}: {len(lost)} blobs are in none of the backups given, such as "
            f"{lost[0]} of {self.content.needed_by(lost[0])}",
            remedy=f"Name the earlier backups as well: {', '.join(needs)}"
            if needs
            else "Take another backup: this one is not whole.",
        )

    def _damaged_elsewhere(self, digest: str) -> RegistryError:
        return RegistryError(
            f"the registry {self._client.address} has a damaged blob: {digest} of "
            f"{self.content.needed_by(digest)}",
            remedy="A registry takes no blob again that it has: remove it where the registry runs.",
        )

    def _ask(self, question: Callable[[str, str], T | None], name: Name) -> T | None:
        """Ask about one thing; where the registry stumbles over it (a file is empty), it lacks it.

        (Power cuts leave such files; CNCF distribution answers 500 then, and takes it anew.)
        """
        self._go_on()
        try:
            return question(*name)
        except RegistryBusy as error:
            if error.status == STUMBLED:
                return None
            raise

    def _go_on(self) -> None:
        if self._stop.is_set() or self._broken.is_set():
            raise Cancelled("the restore was ended")
