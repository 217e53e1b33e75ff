"""From the config to the steps of a run: pure, so that it can be read and tested as a table."""

from __future__ import annotations

from collections.abc import Iterator

from core.config import HostConfig, Mode
from core.engine.request import RunKind, RunRequest
from core.steps.base import DU, Need, Step
from core.steps.bundles import BundleImport, BundleRead
from core.steps.du import RegistryReach, RegistryServe, RegistryVerify, TunnelsServe
from core.steps.hosts import Connect, DockerConfigure, DockerInstall, Preflight, TunnelOpen
from core.steps.images import ImagesLoad, ImagesVerify, ImagesWarm
from core.steps.work import Work

_HOST_RUNS = (RunKind.INSTALL, RunKind.CONFIGURE_HOSTS, RunKind.PLAN)
_IMPORT_RUNS = (RunKind.INSTALL, RunKind.IMPORT, RunKind.PLAN)


def build_plan(request: RunRequest, work: Work) -> list[Step]:
    """Return the steps of a run in the order in which they are shown.

    Args:
        request: What is asked.
        work: The site; only its config and list of bundle files are read here.
    """
    steps = list(_du_steps(request, work))
    last_of_du = steps[-1].id if steps else ""
    needs = [Need(DU, last_of_du)] if last_of_du else []
    if request.kind is not RunKind.IMPORT:
        for host in work.config.hosts:
            if not request.hosts or host.name in request.hosts:
                steps += _host_steps(request, work, host, needs)
    return steps


def _du_steps(request: RunRequest, work: Work) -> Iterator[Step]:
    mode, kind = work.config.mode, request.kind
    if kind is RunKind.CHECK:
        return
    if kind is RunKind.VERIFY:
        if mode is not Mode.NONE:
            yield RegistryVerify(work)
        return
    if mode is Mode.NONE and kind is not RunKind.IMPORT:
        yield from (BundleRead(work, file) for file in work.files)
        return
    if mode is Mode.CUSTOM:
        yield RegistryReach(work)
    else:
        yield RegistryServe(work)
    if mode is Mode.DU and kind in _HOST_RUNS and work.config.hosts:
        yield TunnelsServe(work)
    if kind in _IMPORT_RUNS:
        yield from (BundleImport(work, file) for file in work.files)
    if kind is not RunKind.PLAN:
        yield RegistryVerify(work)


def _host_steps(
    request: RunRequest, work: Work, host: HostConfig, needs: list[Need]
) -> Iterator[Step]:
    mode, kind = work.config.mode, request.kind
    yield Connect(work, host)
    if kind is RunKind.VERIFY:
        if not request.skip_images:
            yield ImagesVerify(work, host)
        return
    yield Preflight(work, host)
    if kind is RunKind.CHECK:
        return
    yield DockerInstall(work, host)
    if mode is not Mode.NONE:
        yield DockerConfigure(work, host)
    if mode is Mode.DU:
        yield TunnelOpen(work, host)
    if request.skip_images:
        return
    warm = ImagesLoad if mode is Mode.NONE else ImagesWarm
    yield warm(work, host, *needs)
    if kind is not RunKind.PLAN:
        yield ImagesVerify(work, host)
