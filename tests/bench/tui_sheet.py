"""What was measured of the screens, and the tables and targets made of it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

FIRST_PAINT_S, KEY_S, REPAINTS = 1.0, 0.050, 4.0
LINE_BYTES_A_SECOND = 960
ESC = "Esc"
"""Has no target: it is told from the keys that begin with it by waiting."""
OLDEST_S = 6.0
"""How old what is shown may be on a slow line: two looks at the run, and the way over the line."""


@dataclass(frozen=True)
class Flow:
    """What a program sent while a run was at work.

    Args:
        label: What was measured.
        seconds: For how long.
        sent_bytes: How many bytes came.
        repaints: How many bursts of them.
        cpu_s: The processor time of its process.
        oldest_s: How far the clock on the screen was behind; None where there is none.
    """

    label: str
    seconds: float
    sent_bytes: int
    repaints: int
    cpu_s: float
    oldest_s: float | None = None


@dataclass
class TuiSheet:
    """All figures of a run: starts and keys in seconds."""

    starts: dict[str, list[float]] = field(default_factory=dict)
    keys: dict[str, list[float]] = field(default_factory=dict)
    flows: list[Flow] = field(default_factory=list)
    quits: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def flow(self, label: str) -> Flow:
        """Return a flow by its label."""
        return next(flow for flow in self.flows if flow.label == label)


def percentile(values: list[float], part: float) -> float:
    """Return the value below which a part of all values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def starts_table(sheet: TuiSheet) -> str:
    """Return the table of starts."""
    lines = ["| start | starts | median s | slowest s |", "| --- | --- | --- | --- |"]
    for label, values in sheet.starts.items():
        row = f"{statistics.median(values):.2f} | {max(values):.2f}"
        lines.append(f"| {label} | {len(values)} | {row} |")
    return "\n".join(lines)


def keys_table(sheet: TuiSheet) -> str:
    """Return the table of keys."""
    lines = ["| key | keys | p50 ms | p95 ms | slowest ms |", "| --- | --- | --- | --- | --- |"]
    for label, values in sheet.keys.items():
        found = (percentile(values, 0.5), percentile(values, 0.95), max(values))
        cells = " | ".join(f"{1000 * value:.0f}" for value in found)
        lines.append(f"| {label} | {len(values)} | {cells} |")
    return "\n".join(lines)


def flows_table(sheet: TuiSheet) -> str:
    """Return the table of what is sent."""
    head = "| what | bytes/s | repaints/s | bytes a repaint | CPU % | behind, s |"
    lines = [head, "| --- | --- | --- | --- | --- | --- |"]
    for flow in sheet.flows:
        cells = [
            flow.label,
            f"{flow.sent_bytes / flow.seconds:.0f}",
            f"{flow.repaints / flow.seconds:.1f}",
            f"{flow.sent_bytes / max(1, flow.repaints):.0f}",
            f"{100 * flow.cpu_s / flow.seconds:.0f}",
            "-" if flow.oldest_s is None else f"{flow.oldest_s:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def targets(sheet: TuiSheet) -> str:
    """Return each target with what was measured."""
    wanted = [
        *(
            (f"first screen: {label}", statistics.median(values), FIRST_PAINT_S, "s")
            for label, values in sheet.starts.items()
        ),
        *(
            (f"a key is answered (p95): {label}", 1000 * percentile(values, 0.95), 50.0, "ms")
            for label, values in sheet.keys.items()
            if label != ESC
        ),
        *(
            (f"repaints: {flow.label}", flow.repaints / flow.seconds, REPAINTS, "a second")
            for flow in sheet.flows
            if flow.oldest_s is not None
        ),
        *(
            (f"what is shown is behind: {flow.label}", flow.oldest_s, OLDEST_S, "s")
            for flow in sheet.flows
            if flow.oldest_s is not None
        ),
        *((f"it ends: {label}", seconds, 5.0, "s") for label, seconds in sheet.quits.items()),
    ]
    lines = ["| target | wanted | measured | |", "| --- | --- | --- | --- |"]
    for what, found, bound, unit in wanted:
        met = "met" if found <= bound else "**not met**"
        lines.append(f"| {what} | <= {bound:g} {unit} | {found:.2f} | {met} |")
    return "\n".join(lines)
