"""`backup` and `restore` of the registry."""

from __future__ import annotations

from collections.abc import Iterator

from core.config import Config, Mode
from core.engine.jobs.base import CA, Job, require_registry
from core.steps.backup import RegistryBackup, RegistryRestore
from core.steps.base import Step
from core.steps.du import RegistryReach, RegistryServe
from core.steps.work import Work


class Backup(Job):
    """The whole registry into one archive."""

    files = frozenset({CA})
    has_hosts = False
    pushes = False

    def require(self, config: Config) -> None:
        require_registry(
            config,
            "back up or restore: hosts hold the images themselves",
            "Keep the bundles in imagesDir. Modes du and custom have a registry.",
        )

    def du_steps(self, work: Work) -> Iterator[Step]:
        if work.config.mode is Mode.CUSTOM:
            yield RegistryReach(work, push=self.pushes)
        else:
            yield RegistryServe(work)
        yield self._step(work)

    def _step(self, work: Work) -> Step:
        return RegistryBackup(work)


class Restore(Backup):
    """From a backup into the registry."""

    pushes = True

    def _step(self, work: Work) -> Step:
        return RegistryRestore(work)
