"""`make bench-scale`: one engine and hundreds of hosts, which one other process plays.

SSH is real, Docker and the hosts' shells are not (see `crowd`). Engine and hosts share this
machine's cores, so a row also says what the hosts used.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import yaml

from core.engine.journal import JournalReader, State
from core.engine.runner import FLUSH_S
from tests.bench.bundle import real_bundle
from tests.bench.crowd import PORT, CrowdRequest, address_of
from tests.bench.journal_watch import EngineWatch, count_rows, rows_by_second
from tests.bench.measure import BenchError, Figure, measured, processor_s
from tests.bench.results import RESULTS, put_section
from tests.bench.scale_sheet import WIDTH, ScaleFigure, ScaleSheet, limits, table, targets
from tests.lab.errors import LabError
from tests.lab.keys import ensure_key, public_half
from tests.lab.program import AIRFERRY
from tests.support.registry import running_registry

BUNDLE_MEGABYTES = 40
FEWER = 4


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    hosts: int
    output: Path | None


@dataclass(frozen=True)
class _Crowd:
    """A site of fake hosts: its config, and the process that plays them."""

    config: Path
    state_dir: Path
    pid: int
    hosts: int

    def measure(self, label: str, *arguments: str) -> ScaleFigure:
        """Run a command on all hosts and measure it."""
        count_rows(self.state_dir)
        hosts_before, begun = processor_s(self.pid), time.time()
        with EngineWatch(self.state_dir) as watch:
            figure = self._measured(*arguments)
        facts_at, rows = self._facts_at(), rows_by_second(self.state_dir)
        return ScaleFigure(
            label=label,
            hosts=self.hosts,
            wall_s=figure.wall_s,
            facts_s=facts_at - begun,
            peak_bytes=watch.peak_bytes,
            cpu_s=watch.cpu_s,
            hosts_cpu_s=processor_s(self.pid) - hosts_before,
            commits=watch.commits,
            rows=sum(rows),
            most_rows=max(rows, default=0),
        )

    def _measured(self, *arguments: str) -> Figure:
        try:
            return measured([str(AIRFERRY), *arguments, "--config", str(self.config)])
        except BenchError as error:
            reader = JournalReader(self.state_dir)
            said = [task.error for task in reader.tasks(reader.runs()[0].id) if task.error]
            raise BenchError(f"{error}; {len(said)} failed: {said[:3]}") from error

    def _facts_at(self) -> float:
        """Return when the facts of all hosts were in the journal: at the latest a flush later."""
        reader = JournalReader(self.state_dir)
        tasks = [task for task in reader.tasks(reader.runs()[0].id) if task.step == "connect"]
        if len(tasks) != self.hosts or any(task.state is not State.PRESENT for task in tasks):
            raise BenchError(f"not all hosts were reached: {[t.error for t in tasks if t.error]}")
        return max(task.ended or 0.0 for task in tasks) + FLUSH_S


def main(argv: list[str]) -> int:
    """Measure, print as it goes, and write the results."""
    options = _parse(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sheet = ScaleSheet(notes=[f"Load average of the machine before: {os.getloadavg()[0]:.1f}."])
    try:
        with tempfile.TemporaryDirectory(prefix="airferry-bench-") as name:
            _measure(Path(name), options, sheet)
    except (BenchError, LabError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
    text = _report(sheet)
    if options.output:
        put_section(options.output, text)
    print(f"\n{text}")
    return 0


def _parse(argv: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__)
    parser.add_argument("--hosts", type=int, default=500)
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the section goes")
    parser.add_argument("--no-output", dest="output", action="store_const", const=None)
    return Options(**vars(parser.parse_args(argv)))


def _measure(base: Path, options: Options, sheet: ScaleSheet) -> None:
    for count, real_shells in (
        (options.hosts // FEWER, False),
        (options.hosts, False),
        (options.hosts, True),
    ):
        directory = base / f"{count}-{real_shells}"
        with _crowd(directory, count, real_shells=real_shells) as crowd:
            shells = ", real shells" if real_shells else ""
            sheet.add(crowd.measure(f"check{shells}", "check"))
            if not real_shells:
                sheet.add(crowd.measure("configure-hosts", "configure-hosts"))
                sheet.add(crowd.measure("configure-hosts, again", "configure-hosts"))


@contextmanager
def _crowd(directory: Path, count: int, *, real_shells: bool) -> Iterator[_Crowd]:
    """Start fake hosts and a registry, and import a bundle."""
    images_dir = directory / "imgs"
    images_dir.mkdir(parents=True)
    bundle = images_dir / "site.tar"
    real_bundle(bundle, "five", BUNDLE_MEGABYTES)
    key = ensure_key(directory / "id_ed25519", "airferry-bench")
    with ExitStack() as stack:
        registry = stack.enter_context(running_registry(directory)).address
        images = {f"{registry}/{name}": image for name, image in _image_ids(bundle).items()}
        request = CrowdRequest(count, public_half(key), images, registry, real_shells)
        process, known_hosts = _start(request)
        stack.callback(_end, process)
        (directory / "known_hosts").write_text("\n".join([*known_hosts, ""]), encoding="utf-8")
        config = directory / "airctl-config.yaml"
        config.write_text(yaml.safe_dump(_config(directory, registry, count)), encoding="utf-8")
        measured([str(AIRFERRY), "import", "--config", str(config)])
        yield _Crowd(config, directory / "state", process.pid, count)


def _config(directory: Path, registry: str, count: int) -> dict[str, object]:
    return {
        "privateRegistryType": "custom",
        "privateRegistryBase": registry,
        "privateRegistryInsecure": True,
        "imagesDir": str(directory / "imgs"),
        "stateDir": str(directory / "state"),
        "ssh": {
            "user": "root",
            "port": PORT,
            "key": str(directory / "id_ed25519"),
            "knownHosts": str(directory / "known_hosts"),
        },
        "hosts": [{"name": f"host-{n:03}", "address": address_of(n)} for n in range(count)],
    }


def _image_ids(bundle: Path) -> dict[str, str]:
    """Return the IDs of the images in a docker-archive by their names, without the domain."""
    with tarfile.open(bundle) as tar:
        member = tar.extractfile("manifest.json")
        listing = json.load(member) if member else []
    return {
        tag.partition("/")[2]: f"sha256:{image['Config'].removesuffix('.json')}"
        for image in listing
        for tag in image["RepoTags"]
    }


def _start(request: CrowdRequest) -> tuple[subprocess.Popen[str], list[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.crowd"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if process.stdin is None or process.stdout is None:
        raise BenchError("the fake hosts have no pipes")
    process.stdin.write(f"{request.to_json()}\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise BenchError(f"the fake hosts did not start: exit {process.wait()}")
    known_hosts: list[str] = json.loads(line)
    return process, known_hosts


def _end(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _report(sheet: ScaleSheet) -> str:
    about = (
        "Made by `make bench-scale`: the real program on hosts that one process plays: SSH by "
        "asyncssh's server (a key and a loopback address each), Docker's API faked (pulls tell "
        "progress and fetch nothing), facts recorded once or, in the row that says so, from a "
        f"real `sh` for each host. Engine and hosts share {os.cpu_count()} cores. Mode custom, "
        "5 images, `ssh.concurrency` 16 (its default). `rows` are rows of the journal that were "
        "written, counted by triggers in its database; `commits` are transactions."
    )
    sections = [
        "# Many hosts",
        fill(about, WIDTH, break_on_hyphens=False),
        table(sheet),
        "## Targets for many hosts",
        targets(sheet),
        "## What limits it",
        limits(sheet),
        "## Notes on many hosts",
        "\n".join(f"- {note}" for note in sheet.notes),
    ]
    return "\n\n".join(sections) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
