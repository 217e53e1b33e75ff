"""What the steps of one run share: the config, the bundles, the connections."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from core.bundle import (
    Bundle,
    BundleFile,
    Catalogue,
    Reference,
    list_bundle,
    without_collisions,
)
from core.config import Config, HostConfig, Mode
from core.errors import Cancelled
from core.hosts.connection import HostLink, trust_of
from core.hosts.facts import Facts
from core.registry import IngestOptions, RegistryClient, RegistryServer, registry_client
from core.threads import in_thread

CONNECTS_AT_ONCE = 8
T = TypeVar("T")


@dataclass(frozen=True)
class ImportOptions:
    """How a run deals with bundles; see `RunRequest`."""

    keep_going: bool = False
    later_wins: bool = False
    recompress: bool = False
    name: Reference | None = None


@dataclass
class Work:
    """The shared state of a run.

    Args:
        config: The site.
        files: The bundles that this run is about.
        dry: Nothing will be applied; then bundles that were never read are listed instead.
        accept_new_keys: Host keys never seen before are accepted and noted.
        options: How it deals with bundles.
    """

    config: Config
    files: tuple[BundleFile, ...]
    dry: bool = False
    accept_new_keys: bool = False
    options: ImportOptions = field(default_factory=ImportOptions)
    stop: threading.Event = field(default_factory=threading.Event)
    facts: dict[str, Facts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.catalogue = Catalogue(self.config.state_dir)
        self.server = RegistryServer(self.config)
        self.registry = registry_client(self.config)
        self._listing = asyncio.Lock()
        self._known: dict[BundleFile, Bundle] = {}
        gate = asyncio.Semaphore(CONNECTS_AT_ONCE)
        trust = trust_of(self.config.ssh, self.config.state_dir, accept_new=self.accept_new_keys)
        self._links = {
            host.name: HostLink(host, self.config.ssh, trust, gate) for host in self.config.hosts
        }

    @property
    def ingest_options(self) -> IngestOptions:
        """How layers are read and sent."""
        return IngestOptions(
            self.options.recompress, self.options.keep_going, self.config.compression_level
        )

    def link(self, host: HostConfig) -> HostLink:
        """Return the connection to a host."""
        return self._links[host.name]

    async def ask_registry(self, work: Callable[[RegistryClient], T]) -> T:
        """Run something with the registry in a thread; a cancel ends it, whatever it waits for."""

        def guarded() -> T:
            with self.registry.ended_by(self.stop):
                return work(self.registry)

        return await in_thread(guarded, self.stop)

    def known(self, file: BundleFile) -> Bundle | None:
        """Return what is known of a bundle, if anything is."""
        if file not in self._known:
            found = self.catalogue.find(file)
            if found is None:
                return None
            if self.options.name and file in self.files:
                found = found.named(self.options.name)
            self._known[file] = found
        return self._known[file]

    def keep(self, file: BundleFile, bundle: Bundle) -> Bundle:
        """Note what a bundle holds, and return it (with the name that it was given)."""
        if self.options.name:
            bundle = bundle.named(self.options.name)
        self.catalogue.keep(file, bundle)
        self._known[file] = bundle
        return bundle

    async def bundle(self, file: BundleFile) -> Bundle:
        """Return what is known of a bundle; it is listed first where nothing is.

        Raises:
            BundleError: it cannot be read.
        """
        async with self._listing:
            known = self.known(file)
            if known is None:
                listed = await in_thread(lambda: list_bundle(file, self._go_on), self.stop)
                known = self.keep(file, listed)
            return known

    async def bundles(self) -> list[Bundle]:
        """Return all bundles of this run, each name with one of them only.

        Raises:
            NameCollision: two different images would get the same name.
        """
        for file in self.files:
            await self.bundle(file)
        return list(self.known_bundles().values())

    def known_bundles(self) -> dict[BundleFile, Bundle]:
        """Return those bundles of which something is known, each name with one of them only.

        Raises:
            NameCollision: two different images would get the same name.
        """
        found = {
            file: bundle
            for file in sorted(self.files, key=lambda file: file.name)
            if (bundle := self.known(file)) is not None
        }
        later_wins = self.options.later_wins or self.config.later_bundle_wins
        cleared = without_collisions(
            list(found.values()), self._name_on_site, later_wins=later_wins
        )
        return dict(zip(found, cleared, strict=True))

    def _name_on_site(self, reference: Reference) -> str:
        if self.config.mode is Mode.NONE:
            return reference.familiar
        return f"{reference.site_repository}:{reference.tag}"

    def _go_on(self) -> None:
        if self.stop.is_set():
            raise Cancelled("the run was ended")

    async def close(self) -> None:
        """Close every connection."""
        for link in self._links.values():
            await link.close()
        self.registry.close()
