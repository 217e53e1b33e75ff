"""Steps that leave what an earlier config asked for and the present one does not.

They come last: the new way works on a host before the old one is taken from it, and works on all
hosts before what served the old way ends. What there is to leave is read where it is: in the
registry's settings, in the book of tunnels, and in the notes on the hosts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core.config import HostConfig, Mode
from core.errors import HostError, RegistryOnlyCopy
from core.hosts.docker.certificates import distrust, trusted
from core.hosts.docker.daemon_json import LOOPBACK, reduce_daemon_json, unwanted_in_daemon_json
from core.hosts.docker.registry_login import given_logins, withdraw_logins
from core.hosts.managed_state import brought
from core.hosts.tunnel import control as tunnel_control
from core.hosts.tunnel.keys import forget_tunnel
from core.hosts.tunnel.store import Tunnel
from core.registry.content.staging import STAGE
from core.registry.local.relocate import (
    Move,
    content_bytes,
    holds_content,
    leftover_of_removal,
    move_content,
    remove_content,
    require_movable,
    stored_names,
)
from core.service import ServiceFailed
from core.steps.base import DU, Missing, Need, Reporter, Step
from core.steps.clean import withdraw_keys
from core.steps.desired_images import wanted_names
from core.steps.du import START_TIMEOUT_S
from core.steps.targets import DuStep, HostStep, comes_true
from core.steps.work import Work
from core.telling import CONTAINERS_GO_ON, stays_fact
from core.threads import in_thread
from core.warnings import KEYS_LEFT, ONLY_COPY
from core.words import count, size, some_of


class RegistryMove(DuStep):
    """What the registry stores is in the directory that the config names."""

    step_id = "registry.move"
    title = "registry's content"

    async def check(self, tell: Reporter) -> Missing | None:
        tell.say("looking where the registry stores")
        move = self._work.server.move()
        if move is None:
            return None
        await in_thread(lambda: require_movable(self._work.config.state_dir, move))
        size_bytes = await in_thread(lambda: content_bytes(move.source))
        return Missing(f"from {move.source} to {move.target}", size_bytes)

    async def apply(self, missing: Missing, tell: Reporter) -> None:
        work, copied = self._work, 0

        def told(count: int) -> None:
            nonlocal copied
            copied += count
            tell.bytes(copied, max(copied, missing.size_bytes))

        def move_all() -> None:
            ran = work.server.stop()
            try:
                # A move that broke off comes first; the config may name another place by now.
                while (move := work.server.move()) is not None:
                    self._move(move, told)
            except BaseException:
                if ran:
                    work.server.start_as_it_was()  # hosts pull from it
                raise

        tell.say("moving the registry's content; hosts cannot pull meanwhile")
        await in_thread(move_all, work.stop)

    def _move(self, move: Move, told: Callable[[int], None]) -> None:
        server, work = self._work.server, self._work
        move_content(
            work.config.state_dir, move, lambda: server.store_in(move.target), work.go_on, told
        )


class DockerLeave(HostStep):
    """Docker has no settings of Airferry's for registries that the site does not use any more."""

    step_id = "docker.leave"
    title = "old settings"

    async def check(self, tell: Reporter) -> Missing | None:
        tell.say("looking for settings of earlier modes")
        if self._work.dry:
            await self._tell_names_that_stay(tell)
        gone = [*await self._entries(), *await self._certificates(), *await self._logins()]
        if not gone:
            return None
        named = [name for name in dict.fromkeys(gone) if name not in LOOPBACK]
        return Missing(f"Docker's settings for {some_of(named or gone)} ({CONTAINERS_GO_ON})")

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        tell.say("taking old settings away")
        entries, certificates = await self._entries(), await self._certificates()
        logins = await self._logins()
        if entries:
            await reduce_daemon_json(self._link, entries)
        if certificates:
            await distrust(self._link, certificates)
        if logins:
            await withdraw_logins(self._link, logins)

    async def _entries(self) -> list[str]:
        config = self._work.config
        custom = config.mode is Mode.CUSTOM
        named = [self._registry] if custom and config.registry_insecure else []
        return await unwanted_in_daemon_json(self._link, named, loopback=not custom)

    async def _logins(self) -> list[str]:
        config = self._work.config
        kept = [self._registry] if config.mode is Mode.CUSTOM and config.registry_host_login else []
        return [name for name in await given_logins(self._link) if name not in kept]

    async def _certificates(self) -> list[str]:
        config = self._work.config
        kept = [self._registry] if config.mode is Mode.CUSTOM and config.registry_ca else []
        return [name for name in await trusted(self._link) if name not in kept]

    @property
    def _registry(self) -> str:
        return self._work.config.registry_base.partition("/")[0]

    async def _tell_names_that_stay(self, tell: Reporter) -> None:
        """Tell, for the plan, of names that hosts keep though the new config does not use them."""
        wanted = {want.name for want in await wanted_names(self._work, self._host)}
        names = sorted(
            name for name, _ in await brought(self._link, self._work.owner) if name not in wanted
        )
        if names:
            what = f"{count(len(names), 'name')} of images, such as {names[0]}"
            tell.facts([stays_fact(f"{what} (host clean takes them away)")])


