"""What the steps of one run share: the config, the bundles, the connections."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from core.bundle.catalogue import Catalogue, LayerIndex
from core.bundle.listing import list_bundle
from core.bundle.model import Bundle, BundleFile, Fault
from core.bundle.naming import Clash, Names, names_of
from core.bundle.reference import Reference
from core.config import Config, HostConfig, Mode, SshConfig, Warm, ensure_state_dir
from core.errors import BundleError, Cancelled
from core.files import write_atomically
from core.hosts.facts import Facts
from core.hosts.tunnel.store import Tunnel, TunnelStore
from core.pause import Pause
from core.registry.api.client import RegistryClient
from core.registry.imports.import_pass import IngestOptions
from core.registry.local.server import RegistryServer, has_program, registry_client
from core.secrets import NO_SECRETS, RegistryLogin, Secrets
from core.steps.looking import examine, left_out_of, was_whole
from core.telling import Detail
from core.threads import in_thread

if TYPE_CHECKING:
    from core.hosts.ssh.connection import ConnectionPool, HostConnection

CONNECTS_AT_ONCE = 8
T = TypeVar("T")


@dataclass(frozen=True)
class ImportOptions:
    """How a run deals with bundles; see `RunRequest`."""

    keep_going: bool = False
    later_wins: bool = False
    keep_source_registry: bool = False
    recompress: bool = False
    without_artifacts: bool = False
    name: Reference | None = None


@dataclass(frozen=True)
class Saving:
    """What a run that backs up or restores the registry was given; see `RunRequest`."""

    outdir: Path | None = None
    since: tuple[BundleFile, ...] = ()
    split_bytes: int = 0
    prune: bool = False


@dataclass
class Work:
    """The shared state of a run.

    Args:
        config: The site.
        files: The bundles that this run is about.
        dry: Nothing will be applied; then bundles that were never read are listed instead.
        accept_new_keys: Host keys never seen before are accepted and noted.
        compared_keys: Fingerprints of host keys that are accepted, beside those of the config.
        options: How it deals with bundles.
        unopened: Those of `files` that cannot even be opened, and why.
        secrets: What was typed to log in to the hosts.
        saving: How the registry is backed up or restored; then `files` are backups.
        generations: How many generations of bundles stay in the registry.
        going: Names of the registry, (repository, tag), that the run is about to delete.
        reconfigures: What an earlier config left is moved, or taken away, by this run.
        examines: Bundles are read whole, to tell all that would stop an import of them.
        machines: By what a machine is told, the first of its entries that was found fit.
        endings: Called when it is closed, however the run ended.
    """

    config: Config
    files: tuple[BundleFile, ...]
    dry: bool = False
    accept_new_keys: bool = False
    compared_keys: tuple[str, ...] = ()
    options: ImportOptions = field(default_factory=ImportOptions)
    unopened: Mapping[BundleFile, BundleError] = field(default_factory=dict)
    secrets: Secrets = NO_SECRETS
    saving: Saving = field(default_factory=Saving)
    generations: int = 0
    going: frozenset[tuple[str, str]] = frozenset()
    reconfigures: bool = False
    examines: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    pause: Pause = field(default_factory=Pause)
    facts: dict[str, Facts] = field(default_factory=dict)
    machines: dict[str, str] = field(default_factory=dict)
    endings: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.catalogue = Catalogue(self.config.state_dir)
        self.server = RegistryServer(self.config)
        self.registry = registry_client(self.config, self.secrets.registry)
        self.tunnels = TunnelStore(self.config.state_dir)
        self._listing = asyncio.Lock()
        self._told: set[str] = set()
        self._known: dict[BundleFile, Bundle] = {}
        self._read: set[BundleFile] = set()
        for file, error in self.unopened.items():
            self._read.add(file)
            self.refuse(file, [error])
        self._links: dict[str, HostConnection] = {}
        self._all_ways: list[ConnectionPool] = []

    def _make_ways(
        self, ssh: SshConfig, *, accept_new: bool = False, compared: tuple[str, ...] = ()
    ) -> ConnectionPool:
        from core.hosts.ssh.connection import (
            ConnectionPool,  # 0.15 s that a run without hosts has no use for
        )
        from core.hosts.ssh.host_keys import trust_of

        trust = trust_of(ssh, self.config.state_dir, accept_new=accept_new, compared=compared)
        ways = ConnectionPool(ssh, trust, self.secrets, CONNECTS_AT_ONCE)
        self._all_ways.append(ways)
        return ways

    @cached_property
    def _ways(self) -> ConnectionPool:
        return self._make_ways(
            self.config.ssh, accept_new=self.accept_new_keys, compared=self.compared_keys
        )

    @property
    def ingest_options(self) -> IngestOptions:
        """How layers are read and sent."""
        return IngestOptions(
            self.options.recompress,
            self.options.keep_going,
            self.config.compression_level,
            self.config.carry_artifacts and not self.options.without_artifacts,
        )

    @cached_property
    def owner(self) -> str:
        """What this site's notes on hosts are told by: the port that it had there first.

        Sites that share a host have different ones, and one that is made anew knows its own.
        """
        path = ensure_state_dir(self.config) / "owner"
        if not path.exists():
            write_atomically(path, str(self.config.host_registry_port))
        return path.read_text(encoding="ascii").strip()

    @cached_property
    def layers(self) -> LayerIndex:
        """The layers that the registry has confirmed, read once for all imports of the run."""
        return self.catalogue.layers()

    @property
    def for_this_run_only(self) -> bool:
        """Whether the DU's registry is there for the time of the run only (mode none)."""
        return self.config.mode is Mode.NONE and not self.loads

    @property
    def loads(self) -> bool:
        """Whether hosts get images by `docker load`: asked for, or there is nothing to pull from.

        A site without a registry of its own (mode none) has one for the time of a run, where the
        program for it is installed here.
        """
        config = self.config
        return config.warm is Warm.LOAD or (config.mode is Mode.NONE and not has_program())

    def is_news(self, text: str) -> bool:
        """Whether there is something to say that no other host of the run has said."""
        if not text or text in self._told:
            return False
        self._told.add(text)
        return True

    def link(self, host: HostConfig) -> HostConnection:
        """Return the connection to a host."""
        if host.name not in self._links:
            self._links[host.name] = self._ways.link(host)
        return self._links[host.name]

    def link_along(self, tunnel: Tunnel) -> HostConnection:
        """Return the connection to a host that the config does not have any more."""
        name = tunnel.host.name
        if name not in self._links:
            self._links[name] = self._make_ways(tunnel.ssh).link(tunnel.host)
        return self._links[name]

    @property
    def removed_hosts(self) -> list[Tunnel]:
        """The tunnels that are still kept to hosts which the config does not have any more."""
        known = {host.name for host in self.config.hosts}
        return [t for name, t in sorted(self.tunnels.wanted().items()) if name not in known]

    async def ask_registry(self, work: Callable[[RegistryClient], T]) -> T:
        """Run something with the registry in a thread; a cancel ends it, whatever it waits for."""

        def guarded() -> T:
            with self.registry.ended_by(self.stop):
                return work(self.registry)

        return await in_thread(guarded, self.stop)

    async def pull_login(self) -> RegistryLogin | None:
        """Return the login that hosts need to pull; None where the registry asks for none.

        Raises:
            RegistryError: the registry does not say, or the login is refused.
        """
        if self.config.mode is not Mode.CUSTOM:
            return None

        def ask(client: RegistryClient) -> RegistryLogin | None:
            if client.login() is None:
                client.site_id()
            return client.login()

        return await self.ask_registry(ask)

    def known(self, file: BundleFile) -> Bundle | None:
        """Return what is known of a bundle, if anything is."""
        if file not in self._known:
            found = self.catalogue.find(file)
            if found is None:
                return None
            self._known[file] = self._as_on_site(found)
        return self._known[file]

    def _as_on_site(self, bundle: Bundle) -> Bundle:
        """Return a bundle with the names that it has on this site, by config and options.

        Raises:
            BundleError: it is given a name that it cannot have.
        """
        kept = self.config.keep_source_registry or self.options.keep_source_registry
        if kept or self.config.keep_source_registry is False:
            bundle = bundle.keeping_registry(bool(kept))
        return bundle.named(self.options.name) if self.options.name else bundle

    def keep(self, file: BundleFile, bundle: Bundle) -> Bundle:
        """Note what a bundle holds, and return it (with the name that it was given)."""
        bundle = self._as_on_site(bundle)
        if bundle.imported and not bundle.imported_at:
            known = self.known(file)
            bundle = replace(bundle, imported_at=(known and known.imported_at) or time.time())
        self.catalogue.keep(file, bundle)
        self._known[file] = bundle
        return bundle

    def refuse(self, file: BundleFile, faults: Iterable[BundleError]) -> Bundle:
        """Note what is wrong with a bundle of which nothing is taken, and return what is known.

        What an earlier import took of it stays known: it is in the registry.
        """
        known, faults = self.known(file), list(faults)
        if known is None or not known.imported:
            noted = tuple(map(Fault.of, faults))
            known = Bundle(file.name, file.size_bytes, (), imported=False, faults=noted)
            # A stick that was pulled is no property of the bundle.
            lasts = all(type(fault) is not BundleError for fault in faults)
            if lasts and file not in self.unopened:
                self.catalogue.keep(file, known)
            self._known[file] = known
        return known

    async def bundle(
        self, file: BundleFile, say: Callable[[str], None] = lambda _: None, *, whole: bool = False
    ) -> Bundle:
        """Return what is known of a bundle; it is read first where too little is.

        What is wrong with it is among its faults.

        Args:
            file: The bundle.
            say: Told how far the reading is.
            whole: Every byte of it must have been read and found right, or its faults are known
                from this run; else it is enough to know what is in it.
        """
        whole = whole or self.examines
        async with self._listing:
            known = self.known(file)
            if known is not None and (not whole or file in self._read or known.imported):
                return known
            return await in_thread(lambda: self._looked_into(file, say, whole=whole), self.stop)

    def _looked_into(self, file: BundleFile, say: Callable[[str], None], *, whole: bool) -> Bundle:
        known = self.known(file)
        try:
            if known is not None and was_whole(file, known):
                return known
            if whole:
                found = examine(file, self.go_on_when_resumed, say)
            else:
                found = list_bundle(file, self.go_on_when_resumed)
            # An import may have come to its end meanwhile, and it knows more.
            known = self.known(file)
            return known if known and known.imported else self.keep(file, found)
        except BundleError as error:
            return self.refuse(file, [error])
        finally:
            self._read.add(file)

    async def bundles(self) -> list[Bundle]:
        """Return the bundles of this run that can be used, each name with one of them only."""
        return list((await self.usable()).values())

    async def usable(self) -> dict[BundleFile, Bundle]:
        """Return the same by their files; those are read first of which nothing is known."""
        for file in self.files:
            await self.bundle(file)
        return self.known_bundles()

    def known_bundles(self) -> dict[BundleFile, Bundle]:
        """Return those bundles that are known and can be used, each name with one of them only.

        Without `--keep-going` a bundle that is refused a name cannot be used, nor one with faults
        (but for what an earlier run has taken of it).
        """
        files, names = self._settled()
        return {
            file: bundle
            for file, bundle, clashes in zip(files, names.bundles, names.clashes, strict=True)
            if self._in_part(bundle) or not clashes
        }

    def _in_part(self, bundle: Bundle) -> bool:
        """Whether a part of a bundle will do: that is asked for, or was when it was imported."""
        return self.options.keep_going or bundle.imported

    def clashes(self, file: BundleFile) -> tuple[Clash, ...]:
        """Return the names that a bundle is refused, as far as the others are known."""
        files, names = self._settled()
        return names.clashes[files.index(file)] if file in files else ()

    def _settled(self) -> tuple[list[BundleFile], Names]:
        """Settle which of the bundles has which name: the one that was there first.

        (Of those that are not there yet, the first of the run.)
        """
        later_wins = self.options.later_wins or self.config.later_bundle_wins
        known = {file: found for file in self.files if (found := self.known(file)) is not None}
        usable = {
            file: bundle
            for file, bundle in known.items()
            if self._in_part(bundle) or not bundle.faults
        }

        def since(file: BundleFile) -> float:
            return usable[file].imported_at if usable[file].imported else math.inf

        files = (
            sorted(usable, key=lambda file: file.name) if later_wins else sorted(usable, key=since)
        )
        return files, names_of(
            [usable[file] for file in files],
            self._name_on_site,
            later_wins=later_wins,
            in_part=self._in_part,
        )

    def left_out(self) -> list[Detail]:
        """Return what is known to be left out of the bundles of this run, and why."""
        return [one for file in self.files for one in self.left_out_of(file)]

    def left_out_of(self, file: BundleFile) -> list[Detail]:
        """Return what is left out of one bundle."""
        return left_out_of(file, self.known(file), self.clashes(file))

    def _name_on_site(self, reference: Reference) -> str:
        if self.config.mode is Mode.NONE and self.loads:
            return reference.familiar
        return f"{reference.site_repository}:{reference.tag}"

    def hold(self, say: Callable[[str], None] = lambda _: None) -> bool:
        """Wait in a thread while the run is held; False if it is not.

        Args:
            say: Told so, if there is something to wait for.

        Raises:
            Cancelled: the run is to end.
        """
        self.go_on()
        return self.pause.wait(self.go_on, say)

    def go_on_when_resumed(self) -> None:
        """Raise Cancelled when the run is to end; wait in a thread while it is held."""
        self.hold()

    def go_on(self) -> None:
        """Raise Cancelled when the run is to end."""
        if self.stop.is_set():
            raise Cancelled("the run was ended")

    async def close(self) -> None:
        """Close every connection, and what was opened for the time of the run only."""
        for ending in self.endings:
            await in_thread(ending)
        for link in self._links.values():
            await link.close()
        for ways in self._all_ways:
            await ways.close()
        self.registry.close()
        # One that mode du left running is not ours to stop: hosts may still pull from it.
        if self.for_this_run_only and not self.dry and self.server.is_for_one_run:
            await in_thread(self.server.stop)
