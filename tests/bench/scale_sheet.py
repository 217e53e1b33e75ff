"""What was measured with many hosts, and the table, the targets and the account made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import fill

from core.engine.runner import FLUSH_S
from core.steps.work import CONNECTS_AT_ONCE

WIDTH = 100
HEADER = (
    "| what | hosts | wall s | all facts after s | peak MB | engine CPU s | hosts' CPU s "
    "| commits/s | rows/s | in the busiest second | rows/s a host |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True)
class ScaleFigure:
    """One command on many hosts.

    Args:
        label: The command.
        hosts: How many hosts.
        wall_s: The whole command.
        facts_s: From its start until the facts of all hosts were in the journal.
        peak_bytes: The most memory that the engine had.
        cpu_s: The engine's processor time.
        hosts_cpu_s: The processor time of the process that plays the hosts.
        commits: How often the engine wrote to the journal.
        rows: How many rows it wrote.
        most_rows: How many of them in the busiest second.
    """

    label: str
    hosts: int
    wall_s: float
    facts_s: float
    peak_bytes: int
    cpu_s: float
    hosts_cpu_s: float
    commits: int
    rows: int
    most_rows: int

    @property
    def rows_a_host_and_second(self) -> float:
        """How many rows it wrote for each host in a second."""
        return self.rows / self.wall_s / self.hosts


@dataclass
class ScaleSheet:
    """All figures of a run."""

    figures: list[ScaleFigure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, figure: ScaleFigure) -> None:
        """Keep a figure and print it."""
        self.figures.append(figure)
        print(_row(figure), flush=True)


def _row(figure: ScaleFigure) -> str:
    cells = [
        figure.label,
        str(figure.hosts),
        f"{figure.wall_s:.1f}",
        f"{figure.facts_s:.1f}",
        f"{figure.peak_bytes / 1e6:.0f}",
        f"{figure.cpu_s:.1f}",
        f"{figure.hosts_cpu_s:.1f}",
        f"{figure.commits / figure.wall_s:.1f}",
        f"{figure.rows / figure.wall_s:.0f}",
        str(figure.most_rows),
        f"{figure.rows_a_host_and_second:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def table(sheet: ScaleSheet) -> str:
    """Return the table."""
    return "\n".join([HEADER, *map(_row, sheet.figures)])


def targets(sheet: ScaleSheet) -> str:
    """Return each target with what was measured."""
    most = max(figure.hosts for figure in sheet.figures)
    all_hosts = [figure for figure in sheet.figures if figure.hosts == most]
    wanted = [
        *(
            (f"facts of all {most} hosts: {figure.label}", figure.facts_s, 60.0, "s")
            for figure in all_hosts
        ),
        ("engine memory", max(f.peak_bytes for f in all_hosts) / 1e6, 400.0, "MB"),
        (
            "transactions of the journal",
            max(figure.commits / figure.wall_s for figure in sheet.figures),
            1 / FLUSH_S + 1,
            "a second",
        ),
        (
            f"rows written to the journal, {most} hosts, over the whole run",
            max(figure.rows_a_host_and_second for figure in all_hosts),
            1.0,
            "a host and second",
        ),
        (
            f"the same in the busiest second, {most} hosts",
            max(figure.most_rows / figure.hosts for figure in all_hosts),
            1.0,
            "a host",
        ),
    ]
    lines = ["| target | wanted | measured | |", "| --- | --- | --- | --- |"]
    for what, found, bound, unit in wanted:
        met = "met" if found <= bound else "**not met**"
        lines.append(f"| {what} | <= {bound:g} {unit} | {found:.2f} | {met} |")
    return "\n".join(lines)


def limits(sheet: ScaleSheet) -> str:
    """Say what limits it, with the figures of the same run."""
    most = max(figure.hosts for figure in sheet.figures)
    rows = {figure.label: figure for figure in sheet.figures if figure.hosts == most}
    check, warm = rows["check"], rows["configure-hosts"]
    facts = (
        f"Facts: {CONNECTS_AT_ONCE} connections are made at a time, which is one core: the "
        f"engine uses {check.cpu_s / most * 1000:.0f} ms of it for each host (a handshake, a "
        "command, its rows in the journal), the process that plays the hosts "
        f"{check.hosts_cpu_s / most * 1000:.0f} ms. Where each host's shell is a real one, those "
        "shells take the cores, which on a site are the hosts' own."
    )
    images = (
        f"Images: the engine uses {warm.cpu_s / most * 1000:.0f} ms of a core for each host, most "
        "of it questions to Docker through its SDK and the progress of pulls; the bytes go through "
        "the tunnels' process or the site's registry, not through the engine. What limits a real "
        "site first is `ssh.concurrency`, and then what its hosts unpack and its line carries."
    )
    journal = (
        "The journal: each host's facts are lines of its log, written once, so the rows of a "
        "second follow the pace of connecting, and a run that is slower has fewer of them; the "
        "transactions, which are what the disk waits for, do not grow with the hosts."
    )
    texts = (facts, images, journal)
    return "\n\n".join(fill(text, WIDTH, break_on_hyphens=False) for text in texts)