class TunnelDrop(Step):
    """No tunnel is kept to a host that is not in the config any more.

    The login to it is known from its tunnel. Where it does not answer the tunnel is given up all
    the same, and what stays there is told.
    """

    title = "tunnel of a removed host"

    def __init__(self, work: Work, tunnel: Tunnel) -> None:
        super().__init__(f"tunnel.drop:{tunnel.host.name}", DU)
        self._work = work
        self._tunnel = tunnel

    async def check(self, tell: Reporter) -> Missing | None:
        name = self._tunnel.host.name
        if name not in self._work.tunnels.wanted():
            return None
        if self._work.dry:
            what = f"what Airferry brought to {name} (host clean, before it leaves the config)"
            tell.facts([stays_fact(what)])
        return Missing(f"the tunnel to {name}, which is not in the config any more")

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        name, book = self._tunnel.host.name, self._work.tunnels
        tell.say(f"closing the tunnel to {name}")
        try:
            link = self._work.link_along(self._tunnel)
            await withdraw_keys(link, book)
            await forget_tunnel(link, [self._tunnel.host_port])
        except HostError as error:
            tell.warn(KEYS_LEFT.of(host=name, what=error.what))
        book.forget(name)
        tell.found(f"closed; {name} is not in the config any more")


class _Leaving(DuStep):
    """Ends something that served hosts, once none of them needs it.

    Args:
        work: The run.
        hosts: The hosts that are left in this run.
        needs: The last steps on these hosts.
    """

    def __init__(self, work: Work, hosts: list[str], needs: list[Need]) -> None:
        super().__init__(work)
        self.needs = tuple(needs)
        self._hosts = hosts

    def _still_served(self) -> list[str]:
        """Return the hosts that (will) have a tunnel still."""
        wanted = self._work.tunnels.wanted()
        left = self._hosts if self._work.dry else []
        return [name for name in sorted(wanted) if name not in left]

    def _goes_on(self, tell: Reporter) -> bool:
        names = self._still_served()
        if names:
            tell.found(f"goes on: {some_of(names)} still uses it")
        return bool(names)


class TunnelsStop(_Leaving):
    """The service that keeps the tunnels does not run where no tunnel is wanted."""

    step_id = "tunnels.stop"
    title = "tunnel service"

    async def check(self, tell: Reporter) -> Missing | None:
        state_dir = self._work.config.state_dir
        installed = tunnel_control.tunnel_service(self._work.config).is_installed
        if not installed and not tunnel_control.is_running(state_dir):
            return None
        if self._goes_on(tell):
            return None
        return Missing("the tunnel service, because no tunnel is wanted")

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        tell.say("stopping the tunnel service")
        state_dir = self._work.config.state_dir
        await in_thread(tunnel_control.tunnel_service(self._work.config).stop)
        tunnel_control.stop(state_dir)

        async def has_ended() -> bool:
            return not tunnel_control.is_running(state_dir)

        if not await comes_true(has_ended, START_TIMEOUT_S):
            raise ServiceFailed("the tunnel service does not end")


