"""Steps about bundles: importing one into the registry, and knowing what is in one."""

from __future__ import annotations

import errno
import shutil

from core.bundle import OCI_LAYER_ZSTD, Bundle, BundleFile, is_taken, take
from core.config import Mode
from core.errors import (
    BundleCorrupt,
    BundleError,
    DuDiskFull,
    RegistryFull,
    RegistryUnreachable,
)
from core.files import nearest_directory
from core.registry import Import, Ingested, lacks_of_names, lacks_of_stage, publish
from core.steps.base import DU, Missing, Step, Teller, some_of
from core.steps.room import registry_bytes
from core.steps.work import Work
from core.threads import in_thread


class BundleStep(Step):
    """A step about one bundle; `verb` is set by the class."""

    verb: str

    def __init__(self, work: Work, file: BundleFile) -> None:
        same_name = [other for other in work.files if other.name == file.name]
        title = file.name if len(same_name) < 2 else str(file.path)
        super().__init__(f"{self.verb}:{title}", DU)
        self._work = work
        self._file = file


class BundleImport(BundleStep):
    """All images of one bundle are in the registry under their names."""

    verb = "bundle.import"
    title = "import bundle"

    def __init__(self, work: Work, file: BundleFile) -> None:
        super().__init__(work, file)
        self._outcome = ""
        self._import: Import | None = None

    async def check(self, tell: Teller) -> Missing | None:
        file, work = self._file, self._work
        tell.say(f"asking the registry about {file.name}")
        if work.dry:
            await work.bundle(file)
        known = work.known(file)
        if known is None or not known.imported or self._is_to_be_recompressed(known):
            images = f", {len(known.images)} images" if known else ""
            return Missing(f"{file.name} is not imported yet{images}", file.size_bytes)
        bundle = work.known_bundles()[file]
        try:
            lacks = await work.ask_registry(lambda client: lacks_of_names(bundle, client))
        except RegistryUnreachable:
            if work.dry and work.for_this_run_only:
                tell.found(f"{len(bundle.images)} images, imported before")
                return None
            if work.dry:
                return Missing(f"{file.name}: the registry does not run yet", 0)
            raise
        if lacks:
            size = sum(lack.size_bytes for lack in lacks)
            return Missing(f"{file.name}: {len(lacks)} parts are not in the registry", size)
        tell.found(f"{len(bundle.images)} images{self._outcome}")
        return None

    async def apply(self, missing: Missing, tell: Teller) -> None:  # noqa: ARG002
        file, work = self._file, self._work
        known, problems = work.known(file), tuple[BundleError, ...]()
        if known and await self._is_staged(known):
            work.keep(file, known)  # it may have got a name
            tell.bytes(file.size_bytes, file.size_bytes)
        else:
            self._require_room()
            tell.say(f"reading {file.name}")
            done = await in_thread(lambda: self._ingest(tell), work.stop)
            self._tell_outcome(done, tell)
            work.keep(file, done.bundle)
            problems = done.problems
        await work.pause.over(tell.say)
        await self._publish(tell)
        if problems:
            raise BundleCorrupt(
                f"{file.name}: imported but for: " + "; ".join(error.what for error in problems)
            )

    async def _is_staged(self, known: Bundle) -> bool:
        """Whether the registry still holds every blob, so that only the names are to be put."""
        if not known.imported or self._is_to_be_recompressed(known):
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

    def _ingest(self, tell: Teller) -> Ingested:
        work, total = self._work, self._file.size_bytes
        if self._import is None:
            self._import = Import(
                self._file,
                work.registry,
                work.layers,
                work.stop,
                work.ingest_options,
                work.known(self._file),
                work.pause,
            )
        return self._import.run(lambda done: tell.bytes(done, total), tell.say)

    def _tell_outcome(self, done: Ingested, tell: Teller) -> None:
        name = self._file.name
        self._outcome = f"; {done.sent_layers} layers sent, {done.kept_layers} were there already"
        tell.log(f"{name}: {done.sent_bytes} bytes sent{self._outcome}")
        for note in done.bundle.notes:
            tell.log(f"{name}: {note}")

    async def _publish(self, tell: Teller) -> None:
        file, work = self._file, self._work
        bundle = work.known_bundles()[file]
        nameless = sum(not image.references for image in (work.known(file) or bundle).images)
        if nameless:
            tell.warn(f"{file.name}: {nameless} images have no name and get none in the registry")
        tell.say("naming the images")
        tags = await in_thread(lambda: publish(bundle, work.registry, work.stop), work.stop)
        tell.log(f"{file.name}: {tags} tags put")


class BundleRead(BundleStep):
    """It is known what is in one bundle (where hosts load it, and nothing is imported)."""

    verb = "bundle.read"
    title = "read bundle"

    async def check(self, tell: Teller) -> Missing | None:  # noqa: ARG002
        known = self._work.known(self._file)
        if known is None:
            return Missing(f"{self._file.name} was never read", self._file.size_bytes)
        return None

    async def apply(self, missing: Missing, tell: Teller) -> None:
        tell.say(f"reading {self._file.name}")
        bundle = await self._work.bundle(self._file)
        tell.bytes(missing.size_bytes, missing.size_bytes)
        names = [image.title for image in bundle.images]
        tell.log(f"{self._file.name}: {len(names)} images: {some_of(names)}")


class BundleTake(BundleStep):
    """One bundle of a stick lies in imagesDir, with its parts and checksums."""

    verb = "bundle.take"
    title = "take bundle"

    async def check(self, tell: Teller) -> Missing | None:  # noqa: ARG002
        directory = self._work.config.images_dir
        if await in_thread(lambda: is_taken(self._file, directory)):
            return None
        return Missing(f"{self._file.name} is not in {directory}", self._file.size_bytes)

    async def apply(self, missing: Missing, tell: Teller) -> None:  # noqa: ARG002
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
