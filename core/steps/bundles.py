"""Steps about bundles: importing one into the registry, and knowing what is in one."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Sequence
from dataclasses import replace

from core.bundle.as_oci import as_oci, needs_docker
from core.bundle.carried import counted
from core.bundle.copy_from_media import is_taken, take
from core.bundle.model import OCI_LAYER_ZSTD, Bundle, BundleFile, Fault
from core.bundle.naming import collision
from core.config import Mode
from core.errors import (
    BundleError,
    DuDiskFull,
    RegistryFull,
    RegistryKindRefused,
    RegistryUnreachable,
)
from core.files import nearest_directory
from core.registry.imports.import_pass import Ingested
from core.registry.imports.importer import Import
from core.registry.imports.publish import lacks_of_names, lacks_of_stage, publish
from core.steps.base import DU, Missing, Reporter, Step
from core.steps.disk_space import registry_bytes
from core.steps.work import Work
from core.telling import NOTED, Detail
from core.threads import in_thread
from core.warnings import NAMELESS
from core.words import count, some_of

LEAVE_OUT = "Or import what is whole of the bundles: --keep-going (d on Review)."


class BundleStep(Step):
    """A step about one bundle, which does not hold up those about others.

    `verb` is set by the class.
    """

    verb: str
    passes = (BundleError,)

    def __init__(self, work: Work, file: BundleFile) -> None:
        same_name = [other for other in work.files if other.name == file.name]
        title = file.name if len(same_name) < 2 else str(file.path)
        super().__init__(f"{self.verb}:{title}", DU)
        self._work = work
        self._file = file

    def _require_usable(self, known: Bundle | None, *, was_read: bool) -> None:
        """Refuse a bundle that cannot be imported as a whole, where that is wanted.

        Args:
            known: What is known of it.
            was_read: By this run. What an earlier one found wrong is looked for again: the stick
                may have been read badly.

        Raises:
            BundleError: it has faults, or is refused names.
        """
        work = self._work
        if known is None or work.options.keep_going:
            return
        if known.faults and was_read:
            raise together(self._file.name, [fault.error for fault in known.faults])
        clashes = work.clashes(self._file)
        if clashes:
            raise collision(clashes)

    def _tell_of(self, tell: Reporter) -> int:
        """Tell what is left out of the bundle, and what there is to note; return how much is."""
        file, known = self._file, self._work.known(self._file)
        left = self._work.left_out_of(file)
        notes = known.remarks if known else ()
        tell.particulars([*left, *(Detail(NOTED, file.name, note=note) for note in notes)])
        return len(left)


class BundleImport(BundleStep):
    """All images of one bundle are in the registry under their names."""

    verb = "bundle.import"
    title = "import bundle"

    def __init__(self, work: Work, file: BundleFile) -> None:
        super().__init__(work, file)
        self._outcome = ""
        self._import: Import | None = None
        self._given_up = False

    async def check(self, tell: Reporter) -> Missing | None:
        file, work = self._file, self._work
        tell.say(f"asking the registry about {file.name}")
        if work.dry and (not file.is_pipe or file in work.unopened):
            await work.bundle(file, tell.say)
        known = work.known(file)
        self._require_usable(known, was_read=work.dry)
        if work.dry or self._given_up:
            self._tell_of(tell)
        if self._given_up or (work.dry and known and known.faults and not known.images):
            tell.found("nothing of it can be used")
            return None
        if known is None or not self._is_imported(known):
            images = f", {count(len(known.images), 'image')}" if known else ""
            left = work.left_out_of(file) if work.dry else []
            but = f", {len(left)} left out" if left else ""
            return Missing(f"{file.name} is not imported yet{images}{but}", file.size_bytes)
        bundle = work.known_bundles()[file]
        images = count(len(bundle.images), "image")
        try:
            lacks = await work.ask_registry(lambda client: lacks_of_names(bundle, client))
        except RegistryUnreachable:
            if work.dry and work.for_this_run_only:
                tell.found(f"{images}, imported before")
                return None
            if work.dry:
                return Missing(f"{file.name}: the registry does not run yet", 0)
            raise
        if lacks:
            size = sum(lack.size_bytes for lack in lacks)
            parts = count(len(lacks), "part")
            return Missing(f"{file.name}: {parts} not in the registry", size)
        number = self._tell_of(tell)
        along = f", {counted(bundle.carried)}" if counted(bundle.carried) else ""
        tell.found(f"{images}{along}{self._outcome}{f'; {number} left out' if number else ''}")
        return None

    def _is_imported(self, known: Bundle) -> bool:
        """Whether the registry has all that this run wants of the bundle."""
        if known.faults and not self._work.options.keep_going:
            return False
        if self._work.ingest_options.carries and not known.carries:
            return False
        return known.imported and not self._is_to_be_recompressed(known)

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        file, work = self._file, self._work
        known = work.known(file)
        if known and await self._is_staged(known):
            work.keep(file, known)  # it may have got a name
            tell.bytes(file.size_bytes, file.size_bytes)
        else:
            tell.say(f"reading {file.name}")
            if not await self._read(tell):
                return
        await work.pause.over(tell.say)
        await self._publish(tell)

    async def _read(self, tell: Reporter) -> bool:
        """Bring what the bundle holds to the registry, and note it; False if nothing is taken.

        Raises:
            BundleError: it is not whole, or refused a name, and only all of it is wanted.
        """
        file, work = self._file, self._work
        try:
            if file in work.unopened:
                raise work.unopened[file]
            self._require_room()
            done = await in_thread(lambda: self._ingest(tell), work.stop)
        except BundleError as error:
            work.refuse(file, [error])
            if not work.options.keep_going:
                raise together(file.name, [error]) from error
            self._given_up = True
            return False
        if done.problems and not work.options.keep_going:
            work.refuse(file, done.problems)
            raise together(file.name, done.problems)
        if done.problems and not done.bundle.images:
            work.refuse(file, done.problems)
            self._given_up = True
            return False
        self._tell_outcome(done, tell)
        before = work.known(file)
        if before is not None:  # as an earlier import was asked to
            done.bundle = done.bundle.keeping_registry(before.keeps_registry)
        faults = tuple(map(Fault.of, done.problems))
        work.keep(file, replace(done.bundle, imported=False, faults=faults))
        self._require_usable(work.known(file), was_read=True)
        work.keep(file, replace(done.bundle, imported=True, faults=faults))
        return True

    async def _is_staged(self, known: Bundle) -> bool:
        """Whether the registry still holds every blob, so that only the names are to be put."""
        if not self._is_imported(known):
            return False
        lacks = await self._work.ask_registry(lambda client: lacks_of_stage(known, client))
        if not lacks:
            self._outcome = "; every layer was there already, only names were put"
        return not lacks

    def _is_to_be_recompressed(self, known: Bundle) -> bool:
        return self._work.options.recompress and any(
            layer.media_type == OCI_LAYER_ZSTD for image in known.images for layer in image.layers
        )

    def _require_room(self) -> None:
        """Refuse to begin what cannot fit.

        Raises:
            RegistryFull: with what is free and what is needed.
        """
        config = self._work.config
        if config.mode is Mode.CUSTOM or self._file.is_pipe:
            return
        needed = registry_bytes(self._file)
        free = shutil.disk_usage(nearest_directory(config.registry_dir)).free
        if free < needed:
            raise RegistryFull(
                f"{config.registry_dir} has {free / 1e9:.1f} GB free; {self._file.name} needs "
                f"about {needed / 1e9:.1f} GB"
            )

    def _ingest(self, tell: Reporter) -> Ingested:
        work, total = self._work, self._file.size_bytes
        if self._import is None:
            self._import = Import(
                self._file,
                work.registry,
                work.layers,
                work.stop,
                replace(work.ingest_options, keep_going=True),  # all that is wrong is told
                work.known(self._file),
                work.pause,
            )
        return self._import.run(lambda done: tell.bytes(done, total), tell.say)

    def _tell_outcome(self, done: Ingested, tell: Reporter) -> None:
        sent = count(done.sent_layers, "layer")
        self._outcome = f"; {sent} sent, {done.kept_layers} were there already"
        tell.log(f"{self._file.name}: {done.sent_bytes} bytes sent{self._outcome}")

    async def _publish(self, tell: Reporter) -> None:
        file, work = self._file, self._work
        bundle = work.known_bundles()[file]
        known = work.known(file) or bundle
        if known.nameless:
            tell.warn(NAMELESS.of(bundle=file.name, what=known.remarks[-1]))
        tell.say("naming the images")
        try:
            tags = await in_thread(lambda: publish(bundle, work.registry, work.stop), work.stop)
        except RegistryKindRefused:
            if not needs_docker(bundle):
                raise
            tell.say("naming the images by OCI manifests")
            bundle = self._as_oci(tell)
            tags = await in_thread(lambda: publish(bundle, work.registry, work.stop), work.stop)
        tell.log(f"{file.name}: {count(tags, 'tag')} put")

    def _as_oci(self, tell: Reporter) -> Bundle:
        """Note the bundle with OCI's manifests only, tell their digests, and return it."""
        file, work = self._file, self._work
        made = as_oci(work.known(file) or work.known_bundles()[file])
        work.keep(file, made)
        for reference, images in made.references.items():
            digest = (made.list_of(reference) or images[0]).manifest_digest
            tell.log(f"{reference.familiar}: filed as an OCI manifest, {digest}")
        return work.known_bundles()[file]


