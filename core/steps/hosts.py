"""Steps that make a host ready: reached, fit, with Docker, and with a way to the registry."""

from __future__ import annotations

import asyncio

from core.config import HostConfig, Mode
from core.errors import AirferryError, HostPortTaken, HostUnfit, PackagesError, StillMissing
from core.hosts.daemon_json import read_daemon_json, with_insecure, write_daemon_json
from core.hosts.engine import host_engine
from core.hosts.facts import Facts, Finding, gather_facts, preflight
from core.hosts.packages import docker_answers, install_docker, open_docker_repo
from core.hosts.tunnels import Tunnel, TunnelBook, registry_behind
from core.registry import SITE_HEADER
from core.steps.base import DU, Missing, Need, Teller, VerifyStep
from core.steps.targets import HostStep
from core.steps.work import Work
from core.threads import in_thread

TUNNEL_TIMEOUT_S = 30.0
DOCKER_UP_TIMEOUT_S = 60.0
_POLL_S = 0.3
_DEBIAN_LIKE = frozenset({"debian", "ubuntu"})


class Connect(HostStep, VerifyStep):
    """The host is reached, its key is the right one, and it says what it is."""

    step_id = "connect"
    title = "connect"

    async def check(self, tell: Teller) -> Missing | None:
        tell.say(f"connecting to {self._host.address}")
        facts = await gather_facts(self._link, self._work.config.host_registry_port)
        self._work.facts[self._host.name] = facts
        tell.found(facts.summary)
        return None


class Preflight(HostStep, VerifyStep):
    """Nothing about the host would stop the job later."""

    step_id = "preflight"
    title = "preflight"

    async def check(self, tell: Teller) -> Missing | None:
        facts = self._work.facts[self._host.name]
        findings = list(preflight(facts, needs_docker=not facts.docker_path, space_bytes=0))
        if not facts.docker_path:
            findings += self._repo_findings(facts)
        if self._work.config.mode is Mode.DU and facts.port_taken:
            findings += await self._port_findings()
        for finding in findings:
            if not finding.fatal:
                tell.warn(f"{self._host.name} {finding.what}. {finding.remedy}")
        fatal = [finding for finding in findings if finding.fatal]
        if fatal:
            what = "; ".join(finding.what for finding in fatal)
            raise HostUnfit(f"{self._host.name} {what}", remedy=" ".join(f.remedy for f in fatal))
        return None

    def _repo_findings(self, facts: Facts) -> list[Finding]:
        try:
            repo = open_docker_repo(self._work.config.docker_repo)
        except PackagesError as error:
            return [Finding(True, f"has no Docker, and {error.what}", error.remedy)]
        if facts.os_id not in _DEBIAN_LIKE:
            what = f"runs {facts.os_name}, for which {repo.path.name} ({repo.kind}) does not fit"
            return [Finding(True, what, PackagesError.remedy_text)]
        return []

    async def _port_findings(self) -> list[Finding]:
        config = self._work.config
        port = config.host_registry_port
        found = await registry_behind(self._link, port, SITE_HEADER)
        ours = found == await in_thread(self._work.server.site_id)
        tunnelled = self._host.name in TunnelBook(config.state_dir).wanted()
        if ours or tunnelled:
            return []
        what = f"has port {port} taken by another program"
        return [Finding(True, what, HostPortTaken.remedy_text)]


class DockerInstall(HostStep):
    """A Docker engine is installed and runs."""

    step_id = "docker.install"
    title = "docker"

    async def check(self, tell: Teller) -> Missing | None:
        version = await docker_answers(self._link)
        if version:
            tell.found(f"Docker {version}")
            return None
        if self._work.facts[self._host.name].docker_path:
            return Missing("Docker is installed but does not run")
        repo = open_docker_repo(self._work.config.docker_repo)
        return Missing(f"Docker ({repo.packages} packages)", repo.size_bytes)

    async def apply(self, missing: Missing, tell: Teller) -> None:
        if missing.size_bytes:
            repo = open_docker_repo(self._work.config.docker_repo)
            tell.say("installing Docker")
            total = repo.size_bytes
            await install_docker(self._link, repo, lambda done: tell.bytes(done, total))
        else:
            tell.say("starting Docker")
            await self._link.run_root("systemctl enable --now docker")
        deadline = asyncio.get_running_loop().time() + DOCKER_UP_TIMEOUT_S
        while not await docker_answers(self._link):
            if asyncio.get_running_loop().time() > deadline:
                raise StillMissing(f"{self._host.name}: Docker was started but does not answer")
            await asyncio.sleep(_POLL_S)


class DockerConfigure(HostStep):
    """The engine may speak plain HTTP with the registry that it is to pull from."""

    step_id = "docker.configure"
    title = "docker config"

    async def check(self, tell: Teller) -> Missing | None:  # noqa: ARG002
        if self._work.dry and not await docker_answers(self._link):
            return Missing("Docker's settings, once Docker is there") if self._named() else None
        async with host_engine(self._link) as engine:
            facts = await engine.facts()
        if self._work.config.mode is Mode.DU and not facts.insecure_loopback:
            return Missing("Docker does not take loopback registries without TLS")
        lacking = [name for name in self._named() if name not in facts.insecure_registries]
        return Missing(f"Docker does not take {lacking[0]} without TLS") if lacking else None

    async def apply(self, missing: Missing, tell: Teller) -> None:
        tell.log(f"daemon.json is extended: {missing.what}")
        text = await read_daemon_json(self._link)
        await write_daemon_json(self._link, with_insecure(text, self._named(), self._host.name))

    def _named(self) -> list[str]:
        """Return the registries that must stand in daemon.json."""
        config = self._work.config
        if config.mode is Mode.CUSTOM and config.registry_insecure:
            return [config.registry_base.partition("/")[0]]
        return []


class TunnelOpen(HostStep):
    """The registry of this site answers on the host's own loopback."""

    step_id = "tunnel.open"
    title = "tunnel"

    def __init__(self, work: Work, host: HostConfig) -> None:
        super().__init__(work, host, Need(DU, "tunnels.serve"))
        config = work.config
        self._book = TunnelBook(config.state_dir)
        self._tunnel = Tunnel(
            host, config.ssh.known_hosts, config.host_registry_port, config.registry_port
        )

    async def check(self, tell: Teller) -> Missing | None:
        port = self._work.config.host_registry_port
        tell.say(f"asking for the registry on the host's port {port}")
        if self._book.wanted().get(self._host.name) != self._tunnel:
            return Missing(f"the tunnel from port {port} of {self._host.name}")
        if await self._answers():
            return None
        return Missing(f"the registry does not answer on port {port} of {self._host.name}")

    async def apply(self, missing: Missing, tell: Teller) -> None:  # noqa: ARG002
        tell.say("waiting for the tunnel")
        self._book.want(self._tunnel)
        deadline = asyncio.get_running_loop().time() + TUNNEL_TIMEOUT_S
        while not await self._answers():
            if asyncio.get_running_loop().time() > deadline:
                raise self._why_not()
            await asyncio.sleep(_POLL_S)

    async def _answers(self) -> bool:
        port = self._work.config.host_registry_port
        found = await registry_behind(self._link, port, SITE_HEADER)
        return bool(found) and found == self._work.server.site_id()

    def _why_not(self) -> AirferryError:
        status = self._book.statuses().get(self._host.name)
        reason = status.last_error if status and status.last_error else "no reason known"
        return StillMissing(
            f"{self._host.name}: the tunnel does not open: {reason}",
            remedy="See: airferry tunnels status. Is AllowTcpForwarding on in the host's sshd?",
        )
