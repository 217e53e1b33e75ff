"""What is wrong in a registry whose disk is not ours: everything is downloaded and compared."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from core.errors import RegistryBusy, RegistryDamaged, RegistryOddAnswer
from core.registry.api.client import RegistryClient
from core.registry.api.parallel import Name, asked
from core.registry.content.inventory import names_in
from core.registry.content.snapshot import STUMBLED, Document
from core.registry.integrity.scan import Problem, ProblemKind, Scan
from core.registry.local.storage import Reachability, reach_of

DOWNLOADS = 4


class ScanElsewhere:
    """Reads all that the names of a registry lead to.

    Args:
        client: The registry.
        go_on: Called again and again, from several threads; raises to end it.
    """

    def __init__(self, client: RegistryClient, go_on: Callable[[], None]) -> None:
        self._client = client
        self._go_on = go_on
        self._documents: dict[Name, Document | None] = {}
        self._damaged: set[str] = set()
        self._lock = threading.Lock()

    def run(self, told: Callable[[int, int], None]) -> Scan:
        """Return what is wrong.

        Args:
            told: Told the bytes that were read so far, and how many there are.

        Raises:
            RegistryError: it refuses, or goes away.
        """
        tags = self._tags()
        tops = {(repository, digest) for (repository, _), digest in tags.items() if digest}
        asked(lambda name: self._document(*name), tops)
        reach = reach_of(tags, self._document)
        sizes = asked(lambda name: self._size(*name), reach.parts)
        self._compare(reach, sizes, told)
        lost = {digest for (_, digest), size in sizes.items() if size is None}
        lost |= reach.unread - self._damaged
        return Scan(tuple(self._findings(tags, reach, lost)), len(tags), sum(reach.sizes.values()))

    def _findings(
        self, tags: Mapping[Name, str], reach: Reachability, lost: set[str]
    ) -> list[Problem]:
        ills = {
            **dict.fromkeys(lost, ProblemKind.MISSING),
            **dict.fromkeys(self._damaged, ProblemKind.DAMAGED),
        }
        names, manifests = reach.names_of(ills), {digest for _, digest in reach.manifests}
        found = [
            Problem(
                ill,
                digest,
                names[digest],
                reach.sizes.get(digest, 0),
            )
            for digest, ill in sorted(ills.items(), key=lambda one: (one[0] not in manifests, one))
        ]
        broken = [name for name, digest in tags.items() if not digest]
        return [
            *found,
            *(Problem(ProblemKind.TAG, "", (f"{n[0]}:{n[1]}",), name=n) for n in broken),
        ]

    def _tags(self) -> dict[Name, str]:
        """Return what each name stands for; empty where the registry stumbles over it."""

        def digest_of(name: Name) -> str | None:
            self._go_on()
            try:
                return self._client.manifest_digest(*name) or ""
            except RegistryBusy as error:
                if error.status == STUMBLED:
                    return ""
                raise

        return {
            name: digest or "" for name, digest in asked(digest_of, names_in(self._client)).items()
        }

    def _document(self, repository: str, digest: str) -> Document | None:
        key = (repository, digest)
        if key not in self._documents:
            self._go_on()
            found = None
            try:
                found = self._client.document(repository, digest)
            except RegistryDamaged:
                self._damaged.add(digest)
            except RegistryBusy as error:
                if error.status != STUMBLED:
                    raise
                self._damaged.add(digest)
            self._documents[key] = Document(*found) if found else None
        return self._documents[key]

    def _size(self, repository: str, digest: str) -> int | None:
        self._go_on()
        try:
            return self._client.blob_size(repository, digest)
        except RegistryBusy as error:
            if error.status == STUMBLED:
                return None
            raise

    def _compare(
        self,
        reach: Reachability,
        sizes: Mapping[Name, int | None],
        told: Callable[[int, int], None],
    ) -> None:
        """Download each part once, a few side by side."""
        homes = {digest: name for (name, digest), size in sizes.items() if size is not None}
        done, total = 0, sum(reach.sizes.get(digest, 0) for digest in homes)

        def read(digest: str) -> None:
            nonlocal done
            found, home = hashlib.sha256(), homes[digest]
            try:
                for piece in self._client.blob(home, digest, sizes[home, digest]):
                    self._go_on()
                    found.update(piece)
                    with self._lock:
                        done += len(piece)
                        told(done, total)
            except RegistryOddAnswer:  # more of it than there is, or a page instead
                self._damaged.add(digest)
            if f"sha256:{found.hexdigest()}" != digest:
                self._damaged.add(digest)

        with ThreadPoolExecutor(DOWNLOADS, "verify") as pool:
            list(pool.map(read, homes))
