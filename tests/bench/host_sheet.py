"""What was measured of warming hosts, and the table and the targets made of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from statistics import median
from textwrap import fill

WIDTH = 100
CORES = os.cpu_count() or 1
PULL = "Airferry, pull"
LOAD = "Airferry, load"
SCP = "scp + docker load"
ANSIBLE = "Ansible copy + docker load"
BARE = "docker pull by hand, 5 at once, `ssh -R`"

HEADER = (
    "| what | hosts | rounds | wall s | warming s | ratio to scp | MB over the line | of the tar's "
    "| DU CPU s | hosts' CPU s |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True)
class HostFigure:
    """One way to warm some hosts, measured once.

    Args:
        wall_s: The whole command, from start to end.
        warm_s: The step that warms the caches alone, the slowest host's; None for other ways.
        line_bytes: What the hosts' network interfaces received, all together.
        cpu_s: The DU's processor time: the commands, the registry, the tunnels.
        hosts_cpu_s: The hosts' processor time, all together.
    """

    wall_s: float
    warm_s: float | None
    line_bytes: int
    cpu_s: float
    hosts_cpu_s: float = 0.0


@dataclass(frozen=True)
class Release:
    """What the next release, in which one layer is another, cost a host. Sizes in bytes."""

    layer_bytes: int
    line_bytes: int
    wall_s: float


@dataclass
class HostSheet:
    """All figures of a run."""

    tar_bytes: int = 0
    rows: dict[tuple[str, int], list[HostFigure]] = field(default_factory=dict)
    release: Release | None = None
    notes: list[str] = field(default_factory=list)

    def add(self, label: str, hosts: int, figure: HostFigure) -> None:
        """Keep a figure and print it."""
        self.rows.setdefault((label, hosts), []).append(figure)
        print(
            f"{label:42} {hosts} hosts {figure.wall_s:7.2f} s {_or_dash(figure.warm_s, '.2f'):>7} "
            f"{figure.line_bytes / 1e6:7.0f} MB {figure.cpu_s:6.2f} CPU s, hosts "
            f"{figure.hosts_cpu_s:.2f}",
            flush=True,
        )

    def best(self, label: str, hosts: int) -> HostFigure | None:
        """Return the fastest round."""
        return min(self.rows.get((label, hosts), []), key=lambda f: f.wall_s, default=None)

    def ratio(self, label: str, other: str, hosts: int) -> float | None:
        """Return how many times as long as another row a row took: the median of the rounds.

        A round's rows are measured one after the other, so what else the machine does meets them
        more alike than rows of different rounds.
        """
        pairs = zip(self.rows.get((label, hosts), []), self.rows.get((other, hosts), []))  # noqa: B905 - a round may be unfinished
        ratios = [figure.wall_s / base.wall_s for figure, base in pairs]
        return median(ratios) if ratios else None

    def share(self, label: str, hosts: int) -> float | None:
        """Return the bytes over the line, a host, to the tar's."""
        figure = self.best(label, hosts)
        return figure.line_bytes / hosts / self.tar_bytes if figure else None


def table(sheet: HostSheet) -> str:
    """Return the table."""
    return "\n".join([HEADER, *(_row(sheet, *key) for key in sheet.rows)])


def _row(sheet: HostSheet, label: str, hosts: int) -> str:
    figure = sheet.best(label, hosts)
    if figure is None:
        raise KeyError(label)
    cells = [
        label,
        str(hosts),
        str(len(sheet.rows[label, hosts])),
        f"{figure.wall_s:.2f}",
        _or_dash(figure.warm_s, ".2f"),
        _or_dash(sheet.ratio(label, SCP, hosts), ".2f"),
        f"{figure.line_bytes / 1e6:.0f}",
        _or_dash(sheet.share(label, hosts), ".3f"),
        f"{figure.cpu_s:.2f}",
        f"{figure.hosts_cpu_s:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def targets(sheet: HostSheet) -> str:
    """Return each target with what was measured."""
    wanted: list[tuple[str, float | None, float]] = []
    for hosts in sorted({hosts for _, hosts in sheet.rows}):
        on = f"{hosts} host{'s' if hosts > 1 else ''}"
        wanted += [
            (f"{on}: bytes of pull, to the tar's", sheet.share(PULL, hosts), 0.45),
            (f"{on}: bytes of load, to the tar's", sheet.share(LOAD, hosts), 0.45),
            (f"{on}: wall of pull, to scp + load", sheet.ratio(PULL, SCP, hosts), 0.7),
            (f"{on}: wall of pull, to bare pulls", sheet.ratio(PULL, BARE, hosts), 1.1),
        ]
    if sheet.release:
        share = sheet.release.line_bytes / sheet.release.layer_bytes
        wanted.append(("next release: bytes, to the one changed layer's", share, 1.1))
    lines = ["| target | wanted | measured | |", "| --- | --- | --- | --- |"]
    for what, found, bound in wanted:
        cells = [what, f"<= {bound:g}", _or_dash(found, ".3f"), _verdict(found, bound)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def limits(sheet: HostSheet) -> str:
    """Say what limits it, with the figures of the same run; nothing where a row is missing."""
    most = max((hosts for _, hosts in sheet.rows), default=0)
    pull, scp = sheet.best(PULL, most), sheet.best(SCP, most)
    if pull is None or scp is None:
        return ""
    totals = pull.cpu_s + pull.hosts_cpu_s, scp.cpu_s + scp.hosts_cpu_s
    text = (
        f"Unpacking: of the {totals[0]:.0f} CPU s that {most} hosts and the DU use for pulls, the "
        f"hosts use {pull.hosts_cpu_s:.0f}; with scp and `docker load` it is "
        f"{scp.hosts_cpu_s:.0f} of {totals[1]:.0f}. Here they all share the same {CORES} cores, so "
        f"that with {most} hosts at once no way can be much faster than another: the processor "
        f"time alone makes a ratio of {totals[0] / totals[1]:.2f}. One host leaves cores free: "
        "there pulls can win, because Docker unpacks several images at once, while `docker load` "
        "takes one layer after the other and begins when the last byte has come. On a site each "
        "host has cores of its own, and what all share is the DU's line, where the bytes count."
    )
    return fill(text, WIDTH, break_on_hyphens=False)


def _verdict(found: float | None, bound: float) -> str:
    if found is None:
        return "not measured"
    return "met" if found <= bound else "**not met**"


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
