"""`make bench-backup`: backup and restore beside `tar` of the storage and beside `skopeo sync`.

In one run, in memory (tmpfs) and on this machine's disk. Rounds are interleaved; a row is its best
round. Ratios count, not seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.config import load_config
from core.engine.request import RunKind, RunRequest
from core.registry.api.client import RegistryClient
from core.registry.content.staging import STAGE
from core.registry.local.server import RegistryServer
from tests.bench import backup_sheet as sheets
from tests.bench.bundle import real_bundle
from tests.bench.measure import BenchError, Figure, into, measured
from tests.bench.results import RESULTS, put_section
from tests.bench.table import Sheet
from tests.support.memory import memory_with
from tests.support.ports import free_port

ENGINE = [sys.executable, "-m", "core.engine"]
BLOBS_OF_BUNDLE = 0.35
ROOM = 6


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    rounds: int
    megabytes: int
    disk: Path
    output: Path


@dataclass(frozen=True)
class Place:
    """Where everything of one table lies: the registries, and what is written."""

    base: Path
    registry: OwnRegistry

    def fresh(self, name: str) -> Path:
        """Return an empty directory."""
        directory = self.base / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        return directory


def main(argv: list[str]) -> int:
    """Measure, print as it goes, and write the results."""
    options = _parse(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    load = os.getloadavg()[0]
    found: dict[str, Sheet] = {}
    try:
        with tempfile.TemporaryDirectory(dir=_memory(options), prefix="airferry-bench-") as scratch:
            bundle = Path(scratch) / "site.tar"
            real_bundle(bundle, "site", int(options.megabytes / BLOBS_OF_BUNDLE))
            for title, directory in (("in memory", Path(scratch)), ("on disk", options.disk)):
                found[title] = _all_ways(bundle, title, directory, options.rounds)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
    text = sheets.section(found, load)
    put_section(options.output, text)
    print(f"\n{text}")
    return 0


def _parse(argv: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.backups", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=1000, help="of blobs in the registry")
    parser.add_argument(
        "--disk", type=Path, default=Path(tempfile.gettempdir()), help="a directory on a disk"
    )
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the table goes")
    return Options(**vars(parser.parse_args(argv)))


def _memory(options: Options) -> Path:
    needed = ROOM * options.megabytes * 1_000_000
    memory = memory_with(needed)
    if memory is None:
        raise BenchError(f"there are no {needed / 1e9:.0f} GB free in memory (/dev/shm)")
    return memory


def _all_ways(bundle: Path, title: str, directory: Path, rounds: int) -> Sheet:
    """Measure every way in one place."""
    sheet = Sheet()
    with (
        tempfile.TemporaryDirectory(dir=directory, prefix="airferry-bench-") as base,
        _site(Path(base)) as registry,
    ):
        place = Place(Path(base), registry)
        _import(place, bundle)
        blobs = sum(path.stat().st_size for path in registry.directory.rglob("data"))
        sheet.notes.append(f"{blobs / 1e9:.2f} GB of blobs")
        print(f"{title}: {sheet.notes[0]}", flush=True)
        for _ in range(rounds):
            for label, way in _ways(place).items():
                os.sync()  # what the one before left to be written is not this one's
                sheet.add(label, way())
    return sheet


def _ways(place: Place) -> dict[str, Callable[[], Figure]]:
    storage = place.registry.directory
    tar, skopeo, ours = (place.base / name for name in ("tar", "skopeo", "ours"))
    archive = tar / "storage.tar"
    return {
        sheets.BACKUP: lambda: _backup(place),
        sheets.TAR: lambda: _shell(place, "tar", f"tar -C {storage} -cf {archive} ."),
        sheets.TAR_SYNCED: lambda: _shell(
            place, "tar", f"tar -C {storage} -cf {archive} . && sync {archive}"
        ),
        sheets.TAR_SAFE: lambda: _shell(
            place, "tar", f"tar -C {storage} -cf {archive} . && {_read_back(archive)}"
        ),
        sheets.SKOPEO: lambda: _skopeo_out(place, skopeo),
        sheets.RESTORE: lambda: _into_empty(place, lambda target: _restore(target, ours)),
        sheets.UNTAR: lambda: _shell(
            place, "untarred", f"tar -C {place.base / 'untarred'} -xf {archive}"
        ),
        sheets.UNTAR_SYNCED: lambda: _shell(
            place,
            "untarred",
            f"tar -C {place.base / 'untarred'} -xf {archive} && sync -f {place.base}",
        ),
        sheets.UNTAR_SAFE: lambda: _shell(
            place,
            "untarred",
            f"tar -C {place.base / 'untarred'} -xf {archive} && sync -f {place.base} && "
            f"find {place.base / 'untarred'} -name data -exec sha256sum {{}} +",
        ),
        sheets.SKOPEO_BACK: lambda: _into_empty(place, lambda target: _skopeo_in(target, skopeo)),
    }


def _read_back(archive: Path) -> str:
    """Return the command that makes tar's archive as safe as ours: synced, read again, summed."""
    return f"sync {archive} && sha256sum {archive} > {archive}.sha256"


