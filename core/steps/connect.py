"""Steps that come before anything is changed: the host is reached, and it is fit."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.bundle.model import OCI_LAYER_ZSTD, Image
from core.config import HostConfig, Mode
from core.errors import (
    HostCommandFailed,
    HostLineLost,
    HostSudoRefused,
    HostUnfit,
    PackagesError,
)
from core.hosts.docker_install.release import System
from core.hosts.docker_install.selection import DockerRepo, fitting_repo, is_too_old
from core.hosts.facts import Facts, gather_facts
from core.hosts.preflight import INSTALLED_RATIO, Finding, Needs, preflight
from core.hosts.ssh.key_options import forced_by_key
from core.steps.base import Missing, Reporter, VerifyStep
from core.steps.desired_images import host_lacks, unfit_names, wanted_images
from core.steps.disk_space import store_bytes
from core.steps.targets import HostStep
from core.steps.way import twin_finding, way_findings
from core.steps.work import Work
from core.telling import room_fact
from core.threads import in_thread


class Connect(HostStep, VerifyStep):
    """The host is reached, its key is the right one, and it says what it is."""

    step_id = "connect"
    title = "connect"
    patience_s = 30.0  # a host that never answered is rather a wrong address than a lost line

    async def check(self, tell: Reporter) -> Missing | None:
        tell.say(f"connecting to {self._host.address}")
        try:
            facts = await gather_facts(self._link, self._work.config.host_registry_port)
        except (HostCommandFailed, HostLineLost) as error:
            forced = forced_by_key(self._link.where, await self._link.told())
            if forced:
                raise forced from error
            raise
        self._work.facts[self._host.name] = facts
        tell.found(facts.summary)
        return None


@dataclass(frozen=True)
class _ImageNeeds:
    """What the images of the bundles ask of a host."""

    store_bytes: int = 0
    sure: bool = True
    zstd: bool = False
    some_fit: bool = True
    unfit: tuple[str, ...] = ()


class Preflight(HostStep, VerifyStep):
    """Nothing about the host would stop the job later.

    Args:
        work: The run.
        host: The host.
        images: The host's cache is to be warmed.
        read_bundles: Bundles of which nothing is known are read, to know what is in them.
    """

    step_id = "preflight"
    title = "preflight"

    def __init__(
        self, work: Work, host: HostConfig, *, images: bool = True, read_bundles: bool = True
    ) -> None:
        super().__init__(work, host)
        self._images = images
        self._read_bundles = read_bundles

    async def check(self, tell: Reporter) -> Missing | None:
        findings = await self._root_findings()
        is_root = not findings
        facts = self._work.facts[self._host.name]
        tell.facts(facts.lines())
        twin = twin_finding(self._work, self._host)
        if twin:
            raise HostUnfit(f"{self._host.name} {twin.what}", remedy=twin.remedy)
        repo, repo_findings = await self._docker_to_install(facts)
        if repo and self._work.dry:
            left = facts.unpack_free_bytes - INSTALLED_RATIO * repo.size_bytes
            tell.facts([room_fact(left, "/var/tmp", "while installing Docker")])  # noqa: S108
        findings += repo_findings
        tell.say("comparing the host with what is to come")
        needs = await self._needs(facts, repo)
        findings += preflight(facts, needs)
        if needs.forwarding:
            tell.say("trying the way that the tunnel is to take")
            findings += await way_findings(self._work, self._host, is_root=is_root)
        for finding in findings:
            if not finding.fatal:
                tell.warn(f"{self._host.name} {finding.what}. {finding.remedy}")
        fatal = [finding for finding in findings if finding.fatal]
        if fatal:
            what = "; ".join(finding.what for finding in fatal)
            remedies = dict.fromkeys(finding.remedy for finding in fatal)
            raise HostUnfit(f"{self._host.name} {what}", remedy=" ".join(remedies))
        return None

    async def _root_findings(self) -> list[Finding]:
        """Become root, and ask again what only root is told."""
        name, port = self._host.name, self._work.config.host_registry_port
        if self._work.facts[name].root != "none":
            return []
        try:
            await self._link.root_way()
        except HostSudoRefused as error:
            return [Finding(True, error.what.removeprefix(f"{self._link.where}: "), error.remedy)]
        came = self._work.facts[name].came
        facts = await gather_facts(self._link, port, as_root=True, came=came)
        self._work.facts[name] = replace(facts, root="asked")
        return []

    async def _docker_to_install(self, facts: Facts) -> tuple[DockerRepo | None, list[Finding]]:
        """Return what Docker is installed from; None where the present one will do."""
        docker, paths = facts.docker, self._work.config.docker_repo
        if docker.path and not (docker.version and is_too_old(docker.version)):
            return None, []
        try:
            repo = await in_thread(lambda: fitting_repo(paths, System.of(facts)))
        except PackagesError as error:
            has = (
                f"has Docker {docker.version}, which is too old" if docker.path else "has no Docker"
            )
            return None, [Finding(True, f"{has}, and {error.what}", error.remedy)]
        return repo, []

    async def _needs(self, facts: Facts, repo: DockerRepo | None) -> Needs:
        work = self._work
        mode = work.config.mode
        images = await self._image_needs(facts) if self._images else _ImageNeeds()
        pulls_through_us = mode is Mode.NONE and self._images and not work.loads
        return Needs(
            registry=mode is not Mode.NONE,
            forwarding=mode is Mode.DU or pulls_through_us,
            loopback=mode is Mode.DU or pulls_through_us,
            docker_bytes=repo.size_bytes if repo else 0,
            docker_version=repo.engine_version if repo else "",
            store_bytes=images.store_bytes,
            sure=images.sure,
            zstd=images.zstd,
            some_fit=images.some_fit,
            unfit=images.unfit,
        )

    async def _image_needs(self, facts: Facts) -> _ImageNeeds:
        """Work out the room for what is missing; the host is asked only where that is tight."""
        work = self._work
        unread = await self._unread_bytes()
        wanted = list(wanted_images(work, facts.arch))
        needed = unread + self._room_for(wanted, facts)
        as_it_is = not (work.loads or work.options.recompress)
        zstd = as_it_is and _has_zstd(wanted)
        if facts.docker.version and (needed > facts.store_free_bytes or zstd):
            lacking = [want.image for want in (await host_lacks(work, self._host)).names]
            needed = unread + self._room_for(lacking, facts)
            zstd = as_it_is and _has_zstd(lacking)
        known = work.known_bundles().values()
        return _ImageNeeds(needed, not unread, zstd, bool(wanted), unfit_names(known, facts.arch))

    def _room_for(self, images: list[Image], facts: Facts) -> int:
        return store_bytes(images, facts.docker, load=self._work.loads)

    async def _unread_bytes(self) -> int:
        """Return the bytes of bundles of which nothing is known; they are read first if allowed."""
        unread = 0
        for file in self._work.files:
            if self._work.known(file) is None:
                if self._read_bundles:
                    await self._work.bundle(file)  # what is wrong with it, its own step says
                    continue
                unread += file.size_bytes
        return unread


def _has_zstd(images: list[Image]) -> bool:
    return any(layer.media_type == OCI_LAYER_ZSTD for image in images for layer in image.layers)