class BundleRead(BundleStep):
    """It is known what is in one bundle (where hosts load it, and nothing is imported)."""

    verb = "bundle.read"
    title = "read bundle"

    def __init__(self, work: Work, file: BundleFile) -> None:
        super().__init__(work, file)
        self._was_read = False

    async def check(self, tell: Reporter) -> Missing | None:
        file, work = self._file, self._work
        if work.examines:
            await work.bundle(file, tell.say)
        known = work.known(file)
        is_read = known is not None and (self._was_read or work.dry or not known.faults)
        if known is None or not is_read:
            return Missing(f"{file.name} was never read", file.size_bytes)
        self._require_usable(known, was_read=True)
        self._tell_of(tell)
        return None

    async def apply(self, missing: Missing, tell: Reporter) -> None:
        tell.say(f"reading {self._file.name}")
        bundle = await self._work.bundle(self._file, tell.say, whole=True)
        self._was_read = True
        tell.bytes(missing.size_bytes, missing.size_bytes)
        names = [image.title for image in bundle.images]
        tell.log(f"{self._file.name}: {count(len(names), 'image')}: {some_of(names)}")


class BundleTake(BundleStep):
    """One bundle of a stick lies in imagesDir, with its parts and checksums."""

    verb = "bundle.take"
    title = "take bundle"

    async def check(self, tell: Reporter) -> Missing | None:  # noqa: ARG002
        directory = self._work.config.images_dir
        if await in_thread(lambda: is_taken(self._file, directory)):
            return None
        return Missing(f"{self._file.name} is not in {directory}", self._file.size_bytes)

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        file, directory = self._file, self._work.config.images_dir

        def go_on() -> None:
            if self._work.hold(tell.say):
                tell.say(f"copying {file.name}")

        tell.say(f"copying {file.name}")
        directory.mkdir(parents=True, exist_ok=True)
        await in_thread(self._require_room)
        try:
            taken = await in_thread(
                lambda: take(file, directory, go_on, lambda n: tell.bytes(n, file.size_bytes)),
                self._work.stop,
            )
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _no_room(f"{directory} has no room left") from error
            raise
        tell.bytes(file.size_bytes, file.size_bytes)
        compared = f"{taken.compared} checksums ok" if taken.compared > 1 else "checksum ok"
        tell.found(compared if taken.compared else "no checksum beside it")
        tell.log(f"{file.path}: {taken.size_bytes} bytes copied to {directory}")

    def _require_room(self) -> None:
        """Refuse to begin when what is still to be taken does not fit.

        Raises:
            DuDiskFull: with what is free and what is needed.
        """
        directory = self._work.config.images_dir
        waiting = [file for file in self._work.files if not is_taken(file, directory)]
        needed = sum(file.size_bytes for file in waiting)
        free = shutil.disk_usage(directory).free
        if free < needed:
            raise _no_room(
                f"{directory} has {free / 1e9:.1f} GB free; {len(waiting)} bundles need "
                f"{needed / 1e9:.1f} GB"
            )


def _no_room(what: str) -> DuDiskFull:
    return DuDiskFull(what, remedy="Make room where imagesDir is, or take fewer bundles at a time.")


def together(name: str, errors: Sequence[BundleError]) -> BundleError:
    """Return one error that tells all that is wrong with a bundle, and how to go on without that.

    Args:
        name: The bundle's, which stands before each.
        errors: At least one; the first one's kind counts.
    """
    of_its_own = [error for error in errors if type(error) is not BundleError]
    remedies = [*(error.remedy for error in errors), *([LEAVE_OUT] if of_its_own else [])]
    remedy = " ".join(dict.fromkeys(remedies))
    if len(errors) == 1:
        return type(errors[0])(errors[0].what, remedy=remedy, details=errors[0].details)
    told = "; ".join(error.what.removeprefix(f"{name}: ") for error in errors)
    return type(errors[0])(f"{name}: {len(errors)} faults: {told}", remedy=remedy)
