"""The lab's command line: `python -m tests.lab up | down | status | bundles`."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import docker.errors

from tests.lab import bundles, needs
from tests.lab.engine import Engine
from tests.lab.errors import LabError, NeedError
from tests.lab.lock import lab_lock
from tests.lab.paths import cache_directory, make_private, site_directory
from tests.lab.site import DEFAULT_HOSTS, Site

EXIT_FAILED = 1
EXIT_UNSUITABLE = 2
EXIT_INTERRUPTED = 130


class Progress:
    """Prints lines with the seconds since the start."""

    def __init__(self) -> None:
        """Start the clock."""
        self._start_s = time.monotonic()

    def __call__(self, line: str) -> None:
        """Print one line."""
        print(f"[{time.monotonic() - self._start_s:6.1f} s] {line}", flush=True)


def summarise(site: Site) -> None:
    """Print where everything is."""
    print(f"config    {site.config_path}")
    print(f"bundles   {site.images_dir}")
    print(f"docker    {site.docker_repo}")
    print(f"engine    {site.engine.url} (pid {site.engine.pid})")
    for host in site.hosts:
        print(f"host      {host.name}  {host.address}  container {host.container_id[:12]}")


def command_up(options: argparse.Namespace, say: Progress) -> None:
    """Start a lab, or say that it is there."""
    summarise(Site.up(options.hosts, say))


def command_down(options: argparse.Namespace, say: Progress) -> None:
    """Remove the lab; the cache stays unless it was named."""
    directory, cache = site_directory(), cache_directory()
    if directory.exists():
        Site(directory, Engine(directory / "engine"), []).down(say)
        say("the lab is gone")
    else:
        say("there is no lab")
    if options.cache and cache.exists():
        shutil.rmtree(cache)
        say("the cache is gone")
    elif cache.exists():
        say(f"the cache stays in {cache}; `down --cache` removes it too")


def command_status(_: argparse.Namespace, __: Progress) -> None:
    """Print where everything is."""
    summarise(Site.load())


def command_packages(_: argparse.Namespace, say: Progress) -> None:
    """Install the packages that the lab and the benches need, and nothing else."""
    installed = needs.install_missing()
    say(f"installed {', '.join(installed)}" if installed else "every package is there")


def command_bundles(_: argparse.Namespace, say: Progress) -> None:
    """Make the sample bundles, with an engine that is there for this only."""
    directory = bundles.directory_of(cache_directory())
    if not directory.is_dir():
        needs.install_missing()
        with lab_lock(say), spare_engine() as engine:
            bundles.ensure(make_private(cache_directory()), engine)
    say(f"bundles are in {directory}")
    for name, images in bundles.read_expected(directory).items():
        print(f"{name}: {', '.join(tag for image in images for tag in image['tags'])}")


@contextmanager
def spare_engine() -> Iterator[Engine]:
    """Give an engine that has no part in a lab, gone at the end."""
    # A short path, whatever TMPDIR is: containerd's sockets are below it.
    with tempfile.TemporaryDirectory(prefix="airferry-lab-", dir="/tmp") as directory:
        engine = Engine(Path(directory) / "engine")
        try:
            engine.start()
            yield engine
        finally:
            engine.stop()


COMMANDS: dict[str, Callable[[argparse.Namespace, Progress], None]] = {
    "up": command_up,
    "down": command_down,
    "status": command_status,
    "bundles": command_bundles,
    "packages": command_packages,
}


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start a lab")
    up.add_argument("--hosts", type=int, help=f"how many hosts (default {DEFAULT_HOSTS})")
    down = commands.add_parser("down", help="remove the lab")
    down.add_argument("--cache", action="store_true", help="remove the cache as well")
    commands.add_parser("status", help="say what runs")
    commands.add_parser("packages", help="install what the lab and the benches need")
    commands.add_parser("bundles", help="make the sample bundles and say where they are")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Run a command and return the exit status."""
    options, say = parse(argv), Progress()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        needs.check_machine()
        COMMANDS[options.command](options, say)
    except NeedError as error:
        print(f"lab: {error}", file=sys.stderr)
        return EXIT_UNSUITABLE
    except (LabError, docker.errors.DockerException, OSError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
