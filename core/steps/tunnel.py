"""The step that gives a host its way to the registry."""

from __future__ import annotations

import time
from dataclasses import replace

from core.config import HostConfig
from core.errors import (
    AirferryError,
    DockerFailed,
    HostLoginRefused,
    HostUnfit,
    HostUnreachable,
    SshConfigWrong,
    TunnelDown,
    kinds_by_code,
)
from core.hosts.docker.engine import host_engine
from core.hosts.ssh.connection import HostConnection
from core.hosts.tunnel.keys import (
    JUMP_MARK,
    TUNNEL_MARK,
    forget_tunnel,
    jump_line,
    put_line,
    tunnel_line,
)
from core.hosts.tunnel.reach import unreached
from core.hosts.tunnel.store import Tunnel, TunnelStatus, registry_behind
from core.registry.api.client import SITE_HEADER
from core.steps.base import DU, Missing, Need, Reporter
from core.steps.targets import HostStep, comes_true
from core.steps.work import Work
from core.telling import IN_PLACE_OF

TUNNEL_TIMEOUT_S = 30.0
NO_KEYS_REMEDY = (
    "The tunnel outlives what was typed, so it needs a key: allow PubkeyAuthentication in the "
    "host's sshd_config and ~/.ssh/authorized_keys (AuthorizedKeysFile), then run it again."
)


class TunnelOpen(HostStep):
    """The registry of this site answers on the host's own loopback."""

    step_id = "tunnel.open"
    title = "tunnel"
    heals = True

    def __init__(self, work: Work, host: HostConfig) -> None:
        super().__init__(work, host, Need(DU, "tunnels.serve"))
        config = work.config
        self._book = work.tunnels
        self._port = config.host_registry_port
        self._plain = Tunnel(host, config.ssh, self._port, config.registry_port)

    async def check(self, tell: Reporter) -> Missing | None:
        tell.say(f"asking for the registry on the host's port {self._port}")
        wanted = self._book.wanted().get(self._host.name)
        if wanted is None or replace(wanted, own_key=False, own_jumps=()) != self._plain:
            before = wanted.host_port if wanted else self._port
            instead = "" if before == self._port else f", {IN_PLACE_OF} {before}"
            return Missing(f"the tunnel from port {self._port} of {self._host.name}{instead}")
        if await self._answers():
            return None
        return Missing(f"the registry does not answer on port {self._port} of {self._host.name}")

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        own_jumps = tuple(spec for spec, jump in self._link.jumps if not jump.can_be_repeated)
        tunnel = replace(self._plain, own_key=not self._link.can_be_repeated, own_jumps=own_jumps)
        before = self._book.wanted().get(self._host.name)
        refusal = await self._open(tunnel, tell)
        if isinstance(refusal, HostLoginRefused) and not tunnel.own_key:
            tell.log(f"the service cannot log in as we do: {refusal.what}")
            refusal = await self._open(replace(tunnel, own_key=True), tell)
        if refusal and before and before.host_port != self._port:
            await self._back_to(before, tell)
        if isinstance(refusal, HostLoginRefused):
            raise HostLoginRefused(refusal.what, remedy=NO_KEYS_REMEDY)
        if refusal:
            raise refusal
        if before and before.host_port != self._port:
            await forget_tunnel(self._link, [before.host_port])
        await self._require_docker(tell)

    async def _require_docker(self, tell: Reporter) -> None:
        """Refuse to go on where Docker, which may have been installed just now, gets no answer."""
        tell.say("having Docker ask the registry")
        try:
            async with host_engine(self._link) as engine:
                finding = await unreached(self._link, self._port, engine.registry_digest)
        except DockerFailed:
            return  # its own steps tell of that
        if finding and await self._answers():
            raise HostUnfit(f"{self._host.name} {finding.what}", remedy=finding.remedy)

    async def _back_to(self, before: Tunnel, tell: Reporter) -> None:
        """Keep the tunnel from another port that was there: hosts pull through it."""
        tell.log(f"the tunnel from port {before.host_port} is kept")
        kept = replace(before, registry_port=self._plain.registry_port)
        self._book.want(kept)
        await self._let_in(kept, tell)

    async def _open(self, tunnel: Tunnel, tell: Reporter) -> AirferryError | None:
        """Have a tunnel opened; return why it is not open in time, or never will be."""
        await self._let_in(tunnel, tell)
        tell.say("waiting for the tunnel")
        since = time.time()
        self._book.want(tunnel)

        async def answers_or_refused() -> bool:
            return await self._answers() or self._error_code(since) == HostLoginRefused.code

        await comes_true(answers_or_refused, TUNNEL_TIMEOUT_S)
        return None if await self._answers() else self._why_not(since)

    async def _let_in(self, tunnel: Tunnel, tell: Reporter) -> None:
        """Put the service's keys where it has to log in by them."""
        keys = self._book.keys
        for spec, jump in self._link.jumps:
            if spec in tunnel.own_jumps:
                public = keys.public(keys.jump, JUMP_MARK)
                places = self._places_behind(spec)
                await put_line(jump, jump_line(public, places, await jump.server_version()))
        if tunnel.own_key:
            tell.log("a key of the tunnel service is let in, for this port only")
            public = keys.public(keys.tunnel, TUNNEL_MARK)
            version = await self._link.server_version()
            line = tunnel_line(public, tunnel.host_port, version, self._book.site)
            await put_line(self._link, line)

    def _places_behind(self, spec: str) -> list[str]:
        """Return what all hosts of the site need to reach through a jump host."""
        found = set()
        for host in self._work.config.hosts:
            link = self._work.link(host)
            try:
                on_the_way = link.jumps
            except SshConfigWrong:
                continue
            following: list[HostConnection] = [*(jump for _, jump in on_the_way[1:]), link]
            for (name, _), behind in zip(on_the_way, following, strict=True):
                if name == spec:
                    found.add(behind.route.place)
        return sorted(found)

    async def _answers(self) -> bool:
        found = await registry_behind(self._link, self._port, SITE_HEADER)
        return bool(found) and found == self._work.server.site_id()

    def _status(self, since: float) -> TunnelStatus:
        """Return what the service says, without what it said before."""
        found = self._book.statuses().get(self._host.name) or TunnelStatus(self._host.name)
        return found if found.last_error_at >= since else TunnelStatus(self._host.name)

    def _error_code(self, since: float) -> str:
        return self._status(since).error_code

    def _why_not(self, since: float) -> AirferryError:
        status = self._status(since)
        kind = kinds_by_code().get(status.error_code, TunnelDown)
        if status.error_code and not issubclass(kind, HostUnreachable):
            return kind(status.last_error)
        reason = status.last_error or "the service has not said why"
        return TunnelDown(f"{self._host.name}: the tunnel does not open: {reason}")
