"""Steps that come before anything is changed: the host is reached, and it is fit."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.bundle.model import OCI_LAYER_ZSTD, Image
from core.config import HostConfig, Mode
from core.errors import (
    AirferryError,
    DockerGone,
    HostCommandFailed,
    HostLineLost,
    HostShellRefused,
    HostSudoRefused,
    HostUnfit,
    PackagesError,
)
from core.hosts.docker.settings_findings import settings_findings
from core.hosts.docker_install.package_files import Family
from core.hosts.docker_install.release import System
from core.hosts.docker_install.selection import DockerRepo, fitting_repo, is_too_old
from core.hosts.engine_findings import engine_findings
from core.hosts.facts import Facts, gather_facts
from core.hosts.login_findings import login_findings
from core.hosts.package_fit import NO_PACKAGES, Packages
from core.hosts.preflight import INSTALLED_RATIO, Finding, Needs, preflight
from core.hosts.room import is_tight, settings_are_free
from core.hosts.ssh.key_options import forced_by_key
from core.steps.base import Missing, Reporter, VerifyStep
from core.steps.desired_images import host_lacks, unfit_names, wanted_images
from core.steps.disk_space import store_bytes
from core.steps.docker import DockerConfigure, settings_to_add
from core.steps.targets import HostStep
from core.steps.way import twin_finding, way_findings
from core.steps.work import Work
from core.telling import CONTAINERS_STOP, room_fact
from core.threads import in_thread
from core.warnings import DOCKER_OLD, KNOWN_HOSTS

NEW_HOST_S = 30.0


class Connect(HostStep, VerifyStep):
    """The host is reached, its key is the right one, and it says what it is."""

    step_id = "connect"
    title = "connect"

    def patience_with(self, error: AirferryError) -> float:
        """A host that never answered is rather a wrong address than a lost line."""
        patience_s = super().patience_with(error)
        return patience_s if self._link.was_open else min(NEW_HOST_S, patience_s)

    async def check(self, tell: Reporter) -> Missing | None:
        tell.say(f"connecting to {self._host.address}")
        if self._work.is_news(odd := self._link.passed_over):
            tell.warn(KNOWN_HOSTS.of(line=odd))
        try:
            facts = await gather_facts(self._link, self._work.config.host_registry_port)
        except (HostCommandFailed, HostLineLost, HostShellRefused) as error:
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
    layers: int = 0


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
        findings += await self._login_findings()
        findings += await self._engine_findings()
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
        needs = await self._needs(facts, repo, tell)
        findings += preflight(facts, needs)
        if needs.forwarding:
            tell.say("trying the way that the tunnel is to take")
            findings += await way_findings(self._work, self._host, is_root=is_root)
        for finding in findings:
            if not finding.fatal:
                tell.warn(finding.warning)
        fatal = [finding for finding in findings if finding.fatal]
        if fatal:
            what = "; ".join(finding.what for finding in fatal)
            remedies = dict.fromkeys(finding.remedy for finding in fatal)
            raise HostUnfit(f"{self._host.name} {what}", remedy=" ".join(remedies))
        return None

    async def _root_findings(self) -> list[Finding]:
        """Say why the login does not become root, where it does not."""
        if self._work.facts[self._host.name].root != "none":
            return []
        try:
            await self._link.root_way()
        except HostSudoRefused as error:
            return [Finding(True, error.what.removeprefix(f"{self._link.where}: "), error.remedy)]
        return []

    async def _login_findings(self) -> list[Finding]:
        """Look at the login, and at those on the way whose keys the tunnel needs."""
        forwards = self._work.config.mode is Mode.DU
        needs_key = forwards and not self._link.can_be_repeated
        found = await login_findings(self._link, needs_key=needs_key)
        for spec, jump in self._link.jumps if forwards else ():
            if not jump.can_be_repeated:
                there = await login_findings(jump, needs_key=True)
                found += [
                    replace(each, what=f"is behind {spec}, which {each.what}") for each in there
                ]
        return found

    async def _engine_findings(self) -> list[Finding]:
        """Look at the host's Docker itself, and at what it reads when it starts."""
        name, port = self._host.name, self._work.config.host_registry_port
        facts = self._work.facts[name]
        if facts.root == "none":
            return []  # only root is told
        findings = list(engine_findings(facts, too_old=is_too_old(facts.docker.version)))
        docker = facts.docker
        if any(finding.fatal for finding in findings) or docker.rootless or not docker.is_there:
            return findings
        if docker.daemon.pid and not docker.version:
            facts = await gather_facts(self._link, port)
            docker = facts.docker
            if docker.daemon.pid and not docker.version:
                raise DockerGone(
                    f"{name}: its dockerd ({docker.daemon.program}, process {docker.daemon.pid}) "
                    f"runs and does not answer at {docker.daemon.socket}"
                )
            self._work.facts[name] = facts
        wanted = settings_to_add(self._work.config, docker)
        return [*findings, *await settings_findings(self._link, wanted)]

    async def _docker_to_install(self, facts: Facts) -> tuple[DockerRepo | None, list[Finding]]:
        """Return what Docker is installed from; None where the present one will do."""
        docker, paths = facts.docker, self._work.config.docker_repo
        if docker.daemon.other and not docker.is_there:
            return None, []  # said already: nothing is installed beside it
        if docker.is_there and not (docker.version and is_too_old(docker.version)):
            return None, []
        try:
            repo = await in_thread(lambda: fitting_repo(paths, System.of(facts)))
        except PackagesError as error:
            has = (
                f"has Docker {docker.version}, which is too old"
                if docker.version
                else "has no Docker"
            )
            return None, [Finding(True, f"{has}, and {error.what}", error.remedy)]
        if docker.version:
            replaced = DOCKER_OLD.of(version=docker.version, what=CONTAINERS_STOP)
            return repo, [Finding.warned(replaced)]
        return repo, []

    async def _needs(self, facts: Facts, repo: DockerRepo | None, tell: Reporter) -> Needs:
        work = self._work
        mode = work.config.mode
        images = await self._image_needs(facts) if self._images else _ImageNeeds()
        pulls_through_us = mode is Mode.NONE and self._images and not work.loads
        loopback = mode is Mode.DU or pulls_through_us
        return Needs(
            registry=mode is not Mode.NONE,
            forwarding=mode is Mode.DU or pulls_through_us,
            loopback=loopback,
            docker_bytes=repo.size_bytes if repo else 0,
            docker_version=repo.engine_version if repo else "",
            store_bytes=images.store_bytes,
            sure=images.sure,
            zstd=images.zstd,
            some_fit=images.some_fit,
            unfit=images.unfit,
            layers=images.layers,
            settings=await self._changes_settings(facts, tell, loopback=loopback),
            keys=mode is Mode.DU and not self._link.can_be_repeated,
            packages=_packages_of(repo, facts),
        )

    async def _changes_settings(self, facts: Facts, tell: Reporter, *, loopback: bool) -> bool:
        """Whether Docker's settings are to be changed; it is asked only where that may fail."""
        config, docker = self._work.config, facts.docker
        if config.mode is not Mode.CUSTOM:
            return loopback and not docker.insecure_loopback
        if not (config.registry_insecure or config.registry_ca):
            return False
        if not docker.version or settings_are_free(facts):
            return True
        return await DockerConfigure(self._work, self._host).check(tell) is not None

    async def _image_needs(self, facts: Facts) -> _ImageNeeds:
        """Work out the room for what is missing; the host is asked only where that is tight."""
        work = self._work
        unread = await self._unread_bytes()
        wanted = list(wanted_images(work, facts.arch))
        needed = unread + self._room_for(wanted, facts)
        as_it_is = not (work.loads or work.options.recompress)
        zstd = as_it_is and _has_zstd(wanted)
        layers = _layers_in(wanted)
        if facts.docker.version and (is_tight(facts, needed, layers) or zstd):
            lacking = [want.image for want in (await host_lacks(work, self._host)).names]
            needed = unread + self._room_for(lacking, facts)
            zstd, layers = as_it_is and _has_zstd(lacking), _layers_in(lacking)
        known = work.known_bundles().values()
        unfit = unfit_names(known, facts.arch)
        return _ImageNeeds(needed, not unread, zstd, bool(wanted), unfit, layers)

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


def _packages_of(repo: DockerRepo | None, facts: Facts) -> Packages:
    """Return what is to be installed, as far as a package manager is concerned."""
    if repo is None:
        return NO_PACKAGES
    names = tuple(package.name for package in repo.packages)
    by_repository, replaces = bool(repo.indexes), bool(facts.docker.version)
    return Packages(names, _FAMILIES[repo.family], by_repository, replaces)


_FAMILIES = {Family.DEB: "deb", Family.RPM: "rpm", Family.STATIC: "static"}


def _layers_in(images: list[Image]) -> int:
    return len({layer.diff_id or layer.member for image in images for layer in image.layers})


def _has_zstd(images: list[Image]) -> bool:
    return any(layer.media_type == OCI_LAYER_ZSTD for image in images for layer in image.layers)
