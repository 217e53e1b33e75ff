"""Steps that undo on a host what Airferry put there; Docker stays unless it is asked for, too."""

from __future__ import annotations

from core.config import HostConfig
from core.hosts.docker.certificates import distrust, trusted
from core.hosts.docker.daemon_json import restore_daemon_json
from core.hosts.docker.engine import HostEngine, host_engine
from core.hosts.docker.registry_login import given_logins, withdraw_logins
from core.hosts.docker_install.install import docker_answers, docker_is_ours, remove_docker
from core.hosts.managed_state import brought, forget_brought, other_sites
from core.hosts.ssh.connection import HostConnection
from core.hosts.tunnel.keys import (
    JUMP_MARK,
    TUNNEL_MARK,
    forget_tunnel,
    has_key,
    withdraw_key,
)
from core.hosts.tunnel.store import TunnelStore
from core.steps.base import Missing, Reporter
from core.steps.targets import HostStep
from core.steps.work import Work
from core.words import count, some_of


class TunnelClose(HostStep):
    """No tunnel is kept to the host any more."""

    step_id = "tunnel.close"
    title = "close tunnel"

    def __init__(self, work: Work, host: HostConfig) -> None:
        super().__init__(work, host)
        self._book = work.tunnels

    async def check(self, tell: Reporter) -> Missing | None:
        tell.say("looking for a tunnel")
        if self._host.name in self._book.wanted():
            return Missing(f"the tunnel to {self._host.name} is to be closed")
        key = self._book.keys.known(self._book.keys.tunnel)
        if await has_key(self._link, key, self._ports()):
            return Missing("the tunnel service's key is to be withdrawn")
        return None

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        tell.say("closing the tunnel")
        ports = self._ports()
        self._book.forget(self._host.name)
        await withdraw_keys(self._link, self._book)
        await forget_tunnel(self._link, ports)

    def _ports(self) -> set[int]:
        """Return the ports that this site's tunnels have on the host; others may be another's."""
        wanted = self._book.wanted().get(self._host.name)
        return {self._work.config.host_registry_port, *([wanted.host_port] if wanted else [])}


async def withdraw_keys(link: HostConnection, book: TunnelStore) -> None:
    """Take the tunnel service's keys from a host, and from jump hosts that no other tunnel passes.

    Raises:
        HostError: one of them does not answer, or refuses.
    """
    keys = book.keys
    await withdraw_key(link, TUNNEL_MARK, keys.known(keys.tunnel))
    others = (tunnel for name, tunnel in book.wanted().items() if name != link.host.name)
    still_passed = {spec for tunnel in others for spec in tunnel.own_jumps}
    for spec, jump in link.jumps:
        if spec not in still_passed:
            await withdraw_key(jump, JUMP_MARK, keys.known(keys.jump))


class ImagesRemove(HostStep):
    """The names that Airferry gave, and the images that have no other, are gone."""

    step_id = "images.remove"
    title = "remove images"

    async def check(self, tell: Reporter) -> Missing | None:
        tell.say("asking for the images that were brought")
        if not await docker_answers(self._link):
            return None
        async with host_engine(self._link) as engine:
            names = await self._still_there(engine)
        return (
            Missing(f"{count(len(names), 'name is', 'names are')} to go: {some_of(names)}")
            if names
            else None
        )

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        tell.say("removing images")
        async with host_engine(self._link) as engine:
            for name in await self._still_there(engine):
                await engine.remove(name)
        await forget_brought(self._link, self._work.owner)

    async def _still_there(self, engine: HostEngine) -> list[str]:
        present = {name: image.image_id for image in await engine.images() for name in image.names}
        noted = await brought(self._link, self._work.owner)
        if not (await engine.facts()).ids_are_config_digests:
            return [name for name, _ in noted if name in present]
        return [name for name, image_id in noted if present.get(name) == image_id]


class DockerRestore(HostStep):
    """Docker's settings are without what Airferry added."""

    step_id = "docker.restore"
    title = "restore Docker's settings"

    async def check(self, tell: Reporter) -> Missing | None:
        tell.say("comparing Docker's settings")
        others = await other_sites(self._link, self._work.owner)
        if others:
            tell.found(f"Docker's settings stay: {sites_words(others)}")
            return None
        changed = await restore_daemon_json(self._link, dry=True)
        if changed or await trusted(self._link):
            return Missing("daemon.json and certificates are to be as they were")
        if await given_logins(self._link):
            return Missing("the registry's login is to be taken away")
        return None

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        await restore_daemon_json(self._link)
        await distrust(self._link, await trusted(self._link))
        logins = await given_logins(self._link)
        if logins:
            await withdraw_logins(self._link, logins)


class DockerRemove(HostStep):
    """The Docker that Airferry installed is gone; one that was there before stays."""

    step_id = "docker.remove"
    title = "remove Docker"

    async def check(self, tell: Reporter) -> Missing | None:
        tell.say("asking whose Docker it is")
        others = await other_sites(self._link, self._work.owner)
        if others:
            tell.found(f"Docker stays: {sites_words(others)}")
            return None
        if await docker_is_ours(self._link):
            return Missing("Docker is to be removed; what it stores stays in /var/lib/docker")
        tell.found("no Docker that Airferry installed")
        return None

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        tell.say("removing Docker")
        await remove_docker(self._link)


def sites_words(sites: list[str]) -> str:
    """Return whose host it is besides, for people."""
    return f"another site needs them (hostRegistryPort {', '.join(sites)})"
