"""Mending what is wrong in the storage of the DU's registry.

A damaged blob is put aside first: a registry takes no blob again that it believes to have. Then all
blobs are brought under their digests, and what leads to them is written anew. No name is changed,
none is added: who was deleted does not come back with the bundle that lends a layer.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from core.bundle.catalogue import LayerIndex
from core.bundle.model import Bundle, BundleFile
from core.bundle.reference import Reference
from core.errors import BundleCorrupt, BundleError, Cancelled
from core.pause import Pause
from core.registry.api.client import RegistryClient
from core.registry.backup.archive import BackupArchive
from core.registry.content.staging import STAGE
from core.registry.imports.import_pass import IngestOptions
from core.registry.imports.importer import Import
from core.registry.imports.publish import publish
from core.registry.integrity.repair_sources import Sources, parts_of, tag_digest
from core.registry.integrity.scan import Problem, ProblemKind, Scan
from core.registry.local.storage import Storage

Keep = Callable[[BundleFile, Bundle], object]


@dataclass
class Repair:
    """Mends; may be run again and again, with what was found then.

    Args:
        storage: The registry's directory.
        client: The registry, which is running.
        sources: Who can supply what it lacks.
        index: The layers that imports know.
        keep: Notes what a bundle became.
        stop: Ends it within a second when set.
        options: How bundles are read.
        pause: Holds it between two parts.
        brought_bytes: How much was read from bundles and backups so far.
        problems: What is wrong with those that were of no use.
    """

    storage: Storage
    client: RegistryClient
    sources: Sources
    index: LayerIndex
    keep: Keep
    stop: threading.Event
    options: IngestOptions = field(default_factory=IngestOptions)
    pause: Pause = field(default_factory=Pause)
    brought_bytes: int = 0
    problems: list[str] = field(default_factory=list)
    _useless: set[str] = field(default_factory=set)

    def size_bytes(self, scan: Scan) -> int:
        """Return how much is to be read from bundles and backups for what was found."""
        wanted = {f.digest: f.size_bytes for f in scan.findings if f.lacks_content}
        files = {file for file in map(self._bundle_for, wanted) if file}
        kept = sum(size for d, size in wanted.items() if self.sources.backup_of(d))
        return kept + sum(file.size_bytes for file in files)

    def run(self, scan: Scan, progress: Callable[[int], None], say: Callable[[str], None]) -> None:
        """Mend what can be mended.

        Args:
            scan: What was found.
            progress: Told the bytes that were read from bundles and backups, by all calls together.
            say: Told in words what is done now.

        Raises:
            RegistryError: the registry refused or went away.
            OSError: its directory cannot be written.
            Cancelled: `stop` was set.
        """
        for finding in scan.of(ProblemKind.DAMAGED):
            if self.storage.has(finding.digest):
                self.storage.put_aside(finding.digest)
        wanted = {f.digest: f for f in scan.findings if f.lacks_content}
        with self.client.ended_by(self.stop):
            for digest, finding in wanted.items():
                self._hold(say)
                with self._noted([digest]):
                    self._bring_small(digest, finding, progress, say)
            files: dict[BundleFile, list[str]] = {}
            for digest in wanted:
                if file := self._bundle_for(digest):
                    files.setdefault(file, []).append(digest)
            for file, digests in files.items():
                with self._noted(digests):
                    self._bring_from(file, wanted.values(), progress, say)
        self.mend_links(scan)
        self._drop_aside()

    def mend_links(self, scan: Scan) -> None:
        """Write the links and names anew that are damaged; where nothing is to lead to, they go.

        Raises:
            OSError: a file cannot be written.
        """
        for finding in scan.of(ProblemKind.LINK):
            link = finding.link
            if link is None:
                continue
            if self.storage.has(finding.digest):
                self.storage.put_link(link.path, link.digest)
            elif not finding.names:
                link.path.unlink(missing_ok=True)
        for finding in scan.of(ProblemKind.TAG):
            if finding.name and (digest := self.stood_for(finding)):
                self.storage.put_tag(finding.name, digest)

    def stood_for(self, finding: Problem) -> str:
        """Return what a damaged name must have stood for; empty where that is not certain."""
        if finding.name is None:
            return ""
        once = {digest for digest in self.storage.history(*finding.name) if self._is_there(digest)}
        said = self.sources.digests_of(finding.name)
        for candidates in (once & said, once):
            if len(candidates) == 1:
                return candidates.pop()
        return ""

    def can_mend(self, finding: Problem) -> bool:
        """Whether there is a way to mend it."""
        if finding.ill is ProblemKind.TAG:
            return bool(self.stood_for(finding))
        if not finding.lacks_content:
            return True
        supplier = self.sources.supplier_of(finding.digest)
        return bool(supplier) and finding.digest not in self._useless

    def _is_there(self, digest: str) -> bool:
        return self.storage.has(digest) or digest in self.sources.manifests

    def _bundle_for(self, digest: str) -> BundleFile | None:
        if self.sources.backup_of(digest) or digest in self.sources.manifests:
            return None
        return self.sources.bundle_of(digest)

    def _bring_small(
        self,
        digest: str,
        finding: Problem,
        progress: Callable[[int], None],
        say: Callable[[str], None],
    ) -> None:
        """Bring one blob from a backup, or a manifest that is known."""
        backup = self.sources.backup_of(digest)
        if digest in self.sources.manifests:
            self.client.upload_bytes(STAGE, self.sources.manifests[digest])
        elif backup:
            say(f"bringing a part of {finding.names[0]} from {backup.name}")
            pieces = self._checked(backup, digest, progress)
            self.client.upload_stream(STAGE, pieces, lambda: digest)

    def _checked(
        self, backup: BackupArchive, digest: str, progress: Callable[[int], None]
    ) -> Iterator[bytes]:
        found = hashlib.sha256()
        for piece in backup.pieces(digest, self._go_on):
            found.update(piece)
            yield piece
            self.brought_bytes += len(piece)
            progress(self.brought_bytes)
        if f"sha256:{found.hexdigest()}" != digest:
            raise BundleCorrupt(
                f"{backup.name}: the blob {digest} in it is damaged itself",
                remedy="Take another backup, or put the bundle into imagesDir again.",
            )

    def _bring_from(
        self,
        file: BundleFile,
        wanted: Iterable[Problem],
        progress: Callable[[int], None],
        say: Callable[[str], None],
    ) -> None:
        """Read a bundle; the registry takes what it lacks. Then see that the names lead to it.

        Where the same layer comes out under another digest (the import compresses otherwise than it
        did then), the image gets a manifest that names it, under the names that it has now.
        """
        before = next(bundle for other, bundle in self.sources.bundles if other == file)
        start = self.brought_bytes
        reading = Import(file, self.client, self.index, self.stop, self.options, before, self.pause)

        def told(done: int) -> None:
            self.brought_bytes = max(self.brought_bytes, start + done)
            progress(self.brought_bytes)

        say(f"reading {file.name}")
        after = reading.run(told, lambda words: say(f"{file.name}: {words}")).bundle
        after = after.keeping_registry(before.keeps_registry)
        if set(parts_of(after)) <= set(parts_of(before)):
            after = before
        else:
            names = [*before.references]
            if len(names) == 1 and names != [*after.references]:
                after = after.named(names[0])  # it was given at the import
            self.keep(file, after)
        suffering = {name for finding in wanted for name in finding.names}
        publish(after.without(self._others(before, after, suffering)), self.client, self.stop)

    def _others(self, before: Bundle, after: Bundle, suffering: Collection[str]) -> list[Reference]:
        """Return the names of a bundle that are left alone: well, deleted, or another's by now."""
        tags = self.storage.tags()
        found = []
        own = (reference for one in after.carried for reference in one.references)
        for reference in (*after.references, *own):
            name = (reference.site_repository, reference.tag)
            is_its_own = tags.get(name) == tag_digest(before, name) != ""
            if f"{name[0]}:{name[1]}" not in suffering or not is_its_own:
                found.append(reference)
        return found

    def _drop_aside(self) -> None:
        """Remove damaged blobs whose place was taken by whole ones."""
        for digest in self.storage.aside():
            if self.storage.has(digest):
                self.storage.aside_path(digest).unlink(missing_ok=True)

    @contextmanager
    def _noted(self, digests: Iterable[str]) -> Iterator[None]:
        """Note a bundle or backup that is damaged itself, and go on with the others."""
        try:
            yield
        except BundleError as error:
            self.problems.append(error.what)
            self._useless.update(digests)

    def _hold(self, say: Callable[[str], None]) -> None:
        self._go_on()
        self.pause.wait(self._go_on, say)

    def _go_on(self) -> None:
        if self.stop.is_set():
            raise Cancelled("the repair was ended")
