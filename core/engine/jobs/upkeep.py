"""Looking after the registry: `registry verify`, `repair`, `gc` and `keep`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

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


class _OwnRegistry(Job):
    """A job on the storage of the DU's own registry."""

    files = frozenset({CA})
    has_hosts = False
    steps: ClassVar[tuple[Callable[[Work], Step], ...]]
    """Its steps, in order, once the registry is served."""

    def require(self, config: Config) -> None:
        require_own_storage(config)

    def du_steps(self, work: Work) -> Iterator[Step]:
        yield from (step(work) for step in (RegistryServe, *self.steps))


class Repair(_OwnRegistry):
    """What is damaged or gone is brought again, from bundles and backups."""

    steps = (RegistryRepair,)


class Gc(_OwnRegistry):
    """What no name needs goes."""

    steps = (RegistryGc,)


class Keep(_OwnRegistry):
    """Names that only old generations of bundles brought go, and then what no name needs."""

    steps = (RegistryKeep, RegistryGc)

    def require(self, config: Config) -> None:
        super().require(config)
        if self.request.generations < 1:
            raise UsageError(
                "at least one generation stays", remedy="Name how many: airferry registry keep 2"
            )
