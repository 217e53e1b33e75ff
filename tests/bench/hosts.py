"""`make bench-hosts`: warming hosts beside what a user would do instead, in one run, on the lab.

Every row begins with empty image caches and a Docker that runs; registry and tunnels are up. Ratios
count, not seconds. The rows of a round follow each other; rounds are repeated.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

from tests.bench import host_sheet, host_ways, peers
from tests.bench.bundle import real_bundle
from tests.bench.host_sheet import WIDTH, HostFigure, HostSheet, Release
from tests.bench.measure import BenchError
from tests.bench.results import RESULTS, put_section
from tests.lab.errors import LabError
from tests.lab.labhost import LabHost
from tests.lab.program import Program
from tests.lab.site import Site
from tests.lab.siteconfig import REGISTRY_PORT
from tests.support.memory import memory_with

HOSTS = 4
COUNTS = (1, HOSTS)
# Each host holds the copied tar, what `docker load` unpacks it to, and the layers.
ROOM = 3 * HOSTS + 3


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    rounds: int
    megabytes: int
    counts: tuple[int, ...]
    ways: tuple[str, ...]
    output: Path | None


@dataclass
class _Bench:
    """The place where all rows are measured."""

    site: Site
    bundle: Path
    repositories: list[str]
    puller: Program
    loader: Program

    def measure(self, label: str, hosts: list[LabHost]) -> HostFigure:
        """Measure one row."""
        host_ways.empty_caches(self.site.hosts)
        figure = self._ways()[label](hosts)
        host_ways.require_images(hosts, len(self.repositories))
        return figure

    def _ways(self) -> dict[str, Callable[[list[LabHost]], HostFigure]]:
        site, bundle = self.site, self.bundle
        return {
            host_sheet.BARE: self._pull_by_hand,
            host_sheet.PULL: lambda hosts: host_ways.configure_hosts(self.puller, hosts),
            host_sheet.LOAD: lambda hosts: host_ways.configure_hosts(self.loader, hosts),
            host_sheet.SCP: lambda hosts: host_ways.on_the_line(
                hosts, [], lambda: peers.scp_and_load(site, hosts, bundle)
            ),
            host_sheet.ANSIBLE: lambda hosts: host_ways.on_the_line(
                hosts, [], lambda: peers.ansible_and_load(site, hosts, bundle)
            ),
        }

    def _pull_by_hand(self, hosts: list[LabHost]) -> HostFigure:
        names = [f"{repository}:1" for repository in self.repositories]
        with peers.tunnels(self.site, hosts, REGISTRY_PORT) as tunnels:
            pids = [*tunnels, *host_ways.service_pids(self.puller)]
            return host_ways.on_the_line(hosts, pids, lambda: peers.pulls(self.site, hosts, names))


def main(argv: list[str]) -> int:
    """Measure, print as it goes, and write the results."""
    options = _parse(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begun = time.monotonic()
    sheet = HostSheet(notes=[f"Load average of the machine before: {os.getloadavg()[0]:.1f}."])
    try:
        _measure(options, sheet)
    except (BenchError, LabError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
    sheet.notes.append(f"Load average of the machine after: {os.getloadavg()[0]:.1f}.")
    sheet.notes.append(f"The run took {(time.monotonic() - begun) / 60:.1f} minutes.")
    text = _report(sheet)
    if options.output:
        put_section(options.output, text)
    print(f"\n{text}")
    return 0


def _parse(argv: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.hosts", description=__doc__)
    ways = (
        *(host_sheet.BARE, host_sheet.PULL, host_sheet.LOAD, host_sheet.SCP, host_sheet.ANSIBLE),
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--megabytes", type=int, default=1000, help="size of the bundle")
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="hosts at once")
    parser.add_argument("--ways", nargs="+", default=ways, choices=ways, help="only these rows")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the section goes")
    parser.add_argument("--no-output", dest="output", action="store_const", const=None)
    found = parser.parse_args(argv)
    return Options(
        found.rounds, found.megabytes, tuple(found.counts), tuple(found.ways), found.output
    )


def _measure(options: Options, sheet: HostSheet) -> None:
    peers.require_programs()
    needed = ROOM * options.megabytes * 1_000_000
    memory = memory_with(needed)
    if memory is None:
        raise BenchError(f"there are no {needed / 1e9:.0f} GB free in memory for the hosts")
    with ExitStack() as stack:
        site = Site.up(HOSTS)
        stack.callback(site.down)
        name = stack.enter_context(
            tempfile.TemporaryDirectory(dir=memory, prefix="airferry-bench-")
        )
        base = Path(name)
        bench = _prepare(site, base, options, sheet, stack)
        for _ in range(options.rounds):
            for count in options.counts:
                for label in options.ways:
                    sheet.add(label, count, bench.measure(label, site.hosts[:count]))
        sheet.release = _next_release(bench, options)


def _prepare(
    site: Site, base: Path, options: Options, sheet: HostSheet, stack: ExitStack
) -> _Bench:
    """Make the bundle, import it, and give the hosts Docker, Python and tunnels."""
    images_dir = base / "imgs"
    images_dir.mkdir()
    bundle = images_dir / "site.tar"
    tags = real_bundle(bundle, "five", options.megabytes)
    sheet.tar_bytes = bundle.stat().st_size
    puller = _program(site, base / "pull", stack, imagesDir=str(images_dir))
    loader = _program(
        *(site, base / "load", stack),
        imagesDir=str(images_dir),
        privateRegistryType="none",
        warm="load",
    )
    puller.run("import")
    puller.run("configure-hosts", "--skip-docker-img-import")
    loader.run("plan")
    if host_sheet.ANSIBLE in options.ways:
        for host in site.hosts:
            peers.give_python(host)
    repositories = [tag.partition("/")[2].rpartition(":")[0] for tag in tags]
    return _Bench(site, bundle, repositories, puller, loader)


def _program(site: Site, directory: Path, stack: ExitStack, **changes: object) -> Program:
    directory.mkdir()
    return stack.enter_context(host_ways.cleaned_up(Program(site, directory, **changes)))


def _next_release(bench: _Bench, options: Options) -> Release:
    """Warm a host, then once more with a bundle in which one layer of one image is another."""
    host = bench.site.hosts[0]
    bench.measure(host_sheet.PULL, [host])
    repository = bench.repositories[-1]
    before = host_ways.layer_sizes(REGISTRY_PORT, repository)
    real_bundle(bench.bundle, "five-next", options.megabytes)
    bench.puller.run("import")
    after = host_ways.layer_sizes(REGISTRY_PORT, repository)
    figure = host_ways.configure_hosts(bench.puller, [host])
    changed = [size for digest, size in after.items() if digest not in before]
    return Release(sum(changed), figure.line_bytes, figure.wall_s)


def _report(sheet: HostSheet) -> str:
    about = (
        f"Made by `make bench-hosts`: a bundle of 5 images on one base, "
        f"{sheet.tar_bytes / 1e9:.2f} GB of real files in the layout of Docker 20.10, to real "
        "hosts (systemd, sshd, Docker 20.10 on tmpfs), all on the same "
        f"{os.cpu_count()} cores as the DU. Docker, registry and tunnels are there before the "
        "clock starts; caches are empty. `wall` is the whole command (`airferry configure-hosts`, "
        "with connecting, preflight and verifying), `warming` the slowest host's `images.warm` "
        "alone. A row is its best round, a ratio the median of the rounds' ratios."
    )
    sections = [
        "# Hosts, side by side",
        fill(about, WIDTH, break_on_hyphens=False),
        host_sheet.table(sheet),
        "## Targets for hosts",
        host_sheet.targets(sheet),
        _release(sheet),
        "## What limits hosts",
        host_sheet.limits(sheet),
        "## Notes on hosts",
        "\n".join(f"- {note}" for note in sheet.notes),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _release(sheet: HostSheet) -> str:
    if sheet.release is None:
        return ""
    found = sheet.release
    return fill(
        f"The next release, in which one layer of {found.layer_bytes / 1e6:.1f} MB (compressed) is "
        f"another: {found.line_bytes / 1e6:.1f} MB over the line in {found.wall_s:.1f} s.",
        WIDTH,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
