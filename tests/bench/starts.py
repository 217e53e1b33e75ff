"""`make bench-start`: what it takes to begin, beside the bare interpreter and another checkout.

A technician and the automation start commands by the hundred; what each costs before it does
anything is import time, and grows by itself. Rounds are interleaved.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import yaml

from tests.bench.measure import BenchError, Figure, measured
from tests.bench.results import RESULTS, put_section
from tests.lab.program import AIRFERRY
from tests.support.archives import sample_images, write_bundle
from tests.support.registry import running_registry

ROUNDS = 9
OURS, PYTHON = "Airferry", "python -c pass"
AIMS_S: Mapping[str, float] = {"--version": 0.15, "check, no hosts": 0.4, "import, known": 0.5}


def main(argv: list[str]) -> int:
    """Measure, print, and write the results."""
    options = _parse(argv)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as users have it
    programs = {OURS: AIRFERRY, **({"before": options.against} if options.against else {})}
    load = os.getloadavg()[0]
    try:
        with tempfile.TemporaryDirectory(prefix="airferry-bench-") as name:
            figures = _measure(Path(name), programs, options.rounds)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    text = _section(figures, load)
    print(text)
    if options.output:
        put_section(options.output, text)
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.starts", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default {ROUNDS}")
    parser.add_argument("--against", type=Path, help="the program of another checkout")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the section goes")
    return parser.parse_args(argv)


Row = tuple[str, str]
"""What is started, and whose."""


def _measure(base: Path, programs: Mapping[str, Path], rounds: int) -> Mapping[Row, list[Figure]]:
    with _commands(base, programs) as commands:
        for command in commands.values():
            measured(command)  # writes byte code, imports the bundle, makes the state
        found: dict[Row, list[Figure]] = {row: [] for row in commands}
        for _ in range(rounds):
            for row, command in commands.items():
                found[row].append(measured(command))
    return found


@contextmanager
def _commands(base: Path, programs: Mapping[str, Path]) -> Iterator[dict[Row, list[str]]]:
    bundle = base / "imgs" / "docker-imgs.tar"
    bundle.parent.mkdir()
    write_bundle(bundle, sample_images())
    made: dict[Row, list[str]] = {(PYTHON, ""): [sys.executable, "-c", "pass"]}
    with running_registry(base) as registry:
        for whose, program in programs.items():
            config = _config(base / whose, bundle.parent, registry.address)
            for what, arguments in (
                ("--version", ("--version",)),
                ("bundle list", ("bundle", "list", str(bundle))),
                ("runs", ("runs", "--config", str(config))),
                ("check, no hosts", ("check", "--config", str(config))),
                ("import, known", ("import", "--config", str(config))),
            ):
                made[what, whose] = [str(program), *arguments]
        yield made


def _config(directory: Path, images_dir: Path, registry: str) -> Path:
    directory.mkdir()
    path = directory / "airctl-config.yaml"
    values = {
        "privateRegistryType": "custom",
        "privateRegistryBase": f"{registry}/{directory.name.lower()}",
        "privateRegistryInsecure": True,
        "imagesDir": str(images_dir),
        "stateDir": str(directory / "state"),
        "hosts": [],
    }
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def _section(figures: Mapping[Row, list[Figure]], load: float) -> str:
    lines = [
        "# Starts, side by side",
        "",
        f"Made by `make bench-start`, {len(next(iter(figures.values())))} rounds, interleaved, "
        "with byte code; wall seconds as a user waits for them,",
        "processor seconds of the command and of what it has waited for "
        f"(an engine is not). Load average of the machine before: {load:.1f}.",
        "",
        "| what | whose | wall s, least | median | ratio to python | CPU s, least | aim |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    bare = min(figure.wall_s for figure in figures[PYTHON, ""])
    for (what, whose), found in figures.items():
        walls = [figure.wall_s for figure in found]
        aim = AIMS_S.get(what) if whose == OURS else None
        verdict = "" if aim is None else f"{aim} {'met' if min(walls) <= aim else 'missed'}"
        cells = (what, whose, f"{min(walls):.3f}", f"{median(walls):.3f}")
        rest = (f"{min(walls) / bare:.1f}", f"{min(f.cpu_s for f in found):.3f}", verdict)
        lines.append(f"| {' | '.join((*cells, *rest))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
