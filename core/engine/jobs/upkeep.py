"""Looking after the registry: `registry verify`, `repair`, `gc` and `keep`."""

from __future__ import annotations

from collections.abc import Iterator

from core.config import Config, Mode
from core.engine.jobs.base import CA, Job, require_own_storage, require_registry_to_look_after
from core.errors import UsageError
from core.steps.base import Step
from core.steps.clearing import RegistryGc, RegistryKeep
from core.steps.du import RegistryReach, RegistryServe
from core.steps.upkeep import RegistryRepair, RegistryScan
from core.steps.work import Work


class RegistryVerify(Job):
    """Everything in the registry is read and compared with its digest."""

    files = frozenset({CA})
    has_hosts = False

    def require(self, config: Config) -> None:
        require_registry_to_look_after(config)

    def du_steps(self, work: Work) -> Iterator[Step]:
        if work.config.mode is Mode.CUSTOM:
            yield RegistryReach(work, push=False)
        yield RegistryScan(work)


class Repair(Job):
    """What is damaged or gone is brought again, from bundles and backups."""

    files = frozenset({CA})
    has_hosts = False

    def require(self, config: Config) -> None:
        require_own_storage(config)

    def du_steps(self, work: Work) -> Iterator[Step]:
        yield RegistryServe(work)
        yield RegistryRepair(work)


class Gc(Job):
    """What no name needs goes."""

    files = frozenset({CA})
    has_hosts = False

    def require(self, config: Config) -> None:
        require_own_storage(config)

    def du_steps(self, work: Work) -> Iterator[Step]:
        yield RegistryServe(work)
        yield RegistryGc(work)


class Keep(Gc):
    """Names that only old generations of bundles brought go, and then what no name needs."""

    def require(self, config: Config) -> None:
        super().require(config)
        if self.request.generations < 1:
            raise UsageError(
                "at least one generation stays", remedy="Name how many: airferry registry keep 2"
            )

    def du_steps(self, work: Work) -> Iterator[Step]:
        yield RegistryServe(work)
        yield RegistryKeep(work)
        yield RegistryGc(work)
