"""`install`: bundles into the registry, Docker and images onto every host.

Most other jobs that change hosts are this one with less, or with more at its ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from core.config import HostConfig, Mode
from core.engine.jobs.base import Job
from core.steps.base import Need, Step
from core.steps.bundles import BundleImport, BundleRead
from core.steps.du import (
    DuPreflight,
    RegistryForRun,
    RegistryReach,
    RegistryServe,
    RegistryVerify,
    TunnelsServe,
)
from core.steps.work import Work


class Install(Job):
    """The whole job."""

    writes_cluster_files = True
    imports: ClassVar[bool] = True
    """Whether bundles are imported for the registry's sake; mode none needs them anyway."""

    def needs_nothing_here(self, work: Work) -> bool:
        """Whether this machine has no part: there is no registry, and no image is to travel."""
        return work.config.mode is Mode.NONE and self.request.skip_images

    def du_steps(self, work: Work) -> Iterator[Step]:
        config, mode = work.config, work.config.mode
        if self.needs_nothing_here(work):
            return
        if mode is Mode.NONE and (work.loads or not config.hosts):
            yield from (BundleRead(work, file) for file in work.files)
            return
        yield DuPreflight(work)
        if mode is Mode.CUSTOM:
            yield RegistryReach(work, push=self.imports)
        else:
            yield (RegistryServe if mode is Mode.DU else RegistryForRun)(work)
        if mode is Mode.DU and self.has_hosts and config.hosts:
            yield TunnelsServe(work)
        if self.imports or mode is Mode.NONE:
            yield from (BundleImport(work, file) for file in work.files)
        if not self.dry:
            yield RegistryVerify(work)

    def host_steps(self, work: Work, host: HostConfig, needs: list[Need]) -> Iterator[Step]:
        from core.engine.jobs.on_host import ready_steps  # SSH and Docker: 0.3 s

        images = not self.request.skip_images
        yield from ready_steps(work, host, needs, images=images, dry=self.dry)
