"""The part of a plan that hosts have: their steps, and what ends on the DU without them.

Apart from the rest, because it loads all that speaks SSH and Docker.
"""

from __future__ import annotations

from collections.abc import Iterator

from core.config import HostConfig, Mode
from core.engine.request import CLEANS, PLANS, RECONFIGURES, RunKind, RunRequest
from core.steps.base import DU, Need, Step
from core.steps.clean import DockerRemove, DockerRestore, ImagesRemove, TunnelClose
from core.steps.connect import Connect, Preflight
from core.steps.docker import DockerConfigure, DockerInstall
from core.steps.du import RegistryReach
from core.steps.images import ImagesLoad, ImagesVerify, ImagesWarm
from core.steps.site_registry import DockerLogin, RegistryFromHost
from core.steps.teardown import (
    DockerLeave,
    RegistryRemove,
    RegistryStop,
    TunnelDrop,
    TunnelsStop,
)
from core.steps.tunnel import TunnelOpen
from core.steps.work import Work


def leaving_steps(
    request: RunRequest, work: Work, hosts: list[str], after: list[Need]
) -> Iterator[Step]:
    """Yield what ends on the DU when all hosts of the run are well without it."""
    yield from (TunnelDrop(work, tunnel) for tunnel in work.removed_hosts)
    if work.config.mode is not Mode.DU or not work.config.hosts:
        yield TunnelsStop(work, hosts, after)
    if work.config.mode is not Mode.DU:
        yield RegistryStop(work, hosts, after, removes=request.remove_registry)
        if request.remove_registry:
            yield RegistryRemove(work, hosts, after)


def host_steps(
    request: RunRequest, work: Work, host: HostConfig, needs: list[Need]
) -> Iterator[Step]:
    """Yield the steps of one host, which wait for others of the DU."""
    mode, kind, images = work.config.mode, request.kind, not request.skip_images
    yield Connect(work, host)
    if kind is RunKind.VERIFY:
        if images:
            yield ImagesVerify(work, host)
        return
    if kind in CLEANS:
        yield from _clean_steps(request, work, host)
        return
    yield Preflight(work, host, images=images, read_bundles=kind is not RunKind.CHECK)
    if mode is Mode.CUSTOM and not work.loads:
        yield RegistryFromHost(work, host)
    if kind is RunKind.CHECK:
        return
    yield DockerInstall(work, host)
    if mode is not Mode.NONE or (images and not work.loads):
        yield DockerConfigure(work, host)
    if mode is Mode.CUSTOM and work.config.registry_host_login:
        yield DockerLogin(work, host, Need(DU, RegistryReach.step_id))
    if mode is Mode.DU:
        yield TunnelOpen(work, host)
    if images:
        yield (ImagesLoad if work.loads else ImagesWarm)(work, host, *needs)
        if kind not in PLANS:
            yield ImagesVerify(work, host)
    if kind in RECONFIGURES:
        if mode is not Mode.DU:
            yield TunnelClose(work, host)
        yield DockerLeave(work, host)


def _clean_steps(request: RunRequest, work: Work, host: HostConfig) -> Iterator[Step]:
    yield TunnelClose(work, host)
    yield ImagesRemove(work, host)
    yield DockerRestore(work, host)
    if request.remove_docker:
        yield DockerRemove(work, host)
