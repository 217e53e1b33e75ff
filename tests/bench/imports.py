"""`make bench-import`: the import beside what a user would pick instead, in one run, on tmpfs.

Ratios count, not seconds: machines differ, and all rows come from one run. Rounds are interleaved,
so that what else the machine does meets all rows alike; a row is its best round.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

from tests.bench import table, ways
from tests.bench.account import WIDTH, account
from tests.bench.bundle import compressed, real_bundle
from tests.bench.limit import bare_limit, parts_alone
from tests.bench.measure import BenchError
from tests.bench.results import RESULTS, put_section
from tests.bench.table import Sheet
from tests.lab.errors import LabError
from tests.support.memory import memory_with
from tests.support.registry import running_registry

# The bundle and its .gz, the registry, and what a Docker engine unpacks twice.
ROOM = 5
STICK_BYTES_A_SECOND = 150e6


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    prototype: Path | None
    rounds: int
    megabytes: int
    docker: bool
    output: Path


def main(argv: list[str]) -> int:
    """Measure, print as it goes, and write the results."""
    options = _parse(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begun = time.monotonic()
    sheet = Sheet(notes=[f"Load average of the machine before: {os.getloadavg()[0]:.1f}."])
    try:
        with _workplace(options, sheet) as base:
            images = _whole_site(base, options, sheet)
            _one_and_twenty(base, options, sheet)
    except (BenchError, LabError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
    sheet.notes.append(f"The run took {(time.monotonic() - begun) / 60:.1f} minutes.")
    text = _report(options, sheet, images)
    put_section(options.output, text)
    print(f"\n{text}")
    return 0


def _parse(argv: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.imports", description=__doc__)
    parser.add_argument("--prototype", type=Path, help="a program BUNDLE HOST PORT to compare with")
    parser.add_argument("--rounds", type=int, default=3, help="of the quick rows")
    parser.add_argument("--megabytes", type=int, default=2000, help="size of the bundles")
    parser.add_argument("--no-docker", dest="docker", action="store_false", help="leave Docker out")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the table goes")
    return Options(**vars(parser.parse_args(argv)))


@contextmanager
def _workplace(options: Options, sheet: Sheet) -> Iterator[Path]:
    """Give a directory, on tmpfs where there is room, gone at the end."""
    needed = ROOM * options.megabytes * 1_000_000
    place = memory_with(needed)
    where = "on tmpfs" if place else f"not on tmpfs, which has no {needed / 1e9:.0f} GB free"
    sheet.notes.append(f"Bundles and registries were {where}.")
    with tempfile.TemporaryDirectory(dir=place, prefix="airferry-bench-") as name:
        yield Path(name)


def _whole_site(base: Path, options: Options, sheet: Sheet) -> int:
    """Measure all ways with a site's bundle; return how many images are in it."""
    bundle = base / "site.tar"
    tags = real_bundle(bundle, "site", options.megabytes)
    packed = compressed(bundle)
    print(f"{len(tags)} images, {bundle.stat().st_size / 1e9:.2f} GB, ", end="")
    print(f"{packed.stat().st_size / 1e9:.2f} GB as .tar.gz", flush=True)
    for _ in range(options.rounds):
        cold, again = ways.airferry_twice(base, bundle)
        sheet.add(table.COLD, cold)
        sheet.add(table.AGAIN, again)
        if options.prototype:
            sheet.add(table.PROTOTYPE, ways.prototype(base, bundle, options.prototype))
        sheet.add(table.SKOPEO, ways.skopeo(base, bundle, tags))
        sheet.add(table.LIMIT, bare_limit(bundle))
        sheet.add(table.PACKED, ways.airferry(base, packed))
    if not options.prototype:
        sheet.notes.append("The prototype was not at hand (`PROTOTYPE=path` names it).")
    packed.unlink()
    with running_registry(base) as registry:
        sheet.parts = parts_alone(bundle, registry)
    figure, sheet.tail_s = ways.airferry_throttled(base, bundle, STICK_BYTES_A_SECOND)
    sheet.add(table.STICK, figure)
    _docker(base, bundle, tags, options, sheet)
    bundle.unlink()
    return len(tags)


def _docker(base: Path, bundle: Path, tags: list[str], options: Options, sheet: Sheet) -> None:
    if not options.docker:
        sheet.notes.append("Docker was left out (`--no-docker`).")
        return
    try:
        sheet.add(table.DOCKER, ways.docker(base, bundle, tags))
    except LabError as error:
        sheet.notes.append(f"Docker could not be measured: {error}.")


def _one_and_twenty(base: Path, options: Options, sheet: Sheet) -> None:
    """Measure the same files as one layer and as twenty."""
    shapes = {"one": table.ONE, "twenty": table.TWENTY}
    for shape in shapes:
        real_bundle(base / f"{shape}.tar", shape, options.megabytes)
    for _ in range(options.rounds):
        for shape, label in shapes.items():
            sheet.add(label, ways.airferry(base, base / f"{shape}.tar"))


def _report(options: Options, sheet: Sheet, images: int) -> str:
    command = "make bench-import" + (" PROTOTYPE=path" if options.prototype else "")
    size = f"{options.megabytes / 1000:g} GB"
    about = (
        f"Made by `{command}`: a bundle of {images} images that share layers, {size} of\n"
        f"real files in the layout of Docker 20.10, on {os.cpu_count()} cores. Every row but\n"
        "`again` begins with an empty registry (CNCF distribution). Rounds are interleaved; a row\n"
        "is its best round, its memory the most of all."
    )
    sections = [
        "# Import, side by side",
        about,
        table.table(sheet),
        _stored(sheet),
        "## Targets",
        table.targets(sheet),
        account(sheet),
        "## Notes",
        "\n".join(f"- {note}" for note in sheet.notes),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _stored(sheet: Sheet) -> str:
    """Say how much each way leaves in the registry: less could be faster for this alone."""
    labels = (table.COLD, table.PROTOTYPE, table.SKOPEO, table.DOCKER)
    found = {label: figure for label in labels if (figure := sheet.best(label))}
    sizes = [f"{label}: {(f.stored_bytes or 0) / 1e9:.2f} GB" for label, f in found.items()]
    return fill(f"In the registry afterwards: {'; '.join(sizes)}.", WIDTH)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
