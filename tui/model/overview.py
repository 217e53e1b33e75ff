"""What is found when the program starts: config, bundles, registry, runs."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from core.bundle.discovery import find_bundles
from core.bundle.media import SILENT
from core.bundle.model import BundleFile
from core.config import Mode
from core.engine.journal import ENDED_WELL, RunRow, State
from core.engine.report import fares_words, targets_of, unfinished_hosts
from core.engine.request import CHANGING, RunKind
from core.errors import AirferryError
from core.words import count, size
from tui.model.bundle_locations import Place, look_at_sticks
from tui.model.progress import planned_bytes, progress_of
from tui.model.site import RunSnapshot, Site
from tui.terminal.text import when

PROBE_TIMEOUT_S = 0.3
THIS_MACHINE = "du"
MAX_STICKS = 2


@dataclass(frozen=True)
class OverviewLine:
    """One line of what was found: subject, where, and what about it."""

    sign: str
    subject: str
    where: str
    what: str


@dataclass(frozen=True)
class Findings:
    """All that the Start screen needs to know.

    Args:
        lines: What is shown.
        at_work: The run that changes the site now.
        percent: How far that is.
        last_run: The newest run that changed something.
        failed_hosts: The hosts that are not ready since they were last done.
        new_files: The bundles on sticks that are not in imagesDir.
        no_bundles: There is none in imagesDir either.
        waiting: A stick has not answered yet.
        differs: In what the site differs from its config.
    """

    lines: tuple[OverviewLine, ...]
    at_work: RunRow | None
    percent: int
    last_run: RunRow | None
    failed_hosts: tuple[str, ...]
    new_files: tuple[BundleFile, ...] = ()
    no_bundles: bool = False
    waiting: bool = False
    differs: tuple[str, ...] = ()


def gather(site: Site, within_s: float | None = None) -> Findings:
    """Look around. Blocks for milliseconds, or as long as sticks may take to answer.

    Args:
        site: The site.
        within_s: How long each stick may take, in seconds.
    """
    at_work = site.launcher.at_work(site.config.state_dir)
    known = {host.name for host in site.config.hosts}
    failed = tuple(unfinished_hosts(site.reader, known))
    last = _newest(site)
    bundles, sticks = _bundles(site), look_at_sticks(site, within_s)
    lines = [_config(site), bundles, *_sticks(sticks)]
    if site.config.mode is Mode.DU:
        lines.append(_registry(site))
    if last:
        lines.append(_last_run(last))
    return Findings(
        tuple(lines),
        at_work,
        _percent(site, last) if at_work and last else 0,
        last.run if last else None,
        failed,
        tuple(file for stick in sticks for file in stick.new),
        bundles.sign != "=",
        any(stick.error == SILENT for stick in sticks),
    )


def _newest(site: Site) -> RunSnapshot | None:
    """Return the newest run that changed something; a copy that went well has nothing to tell."""
    for run in site.reader.runs():
        if run.kind in CHANGING and not (run.kind == RunKind.TAKE and run.state.went_well):
            return site.look(run.id)
    return None


def _percent(site: Site, last: RunSnapshot) -> int:
    """Return how far the run at work is: the newest, because they are made one at a time."""
    return int(100 * progress_of(last.tasks, planned_bytes(site, last.run.id)).fraction)


def _sticks(sticks: Sequence[Place]) -> list[OverviewLine]:
    """Return a line for each stick; of many, the number of the others."""
    lines = [_stick(stick) for stick in sticks[:MAX_STICKS]]
    more = len(sticks) - MAX_STICKS
    return (
        [*lines, OverviewLine(" ", "", f"and {count(more, 'more stick')}", "")]
        if more > 0
        else lines
    )


def _stick(stick: Place) -> OverviewLine:
    where = str(stick.path)
    if stick.error:
        sign = ">" if stick.error == SILENT else "x"
        return OverviewLine(sign, "stick", where, stick.error.removeprefix(f"{where}: "))
    if not stick.entries:
        return OverviewLine("-", "stick", where, "no bundle on it")
    if not stick.new:
        return OverviewLine("-", "stick", where, "nothing new on it")
    total = size(sum(file.size_bytes for file in stick.new))
    return OverviewLine("+", "stick", where, f"{count(len(stick.new), 'new bundle')}, {total}")


def _config(site: Site) -> OverviewLine:
    if site.is_new:
        return OverviewLine("!", "config", str(site.path), "not there yet")
    hosts = count(len(site.config.hosts), "host")
    if site.problems:
        return OverviewLine("x", "config", str(site.path), count(len(site.problems), "problem"))
    return OverviewLine("=", "config", str(site.path), f"mode {site.config.mode}, {hosts}")


def _bundles(site: Site) -> OverviewLine:
    where = str(site.config.images_dir)
    if not site.config.images_dir.exists():
        return OverviewLine("!", "bundles", where, "not there yet")
    try:
        found, ignored = find_bundles(site.config.images_dir)
    except AirferryError as error:
        return OverviewLine("x", "bundles", where, error.what.removeprefix(f"{where}: "))
    if not found:
        return OverviewLine("!", "bundles", where, f"none ({count(len(ignored), 'other file')})")
    total = size(sum(file.size_bytes for file in found))
    return OverviewLine("=", "bundles", where, f"{count(len(found), 'bundle')}, {total}")


def _registry(site: Site) -> OverviewLine:
    port = site.config.registry_port
    where = f"127.0.0.1:{port}"
    try:
        socket.create_connection(("127.0.0.1", port), PROBE_TIMEOUT_S).close()
    except OSError:
        return OverviewLine(".", "registry", where, "not running")
    return OverviewLine("=", "registry", where, "answers")


def _last_run(last: RunSnapshot) -> OverviewLine:
    run, state = last.run, last.state
    where = f"{when(run.started)}, {run.kind}"
    if state is State.RUNNING:
        return OverviewLine(">", "last run", where, "at work")
    targets = [target for target in targets_of(last.tasks) if target.name != THIS_MACHINE]
    tally = Counter(target.state in ENDED_WELL for target in targets)
    if not targets:
        return OverviewLine(_sign(state), "last run", where, fares_words(run, state))
    if not state.went_well and state is not State.FAILED:
        so_far = f"{state}; {tally[True]} of {len(targets)} ready"
        return OverviewLine(_sign(state), "last run", where, so_far)
    failed = f", {tally[False]} not" if tally[False] else ""
    ready = f"{tally[True]} of {count(len(targets), 'host')} ready{failed}"
    left = f", {run.message}" if state is State.PARTIAL else ""
    return OverviewLine(_sign(state), "last run", where, f"{ready}{left}")


def _sign(state: State) -> str:
    return {State.DONE: "=", State.PARTIAL: "!"}.get(state, "x")
