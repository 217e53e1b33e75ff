"""Steps that give a host a Docker engine that may speak with the registry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.config import Config, Mode
from core.errors import StillMissing
from core.hosts.docker.certificates import trust, trusts
from core.hosts.docker.daemon_json import extend_daemon_json
from core.hosts.docker.engine import host_engine
from core.hosts.docker_install.install import (
    docker_answers,
    docker_is_installed,
    docker_serves,
    install_docker,
    start_docker,
)
from core.hosts.docker_install.release import System
from core.hosts.docker_install.selection import DockerRepo, fitting_repo, is_too_old
from core.hosts.facts import DockerFacts
from core.steps.base import Missing, Reporter
from core.steps.targets import HostStep, comes_true
from core.telling import CONTAINERS_GO_ON, CONTAINERS_STOP
from core.threads import in_thread

DOCKER_UP_TIMEOUT_S = 60.0


def settings_to_add(config: Config, docker: DockerFacts) -> list[str] | None:
    """Return the registries that daemon.json is to get; None where the engine needs nothing.

    Loopback goes with them, so there may be none to name.
    """
    named = plain_registries(config)
    if config.mode is not Mode.CUSTOM and not docker.insecure_loopback:
        return named
    return named if set(named) - set(docker.insecure_named) else None


def plain_registries(config: Config) -> list[str]:
    """Return the registries, as daemon.json names them, that are spoken with in plain HTTP."""
    insecure = config.mode is Mode.CUSTOM and config.registry_insecure
    return [config.registry_base.partition("/")[0]] if insecure else []


class DockerInstall(HostStep):
    """A Docker engine is installed and runs."""

    step_id = "docker.install"
    title = "docker"
    heals = True

    async def check(self, tell: Reporter) -> Missing | None:
        version = await docker_answers(self._link)
        if version and not is_too_old(version):
            tell.found(f"Docker {version}")
            return None
        if not version and await docker_is_installed(self._link):
            return Missing("Docker is installed but does not run")
        repo = await self._repo()
        what = f"Docker ({repo.summary})"
        if not version:
            return Missing(what, repo.size_bytes)
        return Missing(f"{what} in place of {version}; {CONTAINERS_STOP}", repo.size_bytes)

    async def apply(self, missing: Missing, tell: Reporter) -> None:
        if not missing.size_bytes:
            tell.say("starting Docker")
            await start_docker(self._link)
            await self._wait_for_answer()
        if not await docker_serves(self._link):
            await self._install(await docker_answers(self._link), tell)
            await self._wait_for_answer()

    async def _install(self, too_old: str, tell: Reporter) -> None:
        repo = await self._repo()
        tell.say(f"installing Docker from {repo.source.name}")
        total = repo.size_bytes
        await install_docker(self._link, repo, lambda done: tell.bytes(done, total), too_old)
        facts = self._work.facts[self._host.name]
        docker = replace(facts.docker, path="docker", version=await docker_answers(self._link))
        self._work.facts[self._host.name] = replace(facts, docker=docker)

    async def _wait_for_answer(self) -> None:
        if not await comes_true(lambda: docker_answers(self._link), DOCKER_UP_TIMEOUT_S):
            raise StillMissing(f"{self._host.name}: Docker was started but does not answer")

    async def _repo(self) -> DockerRepo:
        """Return what Docker is installed from on this host."""
        system = System.of(self._work.facts[self._host.name])
        return await in_thread(lambda: fitting_repo(self._work.config.docker_repo, system))


class DockerConfigure(HostStep):
    """The engine speaks with the registry that it is to pull from: plain HTTP, or the site's CA.

    daemon.json is touched only where something lacks in it; a reload is enough for that, so
    running containers go on.
    """

    step_id = "docker.configure"
    title = "docker config"
    heals = True

    async def check(self, tell: Reporter) -> Missing | None:
        tell.say("asking Docker for its settings")
        config = self._work.config
        if self._work.dry and not await docker_serves(self._link):
            later = self._named() or self._ca
            return Missing("Docker's settings, once Docker is there") if later else None
        async with host_engine(self._link) as engine:
            facts = await engine.facts()
        if config.mode is not Mode.CUSTOM and not facts.insecure_loopback:
            return Missing(
                f"Docker does not take loopback registries without TLS ({CONTAINERS_GO_ON})"
            )
        lacking = [name for name in self._named() if name not in facts.insecure_registries]
        if lacking:
            return Missing(f"Docker does not take {lacking[0]} without TLS ({CONTAINERS_GO_ON})")
        if self._ca and not await trusts(self._link, self._registry, self._ca):
            return Missing(f"Docker does not have the CA of {self._registry}")
        return None

    async def apply(self, missing: Missing, tell: Reporter) -> None:
        tell.say("writing Docker's settings")
        tell.log(f"Docker's settings are extended: {missing.what}")
        if self._ca:
            await trust(self._link, self._registry, self._ca)
        if self._named() or self._work.config.mode is not Mode.CUSTOM:
            await extend_daemon_json(self._link, self._named())

    @property
    def _registry(self) -> str:
        return self._work.config.registry_base.partition("/")[0]

    @property
    def _ca(self) -> Path | None:
        config = self._work.config
        return config.registry_ca if config.mode is Mode.CUSTOM else None

    def _named(self) -> list[str]:
        return plain_registries(self._work.config)
