"""What the steps of one run share: the config, the bundles, the connections."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field

from core.bundle import Bundle, BundleFile, Catalogue, list_bundle
from core.config import Config, HostConfig, Mode
from core.hosts.connection import HostLink, trust_of
from core.hosts.facts import Facts
from core.registry import RegistryClient, RegistryServer, site_names
from core.threads import in_thread

CONNECTS_AT_ONCE = 8


@dataclass
class Work:
    """The shared state of a run.

    Args:
        config: The site.
        files: The bundles that this run is about.
        dry: Nothing will be applied; then bundles that were never read are listed instead.
        accept_new_keys: Host keys never seen before are accepted and noted.
    """

    config: Config
    files: tuple[BundleFile, ...]
    dry: bool = False
    accept_new_keys: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    facts: dict[str, Facts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.catalogue = Catalogue(self.config.state_dir)
        self.server = RegistryServer(self.config)
        self.listing = asyncio.Lock()
        gate = asyncio.Semaphore(CONNECTS_AT_ONCE)
        trust = trust_of(self.config.ssh, self.config.state_dir, accept_new=self.accept_new_keys)
        self._links = {
            host.name: HostLink(host, self.config.ssh, trust, gate) for host in self.config.hosts
        }
        self.registry = _client(self.config, self.server)

    def link(self, host: HostConfig) -> HostLink:
        """Return the connection to a host."""
        return self._links[host.name]

    async def bundle(self, file: BundleFile) -> Bundle:
        """Return what is known of a bundle; it is listed first where nothing is.

        Raises:
            BundleError: it cannot be read.
        """
        async with self.listing:
            known = self.catalogue.find(file)
            if known is None:
                known = await in_thread(lambda: list_bundle(file))
                self.catalogue.keep(file, known)
            return known

    async def bundles(self) -> list[Bundle]:
        """Return all bundles of this run.

        Raises:
            NameCollision: two different images would get the same name.
        """
        found = [await self.bundle(file) for file in self.files]
        if self.config.mode is not Mode.NONE:
            site_names(found)
        return found

    async def close(self) -> None:
        """Close every connection."""
        for link in self._links.values():
            await link.close()
        self.registry.close()


def _client(config: Config, server: RegistryServer) -> RegistryClient:
    if config.mode is not Mode.CUSTOM:
        return RegistryClient(server.address)
    address, _, prefix = config.registry_base.partition("/")
    return RegistryClient(
        address, prefix=prefix, insecure=config.registry_insecure, ca=config.registry_ca
    )
