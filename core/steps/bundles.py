"""Steps about bundles: importing one into the registry, and knowing what is in one."""

from __future__ import annotations

import shutil

from core.bundle import DOCKER_ARCHIVE, OCI_LAYER_ZSTD, Bundle, BundleFile, packing_of
from core.config import Mode
from core.errors import BundleCorrupt, BundleError, RegistryFull, RegistryUnreachable
from core.registry import Import, Ingested, lacks_of_names, lacks_of_stage, publish
from core.steps.base import DU, Missing, Step, Teller, some_of
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
    attempts = 6

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
        """Refuse to begin what cannot fit: a compressed bundle needs as much again, a tar half."""
        config = self._work.config
        if config.mode is not Mode.DU or not self._file.path.is_file():
            return
        packed = packing_of(self._file)
        needed = self._file.size_bytes if packed else self._file.size_bytes // 2
        free = shutil.disk_usage(config.registry_dir).free
        if free < needed:
            raise RegistryFull(
                f"{config.registry_dir} has {free / 1e9:.1f} GB free; {self._file.name} needs "
                f"about {needed / 1e9:.1f} GB"
            )

    def _ingest(self, tell: Teller) -> Ingested:
        work, total = self._work, self._file.size_bytes
        if self._import is None:
            index = work.catalogue.layers()
            self._import = Import(
                self._file,
                work.registry,
                index,
                work.stop,
                work.ingest_options,
                work.known(self._file),
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
    """It is known what is in one bundle (mode none, where nothing is imported)."""

    verb = "bundle.read"
    title = "read bundle"

    async def check(self, tell: Teller) -> Missing | None:  # noqa: ARG002
        known = self._work.known(self._file)
        if known is None:
            return Missing(f"{self._file.name} was never read", self._file.size_bytes)
        self._require_loadable(known)
        return None

    def _require_loadable(self, known: Bundle) -> None:
        """Refuse what the hosts' `docker load` does not take.

        Raises:
            BundleError: with the reason.
        """
        reason = ""
        if known.layout != DOCKER_ARCHIVE or self._file.path.is_dir():
            reason = "it is an OCI layout"
        elif packing_of(self._file) == "zstd":
            reason = "it is compressed with zstd"
        if reason:
            raise BundleError(
                f"{self._file.name}: mode none gives bundles to 'docker load' on the hosts, and "
                f"that takes docker-archives only: {reason}",
                remedy="Use mode du, or get the bundle as 'docker save' writes it.",
            )

    async def apply(self, missing: Missing, tell: Teller) -> None:
        tell.say(f"reading {self._file.name}")
        bundle = await self._work.bundle(self._file)
        tell.bytes(missing.size_bytes, missing.size_bytes)
        names = [image.title for image in bundle.images]
        tell.log(f"{self._file.name}: {len(names)} images: {some_of(names)}")
