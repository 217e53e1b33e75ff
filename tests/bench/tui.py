"""`make bench-tui`: the real program on a pseudo-terminal, while 500 hosts are at work.

The hosts are rows that another process keeps changing (see `busy_site`); program, journal and
terminal are real. Keys are timed from their write to the read that brings the answer.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from textwrap import fill

from core.engine.journal import Journal, JournalReader, LogLine, State
from core.engine.request import RunKind
from tests.bench.busy_site import STEPS, done_before, planned
from tests.bench.measure import BenchError, processor_s
from tests.bench.results import RESULTS, put_section
from tests.bench.tui_sheet import ESC as ESC_LABEL
from tests.bench.tui_sheet import (
    LINE_BYTES_A_SECOND,
    Flow,
    TuiSheet,
    flows_table,
    keys_table,
    starts_table,
    targets,
)
from tests.lab.program import AIRFERRY
from tests.support.archives import sample_images, write_bundle
from tests.support.console import Console

WIDTH = 100
OLD_RUNS = 20
LINES_A_HOST = 10
DOWN, PAGE_DOWN, HOME, ESC = b"\x1b[B", b"\x1b[6~", b"\x1b[H", b"\x1b"
LINUX = {"TERM": "linux", "LANG": "C.UTF-8", "NO_COLOR": ""}
ESC_NOTE = (
    "Esc is answered later than other keys: arrows and F-keys begin with the same byte, and "
    "Textual waits 100 to 200 ms for what may follow it."
)
BURST_S = 0.03
"""Bytes that come closer together than this belong to one repaint."""


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    hosts: int
    starts: int
    seconds: float
    output: Path | None


def main(argv: list[str]) -> int:
    """Measure, print as it goes, and write the results."""
    options = _parse(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sheet = TuiSheet(notes=[f"Load average of the machine before: {os.getloadavg()[0]:.1f}."])
    os.environ.pop("NO_COLOR", None)
    try:
        with tempfile.TemporaryDirectory(prefix="airferry-bench-") as name:
            _measure(Path(name), options, sheet)
    except (BenchError, AssertionError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
    text = _report(sheet, options)
    if options.output:
        put_section(options.output, text)
    print(f"\n{text}")
    return 0


def _parse(argv: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.tui", description=__doc__)
    parser.add_argument("--hosts", type=int, default=500)
    parser.add_argument("--starts", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=15.0, help="for each flow")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the section goes")
    parser.add_argument("--no-output", dest="output", action="store_const", const=None)
    return Options(**vars(parser.parse_args(argv)))


def _measure(base: Path, options: Options, sheet: TuiSheet) -> None:
    small = _site(base / "small", 3)
    _starts(sheet, "3 hosts, empty journal", small, options.starts)
    large = _site(base / "large", options.hosts)
    _grow(large, options.hosts)
    label = f"{options.hosts} hosts, {OLD_RUNS} runs in the journal"
    _starts(sheet, label, large, options.starts)
    with _at_work(large, options.hosts) as run:
        _starts(sheet, f"{label}, one at work", large, options.starts)
        _keys(sheet, large)
        _keys_on_a_line(sheet, large)
        _flow(sheet, "normal", large, options.seconds)
        _flow(sheet, "--slow", large, options.seconds, "--slow")
        _flow(sheet, "--slow at 9600 baud", large, options.seconds, "--slow", baud=True)
        _peer(sheet, large, run, options.seconds)
    sheet.notes += [ESC_NOTE, _imports()]


def _site(directory: Path, hosts: int) -> Path:
    """Make a site and return its config."""
    (directory / "imgs").mkdir(parents=True)
    (directory / "state").mkdir(mode=0o700)
    write_bundle(directory / "imgs" / "extra.tar", sample_images()[:1])
    path = directory / "airctl-config.yaml"
    lines = ["privateRegistryType: du", "imagesDir: imgs", "stateDir: state", "hosts:"]
    lines += [
        f"  - name: host-{n:03}\n    address: 10.9.{n // 200}.{n % 200}" for n in range(hosts)
    ]
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def _grow(config: Path, hosts: int) -> None:
    """Fill a journal with runs that have ended."""
    names = [f"host-{number:03}" for number in range(hosts)]
    journal = Journal(config.parent / "state")
    for _ in range(OLD_RUNS):
        run = journal.begin(RunKind.INSTALL, "du", str(config), {}, os.getpid())
        journal.add_tasks(run, planned(names))
        tasks = list(done_before(names))
        for task in tasks:
            task.state, task.ended = State.DONE, task.ended or time.time()
        lines = [
            LogLine(0, time.time(), name, STEPS[0][0], "info", f"line {number} of what was said")
            for name in names
            for number in range(LINES_A_HOST)
        ]
        journal.save(run, tasks, lines)
        journal.end(run, State.DONE, "")
    journal.close()


@contextmanager
def _at_work(config: Path, hosts: int) -> Iterator[int]:
    """Have a run at work; the number of its row."""
    words = [str(config.parent / "state"), str(config), str(hosts)]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.busy_site", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise BenchError("the busy site has no pipes")
        yield int(process.stdout.readline())
        process.stdin.close()


@contextmanager
def _console(config: Path, *arguments: str, baud: bool = False) -> Iterator[Console]:
    """Open the screens."""
    console = Console(
        [str(AIRFERRY), "--config", str(config), *arguments],
        LINUX,
        bytes_a_second=LINE_BYTES_A_SECOND if baud else 0,
    )
    try:
        yield console
    finally:
        console.close()


def _starts(sheet: TuiSheet, label: str, config: Path, times: int) -> None:
    found = sheet.starts.setdefault(label, [])
    for _ in range(times):
        with _console(config) as console:
            console.sees("Found", "Leave", "Enter choose", gone="looking around")
            found.append(console.arrivals[-1][0] - console.started)
            console.press(b"q")
            console.wait()
    print(f"start, {label}: {statistics.median(found):.2f} s", flush=True)


def _to_run(console: Console) -> None:
    """Go from Start to the run at work."""
    console.sees("Watch the run that is at work", "Enter choose")
    console.press(b"\r")
    console.sees("[Run]", "at work", "host-0")


def _under_cursor(console: Console) -> str:
    """Return the host under the cursor."""
    found = re.search(r"^ > . (\S+)", console.text, re.MULTILINE)
    return found[1] if found else ""


def _timed(console: Console, keys: bytes, answered: Callable[[], bool]) -> float:
    """Press a key and return the seconds until its answer had come."""
    pressed = time.monotonic()
    console.press(keys)
    console.until(answered, f"{keys!r} was not answered")
    return console.arrivals[-1][0] - pressed


def _moves(console: Console, keys: bytes, times: int) -> Iterator[float]:
    """Move the cursor again and again, at moments that have nothing to do with the repaints."""
    for number in range(times):
        before = _under_cursor(console)
        yield _timed(console, keys, lambda: _under_cursor(console) not in ("", before))  # noqa: B023
        console.watch(0.11 + 0.037 * (number % 7))


def _keys(sheet: TuiSheet, config: Path) -> None:
    """Measure keys on a terminal that takes what it gets."""
    with _console(config) as console:
        _to_run(console)
        console.watch(1.0)
        sheet.keys["down"] = list(_moves(console, DOWN, 60))
        sheet.keys["Page down"] = list(_moves(console, PAGE_DOWN, 25))
        opened, typed, closed = [], [], []
        for number in range(30):
            opened.append(_timed(console, b"/", lambda: "show all again" in console.text))
            console.watch(0.21 + 0.04 * (number % 5))
            for key, words in ((b"1", "/1"), (b"2", "/12")):
                typed.append(_timed(console, key, lambda: words in console.text))  # noqa: B023
                console.watch(0.17 + 0.05 * (number % 4))
            closed.append(_timed(console, ESC, lambda: "show all again" not in console.text))
            console.watch(0.31)
        sheet.keys |= {"`/`": opened, "text in the filter": typed, ESC_LABEL: closed}
        console.press(b"d")
        console.wait()
    for label, values in sheet.keys.items():
        print(
            f"key {label}: p95 {1000 * sorted(values)[int(0.95 * len(values))]:.0f} ms", flush=True
        )


def _keys_on_a_line(sheet: TuiSheet, config: Path) -> None:
    """Measure keys on a slow line, each pressed when the line has nothing to carry."""
    first: list[float] = []
    last: list[float] = []
    with _console(config, "--slow", baud=True) as console:
        _to_run(console)
        for number in range(25):
            _until_quiet(console)
            console.watch(0.05 * (number % 6))
            before, seen, pressed = _under_cursor(console), len(console.arrivals), time.monotonic()
            console.press(DOWN)
            console.until(lambda: _under_cursor(console) not in ("", before), "no answer")  # noqa: B023
            first.append(console.arrivals[seen][0] - pressed)
            last.append(console.arrivals[-1][0] - pressed)
        started = time.monotonic()
        console.press(b"d")
        console.wait()
        sheet.quits["at 9600 baud, from the Run screen"] = time.monotonic() - started
    sheet.keys["down, --slow at 9600 baud, to the first byte"] = first
    median, slowest = statistics.median(last), max(last)
    sheet.notes.append(
        f"At 9600 baud the whole answer to `down` is there after {1000 * median:.0f} ms "
        f"(median; slowest {1000 * slowest:.0f} ms): what counts then is the line."
    )


def _until_quiet(console: Console) -> None:
    """Read until nothing has come for a moment."""
    seen = -1
    while seen != len(console.arrivals):
        seen = len(console.arrivals)
        console.watch(0.12)


def _flow(
    sheet: TuiSheet, label: str, config: Path, seconds: float, *arguments: str, baud: bool = False
) -> None:
    """Measure what is sent on the Run screen while nobody presses a key."""
    begun = JournalReader(config.parent / "state").runs()[0].started
    with _console(config, *arguments, baud=baud) as console:
        _to_run(console)
        console.watch(3.0)
        seen, cpu, started = len(console.arrivals), processor_s(console.pid), time.monotonic()
        oldest = 0.0
        while time.monotonic() < started + seconds:
            console.watch(0.25)
            oldest = max(oldest, time.time() - begun - _clock(console.text))
        spent = time.monotonic() - started
        arrivals = console.arrivals[seen:]
        sheet.flows.append(
            Flow(
                label,
                spent,
                sum(number for _, number in arrivals),
                _bursts(arrivals),
                processor_s(console.pid) - cpu,
                oldest,
            )
        )
        console.press(b"d")
        console.wait()
    print(flows_table(sheet).splitlines()[-1], flush=True)


def _peer(sheet: TuiSheet, config: Path, run: int, seconds: float) -> None:
    """Measure the same table as a DataTable."""
    argv = [sys.executable, "-m", "tests.bench.table_peer", str(config), str(run)]
    console = Console(argv, LINUX)
    try:
        console.sees("host-0", "rate")
        console.watch(3.0)
        seen, cpu, started = len(console.arrivals), processor_s(console.pid), time.monotonic()
        console.watch(seconds)
        arrivals, spent = console.arrivals[seen:], time.monotonic() - started
        used = processor_s(console.pid) - cpu
    finally:
        console.close()
    sent = sum(number for _, number in arrivals)
    sheet.flows.append(Flow("the same in a DataTable", spent, sent, _bursts(arrivals), used))
    print(flows_table(sheet).splitlines()[-1], flush=True)


def _bursts(arrivals: Sequence[tuple[float, int]]) -> int:
    """Return how many repaints something came in."""
    times = [at for at, _ in arrivals]
    return sum(after - before > BURST_S for before, after in pairwise(times)) + 1


def _clock(text: str) -> float:
    """Return the seconds that the run has taken, as the screen says."""
    found = re.search(r"(?:(\d+):)?(\d+):(\d\d)", "\n".join(text.splitlines()[3:5]))
    if not found:
        raise BenchError(f"no clock on the screen:\n{text}")
    return int(found[1] or 0) * 3600 + int(found[2]) * 60 + int(found[3])


def _imports() -> str:
    """Say what of a start is importing."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import tui.entry, tui.start, tui.app"],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("|") for line in done.stderr.splitlines() if "|" in line]
    spent: dict[str, int] = {}
    for row in rows[1:]:
        package = row[2].strip().partition(".")[0]
        own = int(row[0].rpartition(":")[2])
        spent[package] = spent.get(package, 0) + own
    first = sorted(spent, key=lambda name: -spent[name])[:6]
    parts = ", ".join(f"{name} {spent[name] / 1000:.0f}" for name in first)
    total = sum(spent.values()) / 1000
    return f"Imports of a start, `python -X importtime`: {total:.0f} ms; of these {parts} ms."


