"""One table of all phases, and below it what failed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.suite.running import Outcome

COUNTED = ("passed", "failed", "errors", "skipped")
_LAST_LINE = re.compile(r"^(?:=+ )?(\d+ \w+(?:, \d+ \w+)*) in [\d.:]+s\b", re.MULTILINE)
_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)\b")
_FAILURE = re.compile(r"^(?:FAILED|ERROR) \S.*$", re.MULTILINE)
_HEADINGS = ("phase", "wall s", "processor s", *COUNTED, "")
_TAIL_LINES = 15


def counts(printed: str) -> dict[str, int]:
    """Return how many tests passed, failed and so on, as pytest's last lines say.

    Args:
        printed: All that a phase printed; empty if it ran no tests.
    """
    found = dict.fromkeys(COUNTED, 0)
    for line in _LAST_LINE.findall(printed):
        for number, word in _COUNT.findall(line):
            name = {"error": "errors", "xfailed": "failed", "xpassed": "failed"}.get(word, word)
            found[name] += int(number)
    return found


def failures(outcome: Outcome) -> list[str]:
    """Return what is to be said of a phase that failed: its failed tests, else its last lines."""
    found = _FAILURE.findall(outcome.printed)
    if outcome.status and not found:
        found = outcome.printed.splitlines()[-_TAIL_LINES:]
    return [*found, *(f"left running: {command}" for command in outcome.left)]


def ending(outcome: Outcome) -> str:
    """Return in a word or two how a phase ended."""
    if outcome.overdue:
        return "NO END"
    if not outcome.ended:
        return "interrupted"
    if outcome.failed:
        return "FAILED"
    return "ok"


def table(outcomes: Sequence[Outcome], wall_s: float, busy_s: float) -> str:
    """Return the table of all phases, with a line for the whole.

    Args:
        outcomes: Phases, in the order in which they ended.
        wall_s: How long all of it took; less than the sum, as phases run side by side.
        busy_s: Processor seconds of the whole machine meanwhile, whoever used them.
    """
    rows: list[tuple[str, ...]] = [_HEADINGS]
    for outcome in outcomes:
        rows.append(_row(outcome.name, outcome.wall_s, outcome.processor_s, outcome.printed))
        rows[-1] = (*rows[-1][:-1], ending(outcome))
    everything = "\n".join(outcome.printed for outcome in outcomes)
    processor_s = sum(outcome.processor_s for outcome in outcomes)
    rows.append(_row("all", wall_s, processor_s, everything))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    lines.append(f"processor seconds of the whole machine, whoever used them: {busy_s:.0f}")
    return "\n".join(lines)


def machine_busy_s(stat: str | None = None) -> float:
    """Return the processor seconds that this machine has worked since it was started.

    Args:
        stat: What the kernel says of it, where that is known already.
    """
    text = stat if stat is not None else Path("/proc/stat").read_text(encoding="ascii")
    user, nice, system, _idle, _iowait, irq, softirq = map(int, text.split()[1:8])
    return (user + nice + system + irq + softirq) / 100  # in USER_HZ, which is 100 on Linux


def _row(name: str, wall_s: float, processor_s: float, printed: str) -> tuple[str, ...]:
    found = counts(printed)
    numbers = (str(found[key] or "") for key in COUNTED)
    return (name, f"{wall_s:.1f}", f"{processor_s:.1f}", *numbers, "")


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    words = zip(row, widths, strict=True)
    return [
        word.rjust(width) if 0 < column < len(row) - 1 else word.ljust(width)
        for column, (word, width) in enumerate(words)
    ]
