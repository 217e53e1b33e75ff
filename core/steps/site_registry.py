"""Steps on a host about the site's own registry (mode custom): the way to it, and its login."""

from __future__ import annotations

from core.errors import HostForwardingForbidden
from core.hosts.docker_login import PATH, give_login, has_login
from core.hosts.site_registry import ask_registry_from
from core.steps.base import Missing, Teller, VerifyStep
from core.steps.targets import HostStep


class RegistryFromHost(HostStep, VerifyStep):
    """The site's registry answers when it is asked from the host, and its certificate holds."""

    step_id = "registry.reach"
    title = "registry"

    async def check(self, tell: Teller) -> Missing | None:
        config, registry = self._work.config, self._work.registry.address
        tell.say(f"asking {registry} from the host")
        try:
            await ask_registry_from(
                self._link, registry, ca=config.registry_ca, tls=not config.registry_insecure
            )
        except HostForwardingForbidden as error:
            tell.warn(
                f"{error.what}, so whether the host reaches {registry} shows only when it pulls"
            )
            return None
        tell.found(f"{registry} answers")
        return None


class DockerLogin(HostStep):
    """Root's Docker on the host keeps the registry's login, because the config asks for that."""

    step_id = "docker.login"
    title = "registry login"

    async def check(self, tell: Teller) -> Missing | None:
        registry = self._work.registry.address
        login = await self._work.pull_login()
        if login is None:
            tell.found(f"{registry} needs no login")
            return None
        tell.say("looking for the registry's login")
        if await has_login(self._link, registry, login):
            return None
        if self._work.dry:
            tell.warn(
                f"{self._host.name}: the registry's login is to be kept in {PATH}: whoever is "
                "root there can read it (privateRegistryHostLogin)"
            )
        return Missing(f"login of {login.user} in {PATH}")

    async def apply(self, missing: Missing, tell: Teller) -> None:
        tell.say("giving root's Docker the login")
        login = await self._work.pull_login()
        if login:
            tell.log(f"given: {missing.what}")
            await give_login(self._link, self._work.registry.address, login)
