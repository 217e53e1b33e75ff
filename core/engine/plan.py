"""From the config to the steps of a run: pure, so that it can be read and tested as a table."""

from __future__ import annotations

from collections.abc import Iterator

from core.config import HostConfig, Mode
from core.engine.request import (
    BACKUPS,
    CLEANS,
    KEEPS,
    PLANS,
    RECONFIGURES,
    REPAIRS,
    RESTORES,
    UPKEEP,
    RunKind,
    RunRequest,
)
from core.steps.backup import RegistryBackup, RegistryRestore
from core.steps.base import DU, Need, Step
from core.steps.bundles import BundleImport, BundleRead, BundleTake
from core.steps.clearing import RegistryGc, RegistryKeep
from core.steps.cluster import ClusterFiles
from core.steps.du import (
    DuPreflight,
    RegistryForRun,
    RegistryReach,
    RegistryServe,
    RegistryVerify,
    TunnelsServe,
)
from core.steps.upkeep import RegistryRepair, RegistryScan
from core.steps.work import Work

_HOST_RUNS = (RunKind.INSTALL, RunKind.CONFIGURE_HOSTS, RunKind.PLAN, *RECONFIGURES)
_HERE_RUNS = (RunKind.IMPORT, RunKind.TAKE)
_IMPORT_RUNS = (RunKind.INSTALL, RunKind.IMPORT, RunKind.PLAN, *RECONFIGURES)
_CLUSTER_RUNS = (*_HOST_RUNS, RunKind.IMPORT)


def build_plan(request: RunRequest, work: Work) -> list[Step]:
    """Return the steps of a run in the order in which they are shown.

    Args:
        request: What is asked.
        work: The site; only its config and list of bundle files are read here, and, for a change of
            the site, to which hosts tunnels are kept.
    """
    if request.kind in (*BACKUPS, *RESTORES):
        return list(_saving_steps(request, work))
    if request.kind in UPKEEP:
        return list(_upkeep_steps(request, work))
    steps = list(_du_steps(request, work))
    last_of_du = steps[-1].id if steps else ""
    needs = [Need(DU, last_of_du)] if last_of_du else []
    if steps and request.kind in _CLUSTER_RUNS:
        steps.append(ClusterFiles(work))
    hosts: list[HostConfig] = []
    if request.kind not in _HERE_RUNS and not request.here_only:
        hosts = [h for h in work.config.hosts if not request.hosts or h.name in request.hosts]
    if hosts:
        from core.engine.host_plan import host_steps  # SSH and Docker: 0.3 s

        for host in hosts:
            steps += host_steps(request, work, host, needs)
    if request.kind in RECONFIGURES:
        from core.engine.host_plan import leaving_steps
        from core.steps.teardown import leaving_hosts

        last = {step.target: step.id for step in steps if step.target != DU}
        after = [Need(target, step_id) for target, step_id in last.items()]
        steps += leaving_steps(request, work, leaving_hosts(work, hosts), after)
    return steps


def _saving_steps(request: RunRequest, work: Work) -> Iterator[Step]:
    if work.config.mode is Mode.CUSTOM:
        yield RegistryReach(work, push=request.kind in RESTORES)
    else:
        yield RegistryServe(work)
    if request.kind in BACKUPS:
        yield RegistryBackup(work)
    else:
        yield RegistryRestore(work)


def _upkeep_steps(request: RunRequest, work: Work) -> Iterator[Step]:
    if request.kind is RunKind.REGISTRY_VERIFY:
        if work.config.mode is Mode.CUSTOM:
            yield RegistryReach(work, push=False)
        yield RegistryScan(work)
        return
    yield RegistryServe(work)
    if request.kind in REPAIRS:
        yield RegistryRepair(work)
        return
    if request.kind in KEEPS:
        yield RegistryKeep(work)
    yield RegistryGc(work)


def _du_steps(request: RunRequest, work: Work) -> Iterator[Step]:
    mode, kind = work.config.mode, request.kind
    imports = kind in _IMPORT_RUNS and not request.hosts_only
    if kind in (RunKind.CHECK, *CLEANS):
        return
    if kind is RunKind.TAKE:
        yield from (BundleTake(work, file) for file in work.files)
        return
    if kind is RunKind.VERIFY:
        if mode is not Mode.NONE:
            yield RegistryVerify(work)
        return
    if mode is Mode.NONE and request.skip_images:
        return
    if kind in RECONFIGURES and mode is not Mode.CUSTOM:
        from core.steps.teardown import RegistryMove

        yield RegistryMove(work)
    if mode is Mode.NONE and (work.loads or not work.config.hosts):
        yield from (BundleRead(work, file) for file in work.files)
        return
    yield DuPreflight(work)
    if mode is Mode.CUSTOM:
        yield RegistryReach(work, push=imports)
    else:
        yield (RegistryServe if mode is Mode.DU else RegistryForRun)(work)
    if mode is Mode.DU and kind in _HOST_RUNS and work.config.hosts and not request.here_only:
        yield TunnelsServe(work)
    if imports or mode is Mode.NONE:
        yield from (BundleImport(work, file) for file in work.files)
    if kind not in PLANS:
        yield RegistryVerify(work)
