"""Backup and restore of the registry, as steps on the DU."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.config import Mode, public_text
from core.errors import RegistryFull, RegistryUnreachable, UsageError
from core.files import nearest_directory
from core.registry.api.client import RegistryClient
from core.registry.backup.archive import BackupArchive, open_saved
from core.registry.backup.restore import Restore, RestoreDiff
from core.registry.backup.writer import Backup, BackupWanted
from core.registry.content.snapshot import RegistrySnapshot, read_snapshot
from core.registry.local.blob_files import BlobFiles
from core.steps.base import Missing, Reporter
from core.steps.targets import DuStep
from core.steps.work import Work
from core.telling import room_fact
from core.threads import in_thread
from core.warnings import BACKUP_PART
from core.words import count, size, some_of

NOT_RUNNING = "what is in the registry is known when it runs"


class RegistryBackup(DuStep):
    """The registry's whole content is in an archive on another disk."""

    step_id = "registry.backup"
    title = "back up"

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self._backup: Backup | None = None
        self._files: list[Path] = []

    async def check(self, tell: Reporter) -> Missing | None:
        if self._files and all(path.is_file() for path in self._files):
            tell.found(f"{self._files[0]}: {self._words()}, read back and compared")
            return None
        if self._backup is None:
            tell.say("reading what the registry holds")
            try:
                self._backup = await self._work.ask_registry(lambda c: self._planned(c, tell))
            except RegistryUnreachable:
                if self._work.dry:
                    return Missing(NOT_RUNNING)
                raise
        left, place = self._backup.require_place(), str(self._backup.wanted.directory)
        if left is not None:
            tell.facts([room_fact(left, place)])
        return Missing(f"{self._words()}, to {place}", self._backup.size_bytes)

    async def apply(self, missing: Missing, tell: Reporter) -> None:
        backup, total = self._backup, missing.size_bytes
        if backup is None:
            return
        tell.say(f"writing {backup.wanted.name}")
        self._files = await in_thread(
            lambda: backup.run(lambda done: tell.bytes(done, total), tell.say), self._work.stop
        )
        for path in self._files:
            tell.log(f"{path}: {path.stat().st_size} bytes, {path.name}.sha256 beside it")

    def _planned(self, client: RegistryClient, tell: Reporter) -> Backup:
        work, saving = self._work, self._work.saving
        if saving.outdir is None:
            raise UsageError("a backup needs a directory", remedy="Name one: --outdir DIR")
        earlier = tuple(open_saved(file, work.go_on) for file in saving.since)
        snapshot = read_snapshot(
            client, work.stop, lambda what: tell.warn(BACKUP_PART.of(what=what))
        )
        if not snapshot.tags:
            raise UsageError(
                "the registry holds no image: there is nothing to back up",
                remedy="Import bundles first: airferry import",
            )
        now = _later_than(earlier)
        kind = "-changes" if earlier else ""
        config = work.config.path.read_text(encoding="utf-8")
        wanted = BackupWanted(
            saving.outdir,
            f"airferry-backup-{now.astimezone():%Y%m%d-%H%M%S}{kind}.tar",
            now.isoformat(timespec="seconds"),
            public_text(config).encode(),
            saving.split_bytes,
            earlier,
        )
        backup = Backup(snapshot, client, wanted, work.stop, work.pause, _blob_files(work))
        work.endings.append(backup.discard)
        return backup

    def _words(self) -> str:
        backup = self._backup
        if backup is None:
            return "nothing"
        words = _images(backup.snapshot)
        if backup.left_out_bytes:
            earlier = some_of([saved.name for saved in backup.wanted.earlier])
            words += f", {size(backup.left_out_bytes)} of them in {earlier}"
        return words