class RegistryStop(_Leaving):
    """The registry that mode du left does not run; what it stores stays."""

    step_id = "registry.stop"
    title = "stop registry"

    def __init__(
        self, work: Work, hosts: list[str], needs: list[Need], *, removes: bool = False
    ) -> None:
        super().__init__(work, hosts, needs)
        self._removes = removes

    async def check(self, tell: Reporter) -> Missing | None:
        server = self._work.server
        if not server.is_installed or server.is_for_one_run:
            return None
        if self._goes_on(tell):
            return None
        if not self._removes:
            await self._tell_what_stays(tell)
        served = server.served()
        address = served.address if served else server.address
        return Missing(f"the registry at {address} of this machine")

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        tell.say("stopping the registry")
        await in_thread(self._work.server.stop)

    async def _tell_what_stays(self, tell: Reporter) -> None:
        directory = stored_in(self._work)
        size_bytes = await in_thread(lambda: content_bytes(directory))
        what = f"the registry's content, {size(size_bytes)} in {directory}"
        tell.facts([stays_fact(f"{what} (--remove-registry removes it)")])
        alone = await only_there(self._work)
        if alone:
            tell.warn(
                ONLY_COPY.of(
                    names=count(len(alone), "name is", "names are"),
                    some=some_of(alone),
                    who=_WHERE_TO[self._work.config.mode],
                    remedy=RegistryOnlyCopy.remedy_text,
                )
            )


_WHERE_TO = {
    Mode.NONE: "Hosts that lack them do not get them.",
    Mode.CUSTOM: "The site's own registry does not get them.",
    Mode.DU: "",
}


class RegistryRemove(_Leaving):
    """What mode du's registry stored is removed, because that was asked for."""

    step_id = "registry.remove"
    title = "remove content"

    async def check(self, tell: Reporter) -> Missing | None:
        directory = stored_in(self._work)
        if not holds_content(directory) and not leftover_of_removal(directory):
            return None
        if self._goes_on(tell):
            return None
        alone = await only_there(self._work)
        if alone:
            raise RegistryOnlyCopy(
                f"{count(len(alone), 'name is', 'names are')} in {directory} and in no bundle of "
                f"imagesDir: {some_of(alone)}"
            )
        size_bytes = await in_thread(lambda: content_bytes(directory))
        return Missing(f"the registry's content in {directory} ({size(size_bytes)})")

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        tell.say("removing the registry's content")
        await in_thread(self._work.server.stop)
        await in_thread(lambda: remove_content(stored_in(self._work)))


def stored_in(work: Work) -> Path:
    """Return where the DU's registry stores, or would."""
    served = work.server.served()
    return served.directory if served else work.config.registry_dir


async def only_there(work: Work) -> list[str]:
    """Return the names that the DU's registry has and no bundle of this run gives."""
    bundles = await work.bundles()
    given = {
        f"{reference.site_repository}:{reference.tag}"
        for bundle in bundles
        for reference in bundle.references
    }
    stored = await in_thread(lambda: stored_names(stored_in(work)))
    return sorted(name for name in stored - given if not name.startswith(f"{STAGE}:"))


def leaving_hosts(work: Work, hosts: list[HostConfig]) -> list[str]:
    """Return the names of those whose tunnels end: hosts of the run, and removed ones."""
    left = [] if work.config.mode is Mode.DU else [host.name for host in hosts]
    return [*left, *(tunnel.host.name for tunnel in work.removed_hosts)]