def _report(sheet: TuiSheet, options: Options) -> str:
    about = (
        "Made by `make bench-tui`: `airferry` itself on a pseudo-terminal (TERM=linux, 80x24), "
        f"read by a terminal emulator. A run on {options.hosts} hosts is at work: another process "
        "writes its journal as an engine does, every host's row anew in each of two transactions "
        "a second. Program, writer and terminal share "
        f"{os.cpu_count()} cores. A start counts from exec until Start is complete; a key from "
        "its write until its answer has been read. `behind` is how much older than now the run's "
        "clock on the screen was at worst. 9600 baud: the terminal takes 960 bytes a second."
    )
    ours, peer = sheet.flow("normal"), sheet.flow("the same in a DataTable")
    ratio = (peer.sent_bytes / peer.seconds) / (ours.sent_bytes / ours.seconds)
    aside = (
        f"A DataTable with the same rows at the same pace sends {ratio:.1f} times the bytes and "
        f"takes {100 * peer.cpu_s / peer.seconds:.0f} % of a core."
    )
    sections = [
        "# The screens",
        fill(about, WIDTH, break_on_hyphens=False),
        starts_table(sheet),
        keys_table(sheet),
        flows_table(sheet),
        fill(aside, WIDTH),
        "## Targets for the screens",
        targets(sheet),
        "## Notes on the screens",
        "\n".join(f"- {note}" for note in sheet.notes),
    ]
    return "\n\n".join(sections) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
