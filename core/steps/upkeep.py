"""Looking for rot in the registry, and mending it, as steps on the DU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial

from core.bundle.discovery import find_bundles
from core.bundle.model import Bundle, BundleFile
from core.config import Mode
from core.errors import BundleError, RegistryDamaged
from core.registry.backup.archive import open_saved
from core.registry.integrity.remote_scan import ScanElsewhere
from core.registry.integrity.repair import Repair
from core.registry.integrity.repair_sources import Sources
from core.registry.integrity.scan import Problem, ProblemKind, Scan, scan_storage
from core.registry.local.storage import Storage
from core.steps.base import Missing, Reporter, VerifyStep
from core.steps.targets import DuStep
from core.steps.work import Work
from core.telling import Detail
from core.threads import in_thread
from core.warnings import NO_SOURCE, NOT_MENDED
from core.words import count, some_of

ROUNDS = 3
REPAIR = "Mend it: airferry registry verify --repair"
_WORDS = {
    ProblemKind.DAMAGED: "damaged part",
    ProblemKind.MISSING: "missing part",
    ProblemKind.LINK: "damaged link",
    ProblemKind.TAG: "damaged name",
}


def sources_of(work: Work) -> Sources:
    """Return who can supply parts: bundles in imagesDir, backups, what is known of them. Blocks.

    Raises:
        BundleError: a backup cannot be read.
    """
    backups = tuple(open_saved(file, work.go_on) for file in work.files)
    return Sources(tuple(_at_hand(work)), backups, tuple(_imported(work.catalogue.all())))


def _at_hand(work: Work) -> Iterator[tuple[BundleFile, Bundle]]:
    try:
        files, _ = find_bundles(work.config.images_dir, pass_unreadable=True)
    except BundleError:
        return
    for file in files:
        known = work.catalogue.find(file)
        if known is not None and known.imported:
            yield file, known


def _imported(bundles: Iterable[Bundle]) -> Iterator[Bundle]:
    return (bundle for bundle in bundles if bundle.imported)


def particular_of(finding: Problem, sources: Sources) -> Detail:
    """Return a finding as it stands in the log."""
    note = ""
    if finding.lacks_content:
        note = sources.supplier_of(finding.digest)
        if not note and (origin := sources.origin_of(finding.digest)):
            note = f"it came with {origin}, which is not in imagesDir any more"
    elif finding.ill in (ProblemKind.DAMAGED, ProblemKind.MISSING):
        note = "no image needs it"
    subject = finding.digest or finding.names[0]
    return Detail(str(finding.ill), subject, finding.size_bytes, finding.names, note)


def summary(scan: Scan) -> str:
    """Return what is wrong in a sentence."""
    counts = Counter(finding.ill for finding in scan.findings)
    parts = [count(counts[ill], word) for ill, word in _WORDS.items() if counts[ill]]
    names = scan.names
    suffering = f" in {count(len(names), 'image')}: {some_of(names)}" if names else ""
    return f"{', '.join(parts)}{suffering}"


class RegistryScan(DuStep, VerifyStep):
    """Everything that the registry has stored is whole."""

    step_id = "registry.scan"
    title = "check registry"

    async def check(self, tell: Reporter) -> Missing | None:
        work = self._work
        sources = await in_thread(lambda: sources_of(work), work.stop)
        tell.say("reading what the registry has stored")
        if work.config.mode is Mode.CUSTOM:
            scan = await work.ask_registry(
                lambda client: ScanElsewhere(client, work.go_on_when_resumed).run(tell.bytes)
            )
        else:
            work.server.require_in_place()
            storage = Storage(work.config.registry_dir)
            scan = await in_thread(lambda: scanned(work, storage, sources, tell), work.stop)
        if not scan.findings:
            tell.found(sound(scan))
            return None
        tell.particulars(particular_of(finding, sources) for finding in scan.findings)
        size_bytes = sum(f.size_bytes for f in scan.findings if f.lacks_content)
        return Missing(summary(scan), size_bytes, self._remedy(scan, sources))

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        raise RegistryDamaged(missing.what, remedy=missing.remedy)

    def _remedy(self, scan: Scan, sources: Sources) -> str:
        if self._work.config.mode is Mode.CUSTOM:
            return (
                "Have damaged parts removed where the registry runs (it takes none again that it "
                "believes to have), then run: airferry import"
            )
        lost = [f for f in scan.findings if f.lacks_content and not sources.supplier_of(f.digest)]
        if lost:
            return f"{REPAIR}. {_without_source(lost, sources)}"
        return REPAIR


class RegistryRepair(DuStep):
    """What is damaged in the registry is mended, from bundles or a backup."""

    step_id = "registry.repair"
    title = "repair registry"

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self._storage = Storage(work.config.registry_dir)
        self._mending: Repair | None = None
        self._scan = Scan()
        self._brought: set[str] = set()
        self._outcome = ""
        self._is_applied = False

    async def check(self, tell: Reporter) -> Missing | None:
        work = self._work
        if self._mending is None:
            self._mending = await in_thread(self._made, work.stop)
        sources = self._mending.sources
        if self._is_applied:
            tell.say("comparing what was brought")
            self._scan = await in_thread(lambda: self._compared(sources), work.stop)
        else:
            tell.say("reading what the registry has stored")
            self._scan = await in_thread(
                lambda: scanned(work, self._storage, sources, tell), work.stop
            )
        scan = self._scan
        if not scan.findings:
            return await in_thread(lambda: self._of_no_use(scan, tell))
        tell.particulars(particular_of(finding, sources) for finding in scan.findings)
        lost = [finding for finding in scan.findings if not self._mending.can_mend(finding)]
        if self._is_applied:
            raise RegistryDamaged(
                f"not mended: {summary(scan)}", remedy=_without_source(lost, sources)
            )
        mendable = len(scan.findings) - len(lost)
        words = f"{summary(scan)}; {mendable} of {len(scan.findings)} can be mended"
        if lost:
            tell.warn(NO_SOURCE.of(names=_names_of(lost), remedy=_where_from(lost, sources)))
        return Missing(words, self._mending.size_bytes(scan))

    async def apply(self, missing: Missing, tell: Reporter) -> None:
        mending = self._mending
        if mending is None:
            return
        before = self._scan.size_bytes
        total = before + missing.size_bytes

        def progress(done: int) -> None:
            tell.bytes(before + done, total)

        found = len(self._scan.findings)
        for _ in range(ROUNDS):
            scan = self._scan
            self._is_applied = True
            await in_thread(partial(mending.run, scan, progress, tell.say), self._work.stop)
            self._brought |= {finding.digest for finding in scan.findings if finding.digest}
            self._scan = await in_thread(lambda: self._compared(mending.sources), self._work.stop)
            if not any(mending.can_mend(finding) for finding in self._scan.findings):
                break
        if found:
            self._outcome = f"; {found - len(self._scan.findings)} mended"
        tell.log(f"{found} findings, {len(self._scan.findings)} left")
        for problem in mending.problems:
            tell.warn(NOT_MENDED.of(what=problem))

    def _of_no_use(self, scan: Scan, tell: Reporter) -> Missing | None:
        """Return what is left to do where all is whole: a repair may have been killed late."""
        replaced = [digest for digest in self._storage.aside() if self._storage.has(digest)]
        if replaced:
            return Missing(f"{count(len(replaced), 'damaged part')} to go: replaced already")
        tell.found(f"{sound(scan)}{self._outcome}")
        return None

    def _made(self) -> Repair:
        work = self._work
        return Repair(
            self._storage,
            work.registry,
            sources_of(work),
            work.layers,
            work.catalogue.keep,
            work.stop,
            work.ingest_options,
            work.pause,
        )

    def _compared(self, sources: Sources) -> Scan:
        """Look again, and read again what was brought."""
        go_on, only = self._work.go_on, self._brought
        return scan_storage(self._storage, go_on, lambda _: None, only, sources.manifests)


def scanned(work: Work, storage: Storage, sources: Sources, tell: Reporter) -> Scan:
    """Read all that the DU's registry has stored, and tell how far it is. Blocks.

    What is wrong is looked at once more: a run at work may have written or cleared it meanwhile
    (CNCF distribution writes manifests in place).
    """
    total = sum(storage.blobs().values())
    scan = scan_storage(
        storage,
        work.go_on_when_resumed,
        lambda done: tell.bytes(done, total),
        known=sources.manifests,
    )
    tell.bytes(total, total)
    if scan.findings:
        suspect = {finding.digest for finding in scan.findings}
        scan = scan_storage(storage, work.go_on, lambda _: None, suspect, sources.manifests)
    for leftover in scan.leftovers:
        tell.log(f"{leftover}: airferry registry gc takes them away")
    return scan


def sound(scan: Scan) -> str:
    """Return that all is well, in words."""
    return f"{count(scan.images, 'name')}, every part of them is whole"


def _without_source(lost: list[Problem], sources: Sources) -> str:
    """Return what is to be said of what nobody at hand can supply."""
    return f"Nothing at hand has the parts of {_names_of(lost)}. {_where_from(lost, sources)}"


def _names_of(lost: list[Problem]) -> str:
    return some_of(sorted({name for finding in lost for name in finding.names}))


def _where_from(lost: list[Problem], sources: Sources) -> str:
    """Return what to do to get what nobody at hand can supply."""
    origins = sorted({o for f in lost if (o := sources.origin_of(f.digest))})
    where = f"Put {some_of(origins)} into imagesDir" if origins else "Import its bundle again"
    return f"{where}, or name a backup (--from FILE), then: airferry registry verify --repair"
