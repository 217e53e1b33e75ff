"""Clearing up the DU's registry, as steps: names of old bundles, and the room that nobody needs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from core.bundle.discovery import find_bundles
from core.bundle.generations import generations_of, kept_and_old, names_in
from core.bundle.model import BundleFile
from core.errors import BundleError, RegistryUnreachable
from core.registry.api.client import RegistryClient
from core.registry.content.inventory import (
    TagEntry,
    delete_names,
    read_holdings,
    with_what_is_about_them,
)
from core.registry.integrity.gc import GcPlan, carry_out, plan_sweep
from core.registry.local.storage import Storage
from core.steps.base import Missing, Reporter
from core.steps.targets import DuStep
from core.steps.work import Work
from core.telling import Detail
from core.threads import in_thread
from core.warnings import COMES_BACK
from core.words import count, size, some_of

NOT_RUNNING = "what is in the registry is known when it runs"
MEANWHILE = (
    "the registry is started anew twice, a second each, in which pulls wait; in between hosts can "
    "pull, and nobody can push"
)


class RegistryKeep(DuStep):
    """The registry has no names that only old generations of bundles brought."""

    step_id = "registry.keep"
    title = "clear old bundles"

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self._holdings: list[TagEntry] = []
        self._deleted = 0

    async def check(self, tell: Reporter) -> Missing | None:
        work = self._work
        tell.say("asking the registry what it holds")
        try:
            self._holdings = await work.ask_registry(read_holdings)
        except RegistryUnreachable:
            if work.dry:
                return Missing(NOT_RUNNING)
            raise
        going, titles = self._going(tell)
        work.going = frozenset((h.repository, h.tag) for h in going)
        if not going:
            kept = f"{count(len(self._holdings), 'name')}, none of older bundles than asked"
            tell.found(f"{count(self._deleted, 'name')} deleted; {kept}" if self._deleted else kept)
            return None
        number = count(len(going), "name")
        return Missing(f"{number} of {some_of(titles)}: {some_of([h.name for h in going])}")

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        work, going = self._work, self._work.going
        tell.say("deleting names")
        await work.ask_registry(lambda client: self._delete(client, going))
        self._deleted = len(going)
        for repository, tag in sorted(going):
            tell.log(f"deleted {repository}:{tag}")

    def _delete(self, client: RegistryClient, going: frozenset[tuple[str, str]]) -> None:
        delete_names(client, self._holdings, going)

    def _going(self, tell: Reporter) -> tuple[list[TagEntry], list[str]]:
        """Return the names that are to go, and the generations that brought them."""
        work = self._work
        dated = [one for one in work.catalogue.dated() if one.bundle.imported]
        kept, old = kept_and_old(generations_of(dated), work.generations)
        kept_names, old_names = names_in(kept), names_in(old)
        returning = dict(self._returning())
        going: list[TagEntry] = []
        told: dict[str, Detail] = {}
        titles: dict[str, None] = {}
        for holding in self._holdings:
            if holding.name in kept_names:
                continue
            origins = old_names.get(holding.name, {})
            known_by = (*holding.image_ids, holding.digest)
            title = next((origins[i] for i in known_by if i in origins), "")
            if not title:
                note = "no bundle that this site knows brought it"
                told[holding.name] = Detail("stays", holding.name, holding.size_bytes, note=note)
                continue
            going.append(holding)
            titles[title] = None
            file = returning.get(holding.name)
            what, note = ("comes back", f"with {file.name}") if file else ("goes", title)
            told[holding.name] = Detail(what, holding.name, holding.size_bytes, note=note)
        for holding in self._about(going):
            going.append(holding)
            note = "it speaks of an image that goes"
            told[holding.name] = Detail("goes", holding.name, holding.size_bytes, note=note)
        tell.particulars(told.values())
        back = {file.name for h in going if (file := returning.get(h.name))}
        if back and not self._deleted:
            tell.warn(COMES_BACK.of(bundles=some_of(sorted(back))))
        return going, list(titles)

    def _about(self, going: list[TagEntry]) -> list[TagEntry]:
        """Return the lists of signatures and the like of what goes."""
        names = frozenset((h.repository, h.tag) for h in going)
        more = with_what_is_about_them(self._holdings, names) - names
        return [h for h in self._holdings if (h.repository, h.tag) in more]

    def _returning(self) -> Iterator[tuple[str, BundleFile]]:
        """Yield the names that bundles in imagesDir would bring back."""
        files: list[BundleFile] = []
        with contextlib.suppress(BundleError):
            files, _ = find_bundles(self._work.config.images_dir, pass_unreadable=True)
        for file in files:
            known = self._work.catalogue.find(file)
            for reference in known.references if known else ():
                yield f"{reference.site_repository}:{reference.tag}", file


class RegistryGc(DuStep):
    """The registry's disk holds nothing that no name needs."""

    step_id = "registry.gc"
    title = "give room back"

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self._storage = Storage(work.config.registry_dir)
        self._freed_bytes = 0

    async def check(self, tell: Reporter) -> Missing | None:
        work = self._work
        tell.say("looking for what no name needs")
        sweep = await in_thread(lambda: self._planned(work.going), work.stop)
        left = sweep.stored_bytes - sum(sweep.blobs.values())
        if not sweep:
            freed = f"{size(self._freed_bytes)} given back; " if self._freed_bytes else ""
            tell.found(
                f"{freed}{size(left)} left, all of it needed by {count(sweep.kept_names, 'name')}"
            )
            return None
        tell.facts(
            [
                ("registry before", size(sweep.stored_bytes)),
                ("registry afterwards", size(left)),
            ]
        )
        words = (
            f"{size(sweep.size_bytes)} that no name needs, of {size(sweep.stored_bytes)} "
            f"({count(len(sweep.blobs), 'part')}); {MEANWHILE}"
        )
        return Missing(words, sweep.size_bytes)

    async def apply(self, missing: Missing, tell: Reporter) -> None:
        work, total = self._work, missing.size_bytes

        def told(done: int) -> None:
            self._freed_bytes = done
            tell.bytes(done, max(done, total))

        tell.say("starting the registry for reading only")
        try:
            await in_thread(lambda: work.server.start(read_only=True))
            tell.say("removing what no name needs")
            await in_thread(
                lambda: carry_out(self._storage, self._planned(), work.go_on_when_resumed, told),
                work.stop,
            )
        finally:
            await in_thread(work.server.start)

    def _planned(self, without: frozenset[tuple[str, str]] = frozenset()) -> GcPlan:
        return plan_sweep(self._storage, without if self._work.dry else frozenset())
