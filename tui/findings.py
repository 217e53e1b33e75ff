"""What is found when the program starts: config, bundles, registry, runs."""

from __future__ import annotations

import socket
from collections import Counter
from dataclasses import dataclass

from core.bundle import find_bundles
from core.config import Mode
from core.engine.journal import ENDED_WELL, RunRow, State
from core.engine.report import count, size, targets_of, unfinished_hosts
from core.engine.request import CHANGING
from core.errors import AirferryError
from tui.progress import planned_bytes, progress_of
from tui.site import Site, Snapshot
from tui.text import when

PROBE_TIMEOUT_S = 0.3
THIS_MACHINE = "du"


@dataclass(frozen=True)
class Finding:
    """One line of what was found: subject, where, and what about it."""

    sign: str
    subject: str
    where: str
    what: str


@dataclass(frozen=True)
class Findings:
    """All that the Start screen needs to know."""

    lines: tuple[Finding, ...]
    at_work: RunRow | None
    percent: int
    last_run: RunRow | None
    failed_hosts: tuple[str, ...]


def gather(site: Site) -> Findings:
    """Look around. Blocks for milliseconds, or as long as a slow stick takes to list."""
    at_work = site.launcher.at_work(site.config.state_dir)
    runs = [run for run in site.reader.runs() if run.kind in CHANGING]
    known = {host.name for host in site.config.hosts}
    failed = tuple(name for name in unfinished_hosts(site.reader) if name in known)
    last = site.look(runs[0].id) if runs else None
    lines = [_config(site), _bundles(site)]
    if site.config.mode is Mode.DU:
        lines.append(_registry(site))
    if last:
        lines.append(_last_run(last))
    percent = 0
    if last:
        planned = planned_bytes(site, last.run.id)
        percent = int(100 * progress_of(last.tasks, planned).fraction)
    return Findings(tuple(lines), at_work, percent, last.run if last else None, failed)


def _config(site: Site) -> Finding:
    hosts = count(len(site.config.hosts), "host")
    if site.problems:
        return Finding("x", "config", str(site.path), count(len(site.problems), "problem"))
    return Finding("=", "config", str(site.path), f"mode {site.config.mode}, {hosts}")


def _bundles(site: Site) -> Finding:
    where = str(site.config.images_dir)
    try:
        found, ignored = find_bundles(site.config.images_dir)
    except AirferryError as error:
        return Finding("x", "bundles", where, error.what.removeprefix(f"{where}: "))
    if not found:
        return Finding("!", "bundles", where, f"none ({count(len(ignored), 'other file')})")
    total = size(sum(file.size_bytes for file in found))
    return Finding("=", "bundles", where, f"{count(len(found), 'bundle')}, {total}")


def _registry(site: Site) -> Finding:
    port = site.config.registry_port
    where = f"127.0.0.1:{port}"
    try:
        socket.create_connection(("127.0.0.1", port), PROBE_TIMEOUT_S).close()
    except OSError:
        return Finding(".", "registry", where, "not running")
    return Finding("=", "registry", where, "answers")


def _last_run(last: Snapshot) -> Finding:
    run, state = last.run, last.state
    where = f"{when(run.started)}, {run.kind}"
    if state is State.RUNNING:
        return Finding(">", "last run", where, "at work")
    targets = [target for target in targets_of(last.tasks) if target.name != THIS_MACHINE]
    tally = Counter(target.state in ENDED_WELL for target in targets)
    if not targets:
        return Finding(_sign(state), "last run", where, state.value)
    if state not in (State.DONE, State.FAILED):
        so_far = f"{state}; {tally[True]} of {len(targets)} ready"
        return Finding(_sign(state), "last run", where, so_far)
    failed = f", {tally[False]} not" if tally[False] else ""
    ready = f"{tally[True]} of {count(len(targets), 'host')} ready{failed}"
    return Finding(_sign(state), "last run", where, ready)


def _sign(state: State) -> str:
    return "=" if state is State.DONE else "x"
