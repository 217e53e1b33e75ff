"""Whether a host's Docker gets from the registry what the cluster will ask it for, by that name.

What is in the cache would hide a Docker that does not speak with the registry any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Protocol

from core.bundle.model import Bundle
from core.cluster.names import digest_of
from core.config import Mode
from core.errors import AirferryError, DockerFailed, ImageUnknown, PullDenied, TunnelDown
from core.hosts.docker.engine import PULLS_AT_ONCE
from core.hosts.ssh.connection import HostConnection
from core.hosts.tunnel.store import registry_behind
from core.registry.api.client import SITE_HEADER
from core.registry.imports.equivalence import filed_otherwise
from core.secrets import RegistryLogin
from core.steps.asked_again import really_refused
from core.steps.base import Missing, Reporter
from core.steps.work import Work
from core.words import count, some_of


class Asks(Protocol):
    """An engine that can be told to ask a registry."""

    async def registry_digest(self, name: str, login: RegistryLogin | None = None) -> str:
        """Return what the registry has under a name."""
        ...


async def lacks_by_name(
    work: Work,
    link: HostConnection,
    engine: Asks,
    tell: Reporter,
    answers: MutableMapping[str, str],
) -> Missing | None:
    """Return what a host does not get of the site's registry; None if it gets all.

    Args:
        work: The run.
        link: The host.
        engine: Its engine.
        tell: Told what is done.
        answers: What it was told, by name: not asked again when the line was lost in between.

    Raises:
        TunnelDown: the registry does not answer through the tunnel, or not any more.
        HostError: the host cannot be asked.
        RegistryError: the registry cannot be asked for the login that it wants.
    """
    host, port = link.host.name, work.config.host_registry_port
    if not await _way_is_open(work, link):
        raise TunnelDown(f"{host}: the registry does not answer on its port {port}")
    bundles = await work.bundles()
    prefix = work.config.name_prefix
    references = {ref.at(prefix): (ref, bundle) for bundle in bundles for ref in bundle.references}
    digests = {name: digest_of(bundle, ref) for name, (ref, bundle) in references.items()}

    async def really(name: str, refusal: DockerFailed) -> DockerFailed:
        return await really_refused(work, references[name][0], refusal)

    login = await work.pull_login()
    tell.say(f"having Docker ask for {count(len(digests), 'name')}")
    asked = Question(engine, login, answers, really)
    missing = await asked.wrong_answers(digests)
    if missing is not None and (others := await _filed_otherwise(work, bundles)):
        tell.say("asking again where the registry has the same images encoded otherwise")
        missing = await asked.wrong_answers({**digests, **others})
    if missing is not None:
        answers.clear()
    if missing is not None and not await _way_is_open(work, link):
        raise TunnelDown(f"{host}: the tunnel was lost while Docker asked for names")
    return missing


async def _filed_otherwise(work: Work, bundles: Iterable[Bundle]) -> dict[str, str]:
    """Return what the registry has in place of the bundles' own manifests, by name."""
    names = {
        reference.at(work.config.name_prefix): (
            (reference.site_repository, reference.tag),
            (digest_of(bundle, reference), images),
        )
        for bundle in bundles
        for reference, images in bundle.references.items()
    }
    found = await work.ask_registry(lambda client: filed_otherwise(client, dict(names.values())))
    return {name: found[where] for name, (where, _) in names.items() if where in found}


class Question:
    """What an engine is asked of a registry, name by name.

    Args:
        engine: The engine.
        login: What the registry asks for.
        answers: The digests that it was told, by name; those are not asked for again.
        really: Returns what a refusal of a name really is.
    """

    def __init__(
        self,
        engine: Asks,
        login: RegistryLogin | None,
        answers: MutableMapping[str, str],
        really: Callable[[str, DockerFailed], Awaitable[DockerFailed]],
    ) -> None:
        self._engine = engine
        self._login = login
        self._answers = answers
        self._really = really
        self._gate = asyncio.Semaphore(PULLS_AT_ONCE)

    async def wrong_answers(self, digests: Mapping[str, str]) -> Missing | None:
        """Have the engine ask for every name; return what it is not told right.

        Args:
            digests: What is to be there by name; empty where any will do.

        Raises:
            AirferryError: the engine, or the registry, cannot be asked; what was answered until
                then is kept.
        """
        self._lost: AirferryError | None = None
        self._refused: dict[str, DockerFailed] = {}
        async with asyncio.TaskGroup() as group:
            for name in digests:
                group.create_task(self._ask(name))
        for name, refusal in self._refused.items():
            real = refusal
            if isinstance(refusal, PullDenied | ImageUnknown):
                real = await self._really(name, refusal)
            if real.transient:
                self._lost = self._lost or real
                continue
            return Missing(
                f"Docker cannot pull {some_of(list(self._refused))}: {real.what}",
                remedy="Run: airferry import. If it stays, look at the proxies and the "
                "insecure-registries of the host's Docker (docker info).",
            )
        if self._lost:
            raise self._lost
        wrong = [n for n in digests if digests[n] not in ("", self._answers[n])]
        if wrong:
            return Missing(
                f"the registry has other images as {some_of(wrong)}", remedy="Run: airferry import"
            )
        return None

    async def _ask(self, name: str) -> None:
        """Ask for one name, unless the line is lost, or the answer is there."""
        async with self._gate:
            if self._lost or name in self._answers:
                return
            try:
                self._answers[name] = await self._engine.registry_digest(name, self._login)
            except AirferryError as error:
                if error.transient:
                    self._lost = self._lost or error
                elif isinstance(error, DockerFailed):
                    self._refused[name] = error
                else:
                    raise


async def _way_is_open(work: Work, link: HostConnection) -> bool:
    """Whether the registry of this machine answers through the tunnel; there may be none."""
    if work.config.mode is not Mode.DU:
        return True
    found = await registry_behind(link, work.config.host_registry_port, SITE_HEADER)
    return found == work.server.site_id()
