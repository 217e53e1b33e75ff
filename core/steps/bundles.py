"""Steps about bundles: importing one into the registry, and knowing what is in one."""

from __future__ import annotations

import shutil

from core.bundle import BundleFile, compression_of
from core.config import Mode
from core.errors import RegistryFull, RegistryUnreachable
from core.registry import Ingested, ingest, lacks_of_names, lacks_of_stage, publish, site_names
from core.steps.base import DU, Missing, Step, Teller
from core.steps.work import Work
from core.threads import in_thread


class BundleImport(Step):
    """All images of one bundle are in the registry under their names."""

    title = "import bundle"

    def __init__(self, work: Work, file: BundleFile) -> None:
        super().__init__(f"bundle.import:{file.name}", DU)
        self._work = work
        self._file = file
        self._outcome = ""

    async def check(self, tell: Teller) -> Missing | None:
        file, client = self._file, self._work.registry
        tell.say(f"asking the registry about {file.name}")
        known = self._work.catalogue.find(file)
        if known is None and self._work.dry:
            known = await self._work.bundle(file)
        if known is None or not known.imported:
            images = f", {len(known.images)} images" if known else ""
            return Missing(f"{file.name} is not imported yet{images}", file.size_bytes)
        bundle = known
        try:
            lacks = await in_thread(lambda: list(lacks_of_names(bundle, client)))
        except RegistryUnreachable:
            if self._work.dry:
                return Missing(f"{file.name}: the registry does not run yet", 0)
            raise
        if lacks:
            size = sum(lack.size_bytes for lack in lacks)
            return Missing(f"{file.name}: {len(lacks)} parts are not in the registry", size)
        tell.found(f"{len(bundle.images)} images{self._outcome}")
        return None

    async def apply(self, missing: Missing, tell: Teller) -> None:  # noqa: ARG002
        file, work = self._file, self._work
        known = work.catalogue.find(file)
        if known and known.imported and await in_thread(self._staged):
            tell.bytes(file.size_bytes, file.size_bytes)
        else:
            self._require_room()
            tell.say(f"reading {file.name}")
            done = await in_thread(lambda: self._ingest(tell), work.stop)
            known = done.bundle
            work.catalogue.keep(file, known)
            work.catalogue.checkpoint(file).clear()
            self._outcome = (
                f"; {done.sent_layers} layers sent, {done.kept_layers} were there already"
            )
            tell.log(f"{file.name}: {done.sent_bytes} bytes sent{self._outcome}")
        bundle = known
        nameless = sum(not image.references for image in bundle.images)
        if nameless:
            tell.warn(f"{file.name}: {nameless} images have no name and get none in the registry")
        await self._refuse_collisions()
        tell.say("naming the images")
        tags = await in_thread(lambda: publish(bundle, work.registry, work.stop), work.stop)
        tell.log(f"{file.name}: {tags} tags put")

    def _require_room(self) -> None:
        """Refuse to begin what cannot fit: a compressed bundle needs as much again, a tar half."""
        config = self._work.config
        if config.mode is not Mode.DU:
            return
        with self._file.path.open("rb") as bundle:
            packed = compression_of(bundle.read(8))
        needed = self._file.size_bytes if packed else self._file.size_bytes // 2
        free = shutil.disk_usage(config.registry_dir).free
        if free < needed:
            raise RegistryFull(
                f"{config.registry_dir} has {free / 1e9:.1f} GB free; {self._file.name} needs "
                f"about {needed / 1e9:.1f} GB"
            )

    def _staged(self) -> bool:
        """Whether the registry still holds every blob, so that only the names are to be put."""
        known = self._work.catalogue.find(self._file)
        if known is None:
            return False
        lacks = list(lacks_of_stage(known, self._work.registry))
        if not lacks:
            self._outcome = "; every layer was there already, only names were put"
        return not lacks

    def _ingest(self, tell: Teller) -> Ingested:
        file, work = self._file, self._work
        checkpoint = work.catalogue.checkpoint(file)
        total = file.size_bytes
        return ingest(
            file, work.registry, checkpoint, work.stop, lambda done: tell.bytes(done, total)
        )

    async def _refuse_collisions(self) -> None:
        found = [self._work.catalogue.find(file) for file in self._work.files]
        site_names(bundle for bundle in found if bundle)


class BundleRead(Step):
    """It is known what is in one bundle (mode none, where nothing is imported)."""

    title = "read bundle"

    def __init__(self, work: Work, file: BundleFile) -> None:
        super().__init__(f"bundle.read:{file.name}", DU)
        self._work = work
        self._file = file

    async def check(self, tell: Teller) -> Missing | None:  # noqa: ARG002
        if self._work.catalogue.find(self._file) is None:
            return Missing(f"{self._file.name} was never read", self._file.size_bytes)
        return None

    async def apply(self, missing: Missing, tell: Teller) -> None:
        tell.say(f"reading {self._file.name}")
        bundle = await self._work.bundle(self._file)
        tell.bytes(missing.size_bytes, missing.size_bytes)
        tell.log(f"{self._file.name}: {len(bundle.images)} images")
