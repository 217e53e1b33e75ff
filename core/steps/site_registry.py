"""Steps on a host about the site's own registry (mode custom): the way to it, and its login."""

from __future__ import annotations

from urllib.parse import urlsplit

from core.errors import HostForwardingForbidden
from core.hosts.docker.registry_login import PATH, give_login, has_login
from core.hosts.site_registry import Server, ask_registry_from, ask_server_from
from core.registry.api.challenge import challenges_in, scheme_of
from core.steps.base import Missing, Reporter, VerifyStep
from core.steps.targets import HostStep
from core.warnings import LOGIN_KEPT, REGISTRY_UNASKED


class RegistryFromHost(HostStep, VerifyStep):
    """The site's registry answers when it is asked from the host, and its certificate holds.

    So does the token server that it names: the host's Docker gets its tokens there itself.
    """

    step_id = "registry.reach"
    title = "registry"

    async def check(self, tell: Reporter) -> Missing | None:
        config, address = self._work.config, self._work.registry.address
        registry = Server(address, config.registry_ca, not config.registry_insecure)
        tell.say(f"asking {address} from the host")
        try:
            challenges = challenges_in(await ask_registry_from(self._link, registry))
            for realm in dict.fromkeys(c.parameters.get("realm", "") for c in challenges):
                await self._ask_token_server(realm)
        except HostForwardingForbidden as error:
            what = error.what.removeprefix(f"{self._host.name}: ")
            tell.warn(REGISTRY_UNASKED.of(what=what, registry=address))
            return None
        tell.found(f"{address} answers")
        return None

    async def _ask_token_server(self, realm: str) -> None:
        """Ask what a challenge names as its realm, if that is a server of its own."""
        if scheme_of(realm) not in ("http", "https"):
            return
        where = urlsplit(realm)
        what = f"the token server of the registry {self._work.registry.address},"
        ca, tls = self._work.config.registry_ca, where.scheme == "https"
        server = Server(where.netloc.rpartition("@")[2], ca, tls, what)
        await ask_server_from(self._link, server, where.path or "/")


class DockerLogin(HostStep):
    """Root's Docker on the host keeps the registry's login, because the config asks for that."""

    step_id = "docker.login"
    title = "registry login"

    async def check(self, tell: Reporter) -> Missing | None:
        registry = self._work.registry.address
        login = await self._work.pull_login()
        if login is None:
            tell.found(f"{registry} needs no login")
            return None
        tell.say("looking for the registry's login")
        if await has_login(self._link, registry, login):
            return None
        if self._work.dry:
            tell.warn(LOGIN_KEPT.of(path=PATH))
        return Missing(f"login of {login.user} in {PATH}")

    async def apply(self, missing: Missing, tell: Reporter) -> None:
        tell.say("giving root's Docker the login")
        login = await self._work.pull_login()
        if login:
            tell.log(f"given: {missing.what}")
            await give_login(self._link, self._work.registry.address, login)