def _shell(place: Place, directory: str, command: str) -> Figure:
    place.fresh(directory)
    return measured(["sh", "-c", command])


def _import(place: Place, bundle: Path) -> None:
    measured(ENGINE, _line(RunRequest(RunKind.IMPORT, place.registry.config, (bundle,))))


def _backup(place: Place) -> Figure:
    out = place.fresh("ours")
    request = RunRequest(RunKind.BACKUP, place.registry.config, outdir=out)
    return into(place.registry, lambda: measured(ENGINE, _line(request)))


def _restore(target: OwnRegistry, out: Path) -> Figure:
    (backup,) = out.glob("*.tar")
    request = RunRequest(RunKind.RESTORE, target.config, (backup,))
    return into(target, lambda: measured(ENGINE, _line(request)))


def _into_empty(place: Place, way: Callable[[OwnRegistry], Figure]) -> Figure:
    with _site(place.base) as target:
        return way(target)


def _skopeo_out(place: Place, directory: Path) -> Figure:
    """Copy every tag of every repository into a directory, with one command."""
    place.fresh(directory.name)
    client = RegistryClient(place.registry.address)
    names = [name for name in client.repositories() if name != STAGE]
    client.close()
    wanted = {place.registry.address: {"tls-verify": False, "images": {n: [] for n in names}}}
    source = place.base / "skopeo.yaml"
    source.write_text(json.dumps(wanted), encoding="utf-8")
    command = ["skopeo", "sync", "--src", "yaml", "--dest", "dir", str(source), str(directory)]
    return into(place.registry, lambda: measured(command))


def _skopeo_in(target: OwnRegistry, directory: Path) -> Figure:
    options = ["--src", "dir", "--dest", "docker", "--dest-tls-verify=false"]
    command = ["skopeo", "sync", *options, str(directory), target.address]
    return into(target, lambda: measured(command))


def _line(request: RunRequest) -> str:
    return f"{request.to_json()}\n"


@dataclass(frozen=True)
class OwnRegistry:
    """The registry of a site in mode du, as Airferry itself starts it."""

    config: Path
    directory: Path
    address: str
    pid: int


@contextmanager
def _site(base: Path) -> Iterator[OwnRegistry]:
    """Set up a site with an empty registry of its own."""
    with tempfile.TemporaryDirectory(dir=base, prefix="site-") as site:
        path = Path(site) / "airctl-config.yaml"
        path.write_text(
            f"privateRegistryType: du\nregistryPort: {free_port()}\nstateDir: {site}/state\n"
            f"registryDir: {site}/registry\n",
            encoding="utf-8",
        )
        config = load_config(path)
        server = RegistryServer(config)
        server.start()
        try:
            pid = server.status().pid or 0
            yield OwnRegistry(path, config.registry_dir, server.address, pid)
        except BenchError:
            report = f"from core.cli import main; main(['report', '--config', {str(path)!r}])"
            subprocess.run([sys.executable, "-c", report], check=False)
            raise
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
