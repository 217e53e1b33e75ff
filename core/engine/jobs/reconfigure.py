"""`reconfigure`: `install` on a running site, and what an earlier config left is moved or ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from core.config import HostConfig, Mode
from core.engine.jobs.install import Install
from core.steps.base import Need, Step
from core.steps.work import Work


class Reconfigure(Install):
    """From the site as it is to the site as its config says."""

    def du_steps(self, work: Work) -> Iterator[Step]:
        if work.config.mode is not Mode.CUSTOM and not self.needs_nothing_here(work):
            from core.steps.teardown import RegistryMove

            yield RegistryMove(work)
        yield from super().du_steps(work)

    def host_steps(self, work: Work, host: HostConfig, needs: list[Need]) -> Iterator[Step]:
        from core.engine.jobs.on_host import leaving_steps

        yield from super().host_steps(work, host, needs)
        yield from leaving_steps(work, host)

    def last_steps(
        self, work: Work, hosts: list[HostConfig], after: Iterable[Need]
    ) -> Iterator[Step]:
        from core.steps.teardown import (
            RegistryRemove,
            RegistryStop,
            TunnelDrop,
            TunnelsStop,
            leaving_hosts,
        )

        names, last = leaving_hosts(work, hosts), list(after)
        yield from (TunnelDrop(work, tunnel) for tunnel in work.removed_hosts)
        if work.config.mode is not Mode.DU or not work.config.hosts:
            yield TunnelsStop(work, names, last)
        if work.config.mode is not Mode.DU:
            removes = self.request.remove_registry
            yield RegistryStop(work, names, last, removes=removes)
            if removes:
                yield RegistryRemove(work, names, last)
