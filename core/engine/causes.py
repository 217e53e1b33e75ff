"""Why targets of a run failed and what it warned of, grouped: each cause once, with its targets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from core.engine.rows import RunRow, TaskRow
from core.steps.base import DU
from core.warnings import Warned, title_of
from core.words import count


@dataclass(frozen=True)
class Cause:
    """Failures, or warnings, that have one cause and one remedy.

    Args:
        code: Of the error or of the warning.
        remedy: What to do.
        targets: Whom it concerns.
        what: What happened, as the first of them says it.
    """

    code: str
    remedy: str
    targets: tuple[str, ...]
    what: str


def causes_of(tasks: Iterable[TaskRow]) -> list[Cause]:
    """Group failures by code and remedy, in the order in which they come; bundles stay apart."""
    grouped: dict[tuple[str, str, str], list[TaskRow]] = {}
    for task in tasks:
        if task.error_code:
            of_bundle = task.step if ":" in task.step else ""  # each has faults of its own
            grouped.setdefault((task.error_code, task.remedy, of_bundle), []).append(task)
    return [
        Cause(code, remedy, tuple(dict.fromkeys(row.target for row in rows)), rows[0].error)
        for (code, remedy, _), rows in grouped.items()
    ]


def warnings_of(tasks: Iterable[TaskRow], run: RunRow | None = None) -> list[Cause]:
    """Group warnings by code and remedy, in the order in which they come.

    Those of one target that say different things stay apart: two bundles, two file systems.

    Args:
        tasks: The tasks of a run.
        run: The run, whose own warnings come first.
    """
    grouped: dict[tuple[str, str, int], list[tuple[str, str]]] = {}
    seen: dict[tuple[str, str, str], dict[str, None]] = {}
    for target, warning in _warned(tasks, run):
        told = seen.setdefault((target, warning.code, warning.remedy), {})
        if warning.what not in told:
            told[warning.what] = None
            key = (warning.code, warning.remedy, len(told))
            grouped.setdefault(key, []).append((target, warning.what))
    return [
        Cause(code, remedy, tuple(target for target, _ in found), found[0][1])
        for (code, remedy, _), found in grouped.items()
    ]


def _warned(tasks: Iterable[TaskRow], run: RunRow | None) -> Iterator[tuple[str, Warned]]:
    for warning in run.warnings if run else ():
        yield DU, warning
    for task in tasks:
        for warning in task.warnings:
            yield task.target, warning


def without_target(words: str, target: str) -> str:
    """Return what is said of a target without its name, which stands beside it anyway."""
    where = re.compile(rf"^(retry \d+: )?{re.escape(target)}( \(\S+\))?:? ")
    return where.sub(lambda found: found[1] or "", words)


def warned_words(cause: Cause) -> str:
    """Return what a warning is about: `the clock is wrong on 12 hosts`, or of one what it is."""
    title = title_of(cause.code) or cause.what
    if cause.targets == (DU,):
        return title
    if len(cause.targets) == 1:
        return f"{title} on {cause.targets[0]}"
    return f"{title} on {on_targets(cause.targets)}"


def on_targets(targets: Sequence[str]) -> str:
    """Return how many they are: `12 hosts`, or `2 targets` where this machine is one of them."""
    return count(len(targets), "target" if DU in targets else "host")


def what_of(cause: Cause) -> str:
    """Return what happened; where several say it, whose words these are."""
    words = without_target(cause.what, cause.targets[0])
    if len(cause.targets) > 1 and cause.targets[0] != DU:
        return f"{cause.targets[0]}: {words}"
    return words
