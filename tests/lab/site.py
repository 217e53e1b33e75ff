"""The lab as a whole: started, found again, made fresh, removed."""

import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import (
    bundles,
    dockerrepo,
    fleet,
    hostkinds,
    keys,
    needs,
    network,
    rootfs,
    siteconfig,
)
from tests.lab.engine import Engine
from tests.lab.errors import LabError
from tests.lab.hostkind import HostKind
from tests.lab.hostkinds import Has
from tests.lab.labhost import LabHost
from tests.lab.lock import cache_lock, lab_lock
from tests.lab.paths import cache_directory, make_private, site_directory, write_private
from tests.lab.sitefiles import SiteFiles

DEFAULT_HOSTS = 3

Say = Callable[[str], None]


def keep_quiet(line: str) -> None:
    """Say nothing: the progress of a lab that a test starts is nobody's to read."""


@dataclass
class Site(SiteFiles):
    """A lab: its files, its engine and its hosts."""

    engine: Engine = field(repr=False)
    hosts: list[LabHost]

    @classmethod
    def load(cls) -> "Site":
        """Attach to the running lab.

        Raises:
            LabError: No lab runs.
        """
        site = cls._at_its_place()
        if not site.hosts or not site.engine.is_running():
            raise LabError("no lab runs; start one with: python -m tests.lab up")
        return site

    @classmethod
    def up(
        cls, hosts: int | None = None, say: Say = keep_quiet, has: Has | None = Has.NOTHING
    ) -> "Site":
        """Start a lab, or attach to it where it runs.

        What this call started is gone again if it fails.

        Args:
            hosts: How many hosts; without it as many as there are, or the usual few.
            say: Told what happens.
            has: What a new lab's hosts have; None for who resets them before they are used.

        Raises:
            NeedError: This machine cannot run a lab.
            LabError: A step failed, or a lab of another size runs.
        """
        needs.check_machine()
        if hosts is not None and not 1 <= hosts <= network.MOST_HOSTS:
            raise LabError(f"a lab has 1 to {network.MOST_HOSTS} hosts, not {hosts}")
        with lab_lock(say):
            site = cls._at_its_place()
            if site.record_path.is_file() and site.engine.is_running():
                if hosts not in (None, len(site.hosts)):
                    raise LabError(f"a lab of {len(site.hosts)} hosts is up; use `down` first")
                say("the lab is up already")
            else:
                site._make(hosts or DEFAULT_HOSTS, say, has)
                say("the lab is up")
        return site

    def reset_hosts(self, has: Has = Has.NOTHING, count: int = DEFAULT_HOSTS) -> None:
        """Replace every host by a fresh one: same names, addresses and keys.

        A lab whose dockerd does not do that is made anew: it is the tests' tool, not their subject.

        Args:
            has: What they have.
            count: How many there are from now on.
        """
        kind = hostkinds.ensure(self.engine, self, has)
        try:
            self._replace_hosts(kind, count)
        except LabError as error:
            print(f"the lab is made anew: {error}", file=sys.stderr)
            self.hosts.clear()
            self._make(count, keep_quiet, None)
            self._replace_hosts(hostkinds.ensure(self.engine, self, has), count)

    def _replace_hosts(self, kind: HostKind, count: int) -> None:
        fleet.remove_containers(self.engine)
        if count > DEFAULT_HOSTS:  # the others were known from the start
            write_private(self.known_hosts_path, fleet.known_hosts(self, count))
        self.hosts[:] = fleet.start_hosts(self.engine, count, self, kind)
        self.write_record(self.hosts)

    def down(self, say: Say = keep_quiet) -> None:
        """Remove the lab, and what Airferry keeps running for it on this machine.

        Args:
            say: Told what happens.
        """
        with lab_lock(say):
            siteconfig.stop_airferry(self.config_path, say)
            self._remove()

    @classmethod
    def _at_its_place(cls) -> "Site":
        directory = site_directory()
        engine = Engine(directory / "engine")
        entries = SiteFiles(directory).read_record()
        return cls(directory, engine, [LabHost(**entry, engine=engine) for entry in entries])

    def _make(self, count: int, say: Say, has: Has | None) -> None:
        if self.directory.exists():
            say("removing what a lab that died has left")
            self._remove()
        with cache_lock():
            installed = needs.install_missing()
        if installed:
            say(f"installed {', '.join(installed)}")
        needs.check_addresses()
        if needs.raise_limits():
            say(f"{needs.INOTIFY_INSTANCES} raised to {needs.INOTIFY_NEED}, for many hosts")
        with ExitStack() as undo:
            undo.callback(self._remove)
            self._start(count, say, has)
            undo.pop_all()

    def _start(self, count: int, say: Say, has: Has | None) -> None:
        make_private(self.directory)
        self.engine.start()
        say("engine runs")
        self._fill(say)
        keys.ensure_key(self.key_path, "airferry-lab")
        fleet.make_network(self.engine)
        write_private(self.known_hosts_path, fleet.known_hosts(self, count))
        siteconfig.write(self, count)
        if has is None:
            self.write_record(self.hosts)
        else:
            self.reset_hosts(has, count)
            say(f"{count} hosts are ready")

    def _fill(self, say: Say) -> None:
        """Bring in what all labs share: it is made by the first one that finds it missing."""
        cache = make_private(cache_directory())
        with cache_lock(), ThreadPoolExecutor(2) as pool:
            bundles_made = pool.submit(bundles.ensure, cache, self.engine)
            files = rootfs.ensure(cache)
            say("root file system is there")
            archives_made = pool.submit(dockerrepo.ensure, cache, files.package_status)
            archives, bundle_directory = archives_made.result(), bundles_made.result()
        self._copy(archives, bundle_directory)
        say("bundles and Docker archives are there")
        rootfs.import_tar(self.engine, files.tar, rootfs.IMAGE)

    def _copy(self, archives: dockerrepo.DockerArchives, bundle_directory: Path) -> None:
        make_private(self.images_dir)
        beside = (archives.repository, archives.bare, bundle_directory / bundles.EXPECTED_NAME)
        for source in {*beside, *bundle_directory.iterdir()}:
            target = self.directory if source in beside else self.images_dir
            shutil.copy2(source, target / source.name)  # a bundle is known by its time, too

    def _remove(self) -> None:
        """Remove hosts, network, engine and directory, whatever of them is there."""
        if self.engine.directory.is_dir():
            try:
                self._empty_engine()
            except LabError:  # it hangs
                self.engine.end()
                self._empty_engine()
        self.engine.stop()
        network.remove_bridge()
        if self.directory.is_dir():
            shutil.rmtree(self.directory)

    def _empty_engine(self) -> None:
        """Remove hosts and network; an engine that died has left them, and finds them again."""
        if not self.engine.is_running():
            self.engine.start()
        fleet.remove_containers(self.engine)
        fleet.remove_network(self.engine)