class RegistryRestore(DuStep):
    """The registry holds what a backup says, byte for byte."""

    step_id = "registry.restore"
    title = "restore"

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self._restore: Restore | None = None
        self._lacks = RestoreDiff()
        self._total_bytes = 0
        self._is_applied = False

    async def check(self, tell: Reporter) -> Missing | None:
        work = self._work
        if self._restore is None:
            tell.say("looking into the backup")
            self._restore = await in_thread(self._opened, work.stop)
        restore = self._restore
        tell.say("asking the registry what it has")
        try:
            self._lacks = await work.ask_registry(
                lambda _: restore.lacks(closely=not self._is_applied, say=tell.say)
            )
        except RegistryUnreachable:
            if work.dry:
                size_bytes = sum(restore.content.blobs.values())
                return Missing(f"{_images(restore.content)}; {NOT_RUNNING}", size_bytes)
            raise
        if not self._lacks:
            tell.found(
                f"{_images(restore.content)} as in {restore.newest.name}, every part is there"
            )
            return None
        self._require_room(tell)
        return Missing(self._words(restore), self._lacks.size_bytes)

    async def apply(self, missing: Missing, tell: Reporter) -> None:
        restore, lacks = self._restore, self._lacks
        if restore is None:
            return
        self._is_applied = True
        self._total_bytes = max(self._total_bytes, missing.size_bytes)
        await in_thread(
            lambda: restore.run(lacks, lambda done: tell.bytes(done, self._total_bytes), tell.say),
            self._work.stop,
        )
        tell.log(
            f"{len(lacks.blobs)} blobs sent, {len(lacks.damaged)} of them for damaged ones; "
            f"{count(len(lacks.tags), 'tag')} put, {len(lacks.extra)} removed"
        )

    def _opened(self) -> Restore:
        work = self._work
        saved = [open_saved(file, work.go_on) for file in work.files]
        files = _blob_files(work)
        return Restore(
            saved,
            work.registry,
            work.stop,
            files,
            prune=work.saving.prune,
            pause=work.pause,
        )

    def _require_room(self, tell: Reporter) -> None:
        """Refuse to begin what cannot fit.

        Raises:
            RegistryFull: with what is free and what is needed.
        """
        config = self._work.config
        if config.mode is Mode.CUSTOM:
            return
        free = shutil.disk_usage(nearest_directory(config.registry_dir)).free
        if free < self._lacks.size_bytes:
            raise RegistryFull(
                f"{config.registry_dir} has {free / 1e9:.2f} GB free; the restore needs "
                f"{self._lacks.size_bytes / 1e9:.2f} GB"
            )
        left = free - self._lacks.size_bytes
        tell.facts([room_fact(left, str(config.registry_dir))])

    def _words(self, restore: Restore) -> str:
        lacks, total = self._lacks, len(restore.content.tags)
        words = f"{restore.images_of(lacks)} of {count(total, 'name')} are not as in the backup"
        if lacks.damaged:
            words += f"; {count(len(lacks.damaged), 'damaged part')} to replace"
        if lacks.extra:
            names = [f"{repository}:{tag}" for repository, tag in lacks.extra]
            words += f"; {count(len(names), 'name')} to remove: {some_of(names)}"
        return words


def _later_than(earlier: Sequence[BackupArchive]) -> datetime:
    """Return the time, or at least a second after backups that this one builds on.

    The newest of those given says what a restore makes: a clock that was set back meanwhile must
    not make it an older one.
    """
    now = datetime.now(UTC)
    for saved in earlier:
        with suppress(ValueError, TypeError, OverflowError):
            created = datetime.fromisoformat(saved.record.created)
            now = max(now, created + timedelta(seconds=1))
    return now


def _blob_files(work: Work) -> BlobFiles | None:
    """Return where the registry stores, if it is the DU's own."""
    return BlobFiles(work.config.registry_dir) if work.config.mode is Mode.DU else None


def _images(content: RegistrySnapshot) -> str:
    """Return how many images there are, and how many names where those are more."""
    images, names = len(set(content.tags.values())), len(content.tags)
    words = count(images, "image")
    return words if images == names else f"{words} ({count(names, 'name')})"
