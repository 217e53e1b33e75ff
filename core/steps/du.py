"""Steps on the DU: the registry and the tunnel service run, the registry has everything."""

from __future__ import annotations

import sys

from core.config import Config
from core.errors import RegistryPortTaken
from core.registry import lacks_of_names
from core.service import Service
from core.steps.base import Missing, Teller, VerifyStep, some_of
from core.steps.targets import DuStep
from core.threads import in_thread

IMPORT_REMEDY = "Run: airferry import. What is there is not sent again."


class RegistryServe(DuStep):
    """The DU's registry runs with the config's port and directory."""

    step_id = "registry.serve"
    title = "registry"

    async def check(self, tell: Teller) -> Missing | None:
        tell.say(f"asking {self._work.server.address}")
        status = await self._work.ask_registry(self._work.server.status)
        if status.running and not status.ours and status.pid is None:
            raise RegistryPortTaken(f"another program answers at {status.address}")
        if not status.ours:
            return Missing(f"the registry does not run at {status.address}")
        if not self._work.server.settings_fit():
            return Missing(f"the registry at {status.address} runs with other settings")
        tell.found(f"runs at {status.address}")
        return None

    async def apply(self, missing: Missing, tell: Teller) -> None:  # noqa: ARG002
        tell.say("starting the registry")
        await in_thread(self._work.server.start)


class RegistryReach(DuStep, VerifyStep):
    """The site's own registry (mode custom) answers."""

    step_id = "registry.reach"
    title = "registry"

    async def check(self, tell: Teller) -> Missing | None:
        tell.say(f"asking {self._work.registry.address}")
        await self._work.ask_registry(lambda client: client.site_id())
        return None


class RegistryVerify(DuStep, VerifyStep):
    """Every tag, manifest and blob of the bundles is in the registry."""

    step_id = "registry.verify"
    title = "verify registry"

    async def check(self, tell: Teller) -> Missing | None:
        bundles = await self._work.bundles()
        unread = [bundle.name for bundle in bundles if not bundle.imported]
        if unread:
            return Missing(f"not imported yet: {some_of(unread)}", remedy=IMPORT_REMEDY)
        tell.say(f"asking for every blob of {len(bundles)} bundles")
        lacks = await self._work.ask_registry(
            lambda client: [lack for bundle in bundles for lack in lacks_of_names(bundle, client)]
        )
        if not lacks:
            images = sum(len(bundle.images) for bundle in bundles)
            tell.found(f"{images} images, every tag, manifest and blob is there")
            return None
        names = sorted({lack.name for lack in lacks})
        return Missing(
            f"the registry lacks {len(lacks)} parts of {some_of(names)}",
            sum(lack.size_bytes for lack in lacks),
            IMPORT_REMEDY,
        )


def tunnel_service(config: Config) -> Service:
    """Return the service that keeps this site's tunnels."""
    state_dir = config.state_dir
    return Service(
        name="airferry-tunnels",
        description="Airferry: tunnels from the hosts to the registry of this site",
        argv=(sys.executable, "-m", "core.hosts.tunnel_service", str(state_dir)),
        state_dir=state_dir,
    )


class TunnelsServe(DuStep):
    """The service that keeps the tunnels runs."""

    step_id = "tunnels.serve"
    title = "tunnel service"

    async def check(self, tell: Teller) -> Missing | None:  # noqa: ARG002
        if await in_thread(tunnel_service(self._work.config).pid) is None:
            return Missing("the tunnel service does not run")
        return None

    async def apply(self, missing: Missing, tell: Teller) -> None:  # noqa: ARG002
        tell.say("starting the tunnel service")
        await in_thread(tunnel_service(self._work.config).start)
