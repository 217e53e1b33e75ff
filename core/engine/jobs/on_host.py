"""What jobs do on one host; apart from them, because it loads all that speaks SSH and Docker."""

from __future__ import annotations

from collections.abc import Iterator

from core.config import HostConfig, Mode
from core.steps.base import DU, Need, Step
from core.steps.clean import DockerRemove, DockerRestore, ImagesRemove, TunnelClose
from core.steps.connect import Connect, Preflight
from core.steps.docker import DockerConfigure, DockerInstall
from core.steps.du import RegistryReach
from core.steps.images import ImagesLoad, ImagesVerify, ImagesWarm
from core.steps.site_registry import DockerLogin, RegistryFromHost
from core.steps.teardown import DockerLeave
from core.steps.tunnel import TunnelOpen
from core.steps.work import Work


def check_steps(
    work: Work, host: HostConfig, *, images: bool, read_bundles: bool
) -> Iterator[Step]:
    """Yield what looks at a host: whether it is reached, and whether it is fit."""
    yield Connect(work, host)
    yield Preflight(work, host, images=images, read_bundles=read_bundles)
    if work.config.mode is Mode.CUSTOM and not work.loads:
        yield RegistryFromHost(work, host)


def ready_steps(
    work: Work, host: HostConfig, needs: list[Need], *, images: bool, dry: bool
) -> Iterator[Step]:
    """Yield what makes a host ready: Docker, the way to the registry, images."""
    mode = work.config.mode
    yield from check_steps(work, host, images=images, read_bundles=True)
    yield DockerInstall(work, host)
    if mode is not Mode.NONE or (images and not work.loads):
        yield DockerConfigure(work, host)
    if mode is Mode.CUSTOM and work.config.registry_host_login:
        yield DockerLogin(work, host, Need(DU, RegistryReach.step_id))
    if mode is Mode.DU:
        yield TunnelOpen(work, host)
    if images:
        yield (ImagesLoad if work.loads else ImagesWarm)(work, host, *needs)
        if not dry:
            yield ImagesVerify(work, host)


def leaving_steps(work: Work, host: HostConfig) -> Iterator[Step]:
    """Yield what a host no longer needs by its config."""
    if work.config.mode is not Mode.DU:
        yield TunnelClose(work, host)
    yield DockerLeave(work, host)


def verify_steps(work: Work, host: HostConfig, *, images: bool) -> Iterator[Step]:
    """Yield what compares a host's images with the bundles."""
    yield Connect(work, host)
    if images:
        yield ImagesVerify(work, host)


def clean_steps(work: Work, host: HostConfig, *, remove_docker: bool) -> Iterator[Step]:
    """Yield what takes from a host what Airferry brought."""
    yield Connect(work, host)
    yield TunnelClose(work, host)
    yield ImagesRemove(work, host)
    yield DockerRestore(work, host)
    if remove_docker:
        yield DockerRemove(work, host)
