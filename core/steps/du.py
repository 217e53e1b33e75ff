"""Steps on the DU: the registry and the tunnel service run, the registry has everything."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace

from core.config import Mode
from core.errors import AirferryError, DuUnfit, RegistryError, RegistryFull, RegistryPortTaken
from core.files import nearest_directory
from core.hosts.preflight import release_findings
from core.hosts.tunnel.control import is_running, tunnel_service
from core.hosts.tunnel.store import Tunnel
from core.registry.api.client import RegistryClient
from core.registry.content.staging import STAGE
from core.registry.imports.publish import lacks_of_names
from core.secrets import RegistryLogin
from core.service import ServiceFailed
from core.steps.base import Missing, Reporter, VerifyStep
from core.steps.disk_space import registry_bytes
from core.steps.targets import DuStep, comes_true
from core.steps.work import Work
from core.telling import FOLLOW, FOR_THIS_RUN, RESTARTS, room_fact
from core.threads import in_thread
from core.versions import newest, release_in
from core.words import count, some_of

START_TIMEOUT_S = 60.0
IMPORT_REMEDY = "Run: airferry import. What is there is not sent again."


class DuPreflight(DuStep, VerifyStep):
    """Nothing about this machine would stop the job later."""

    step_id = "preflight"
    title = "this machine"

    async def check(self, tell: Reporter) -> Missing | None:
        tell.say("looking at this machine")
        problems = [*self._registry_problems(), *self._room_problems(tell), *self._releases(tell)]
        if len(problems) == 1:
            raise problems[0]
        if problems:
            raise DuUnfit(
                "; ".join(problem.what for problem in problems),
                remedy=" ".join(dict.fromkeys(problem.remedy for problem in problems)),
            )
        return None

    def _registry_problems(self) -> Iterator[AirferryError]:
        yield from self._foreign_services()
        if self._work.config.mode is Mode.CUSTOM:
            return
        server = self._work.server
        required = [server.require_startable]
        if not self._work.reconfigures:
            required.append(server.require_in_place)
        for require in required:
            try:
                require()
            except RegistryError as error:
                yield error

    def _foreign_services(self) -> Iterator[AirferryError]:
        """Yield an error where services of this machine belong to another state directory."""
        config = self._work.config
        foreign = self._work.server.foreign_state() or tunnel_service(config).foreign_state()
        if foreign:
            yield DuUnfit(
                f"this machine runs the services of another site (stateDir is now "
                f"{config.state_dir}): {foreign}",
                remedy="Set stateDir back to what it was. For a new site, end the old one first, "
                "with its own config: airferry tunnels stop, airferry registry stop.",
            )

    def _room_problems(self, tell: Reporter) -> Iterator[AirferryError]:
        """Yield what there is to say of the room for those bundles that were never imported."""
        work = self._work
        if work.config.mode is Mode.CUSTOM:
            return
        readable = [file for file in work.files if file not in work.unopened]
        fresh = [f for f in readable if not ((known := work.known(f)) and known.imported)]
        needed = sum(registry_bytes(file) for file in fresh)
        directory = work.config.registry_dir
        free = shutil.disk_usage(nearest_directory(directory)).free
        if work.dry:
            tell.facts([room_fact(free - needed, str(directory))])
        if needed > free:
            yield RegistryFull(
                f"{directory} has {free / 1e9:.1f} GB free; "
                f"{count(len(fresh), 'bundle needs', 'bundles need')} about "
                f"{needed / 1e9:.1f} GB"
            )

    def _releases(self, tell: Reporter) -> Iterator[AirferryError]:
        """Yield an error for a site that is too old for a registry (modes du and custom)."""
        config = self._work.config
        if config.mode is Mode.NONE:
            return
        release = config.release or newest(release_in(file.name) for file in self._work.files)
        for finding in release_findings(release, "the site has release"):
            if finding.fatal:
                yield DuUnfit(finding.what, remedy=finding.remedy)
            else:
                tell.warn(finding.warning)


class RegistryServe(DuStep):
    """The DU's registry runs with the config's port and directory."""

    step_id = "registry.serve"
    title = "registry"
    heals = True

    async def check(self, tell: Reporter) -> Missing | None:
        tell.say(f"asking {self._work.server.address}")
        status = await self._work.ask_registry(self._work.server.status)
        if status.running and not status.ours and status.pid is None:
            raise RegistryPortTaken(f"another program answers at {status.address}")
        if not status.ours and status.pid is not None and (served := self._work.server.served()):
            return Missing(
                f"the registry {RESTARTS}: from {served.address} to {status.address}; hosts cannot "
                "pull meanwhile"
            )
        if not status.ours:
            return Missing(f"the registry does not run at {status.address}")
        if not self._fits():
            return Missing(f"the registry at {status.address} {RESTARTS} with other settings")
        tell.found(f"runs at {status.address}")
        return None

    def _fits(self) -> bool:
        server = self._work.server
        return server.settings_fit() and not server.is_for_one_run

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        tell.say("starting the registry")
        await in_thread(self._work.server.start)


class RegistryForRun(RegistryServe):
    """The DU's registry runs for as long as this run does (mode none), which opens it by asking.

    So nothing is missing where it does not run, as nothing is missing where no connection to a
    host is open yet; and a dry run, which asks for nothing in it, leaves it closed.
    """

    async def check(self, tell: Reporter) -> Missing | None:
        if not self._work.dry:
            missing = await super().check(tell)
            if missing is not None:
                self._require_no_lasting_one()
                tell.say("starting the registry")
                await in_thread(self._work.server.start_for_one_run)
        tell.found(FOR_THIS_RUN)
        return None

    def _fits(self) -> bool:
        return self._work.server.settings_fit()

    def _require_no_lasting_one(self) -> None:
        """Refuse to restart, for one run only, what mode du left running for its hosts."""
        server = self._work.server
        served = server.served()
        if served and server.is_installed and not server.is_for_one_run:
            raise DuUnfit(
                f"the registry of mode du still runs at {served.address}, storing in "
                f"{served.directory}; registryPort or registryDir were changed as well",
                remedy="Set these two back, run: airferry reconfigure; then change them.",
            )


class RegistryReach(DuStep, VerifyStep):
    """The site's own registry (mode custom) answers, and the login may do what is to be done.

    Args:
        work: The run.
        push: Something is to be put into it.
    """

    step_id = "registry.reach"
    title = "registry"

    def __init__(self, work: Work, *, push: bool) -> None:
        super().__init__(work)
        self.pushes = push

    async def check(self, tell: Reporter) -> Missing | None:
        tell.say(f"asking {self._work.registry.address}")
        login = await self._work.ask_registry(self._look)
        if login is None:
            tell.found("no login is needed")
        else:
            who = login.user or "an identity token"
            tell.found(f"login of {who} ({login.source}), may pull{' and push' * self.pushes}")
        return None

    def _look(self, client: RegistryClient) -> RegistryLogin | None:
        client.site_id()
        client.require_rights(STAGE, push=self.pushes)
        return client.login()


class RegistryVerify(DuStep, VerifyStep):
    """Every tag, manifest and blob of the bundles is in the registry."""

    step_id = "registry.verify"
    title = "verify registry"

    async def check(self, tell: Reporter) -> Missing | None:
        bundles = await self._work.bundles()
        unread = [bundle.name for bundle in bundles if not bundle.imported and bundle.images]
        if unread:
            return Missing(f"not imported yet: {some_of(unread)}", remedy=IMPORT_REMEDY)
        tell.say(f"asking for every blob of {count(len(bundles), 'bundle')}")
        lacks = await self._work.ask_registry(
            lambda client: [lack for bundle in bundles for lack in lacks_of_names(bundle, client)]
        )
        if not lacks:
            images = count(sum(len(bundle.images) for bundle in bundles), "image")
            left = self._work.left_out()
            tell.particulars(left)
            but = f"; {len(left)} left out" if left else ""
            tell.found(f"{images}, every tag, manifest and blob is there{but}")
            return None
        names = sorted({lack.name for lack in lacks})
        return Missing(
            f"the registry lacks {count(len(lacks), 'part')} of {some_of(names)}",
            sum(lack.size_bytes for lack in lacks),
            IMPORT_REMEDY,
        )


class TunnelsServe(DuStep):
    """The service that keeps the tunnels runs."""

    step_id = "tunnels.serve"
    title = "tunnel service"
    heals = True

    async def check(self, tell: Reporter) -> Missing | None:  # noqa: ARG002
        if not is_running(self._work.config.state_dir):
            return Missing("the tunnel service does not run")
        stale = self._stale()
        if stale:
            names = some_of([tunnel.host.name for tunnel in stale])
            return Missing(f"tunnels are to {FOLLOW} to its new port: {names}")
        return None

    def _stale(self) -> list[Tunnel]:
        """Return the tunnels that lead to a port where the registry was before."""
        port, wanted = self._work.config.registry_port, self._work.tunnels.wanted()
        return [tunnel for tunnel in wanted.values() if tunnel.registry_port != port]

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        for tunnel in self._stale():
            self._work.tunnels.want(replace(tunnel, registry_port=self._work.config.registry_port))
        if is_running(self._work.config.state_dir):
            return
        tell.say("starting the tunnel service")
        service = tunnel_service(self._work.config)
        await in_thread(service.start)
        if not await comes_true(self._runs, START_TIMEOUT_S):
            raise ServiceFailed(
                "the tunnel service does not start",
                remedy=f"Look at {service.log_path} (journalctl -u {service.name} under systemd).",
            )

    async def _runs(self) -> bool:
        return is_running(self._work.config.state_dir)
