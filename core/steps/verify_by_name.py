"""Whether a host's Docker gets from the registry what the cluster will ask it for, by that name.

What is in the cache would hide a Docker that does not speak with the registry any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Protocol

from core.bundle.model import Bundle
from core.cluster.names import digest_of
from core.config import Mode
from core.errors import DockerFailed, DockerGone, TunnelDown
from core.hosts.ssh.connection import HostConnection
from core.hosts.tunnel.store import registry_behind
from core.registry.api.client import SITE_HEADER
from core.registry.imports.equivalence import filed_otherwise
from core.secrets import RegistryLogin
from core.steps.base import Missing, Reporter
from core.steps.work import Work
from core.words import count, some_of


class Asks(Protocol):
    """An engine that can be told to ask a registry."""

    async def registry_digest(self, name: str, login: RegistryLogin | None = None) -> str:
        """Return what the registry has under a name."""
        ...


async def lacks_by_name(
    work: Work, link: HostConnection, engine: Asks, tell: Reporter
) -> Missing | None:
    """Return what a host does not get of the site's registry; None if it gets all.

    Raises:
        TunnelDown: the tunnel was lost meanwhile.
        HostError: the host cannot be asked.
        RegistryError: the registry cannot be asked for the login that it wants.
    """
    host, port = link.host.name, work.config.host_registry_port
    if not await _way_is_open(work, link):
        return Missing(
            f"the registry does not answer on port {port} of {host}",
            remedy="See: airferry tunnels status, airferry registry status",
        )
    bundles = await work.bundles()
    digests = {
        reference.at(work.config.name_prefix): digest_of(bundle, reference)
        for bundle in bundles
        for reference in bundle.references
    }
    login = await work.pull_login()
    tell.say(f"having Docker ask for {count(len(digests), 'name')}")
    missing = await wrong_answers(engine, digests, login)
    if missing is not None and (others := await _filed_otherwise(work, bundles)):
        tell.say("asking again where the registry has the same images encoded otherwise")
        missing = await wrong_answers(engine, {**digests, **others}, login)
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


async def wrong_answers(
    engine: Asks, digests: Mapping[str, str], login: RegistryLogin | None = None
) -> Missing | None:
    """Have an engine ask for every name; return what it is not told right.

    Args:
        engine: The engine.
        digests: What is to be there by name; empty where any will do.
        login: What the registry asks for.

    Raises:
        HostError: the engine cannot be asked.
    """
    asked = await asyncio.gather(
        *(engine.registry_digest(name, login) for name in digests), return_exceptions=True
    )
    refused: dict[str, DockerFailed] = {}
    for name, answer in zip(digests, asked, strict=True):
        if isinstance(answer, DockerFailed) and not isinstance(answer, DockerGone):
            refused[name] = answer
        elif isinstance(answer, BaseException):
            raise answer
    if refused:
        why = next(iter(refused.values())).what
        return Missing(
            f"Docker cannot pull {some_of(list(refused))}: {why}",
            remedy="Run: airferry import. If it stays, look at the proxies and the "
            "insecure-registries of the host's Docker (docker info).",
        )
    wrong = [n for n, found in zip(digests, asked, strict=True) if digests[n] not in ("", found)]
    if wrong:
        return Missing(
            f"the registry has other images as {some_of(wrong)}", remedy="Run: airferry import"
        )
    return None


async def _way_is_open(work: Work, link: HostConnection) -> bool:
    """Whether the registry of this machine answers through the tunnel; there may be none."""
    if work.config.mode is not Mode.DU:
        return True
    found = await registry_behind(link, work.config.host_registry_port, SITE_HEADER)
    return found == work.server.site_id()
