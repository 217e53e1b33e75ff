"""Journals of real runs, kept as JSON: every change that an engine wrote, with its time.

Made by `tests.tui.record`, played again by `tests.tui.replay`. Times are seconds since the run
began, so that a run can be put at any date.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from core.engine.journal import LogLine, TaskRow
from core.warnings import warnings_in

RECORDED = Path(__file__).with_name("recorded")
"""Where the recordings are."""
_TIMES = ("started", "ended")
_DEFAULTS = TaskRow("", "", "")
_CHANGING = [
    field.name for field in fields(TaskRow) if field.name not in ("target", "step", "title")
]


@dataclass(frozen=True)
class Moment:
    """What one look at the journal found new: tasks as they then were, and lines of the log."""

    at_s: float
    tasks: tuple[TaskRow, ...]
    lines: tuple[LogLine, ...]


@dataclass(frozen=True)
class RecordedRun:
    """One run.

    Args:
        kind: Its kind.
        mode: The site's mode then.
        options: What it was asked for.
        state: How it ended.
        message: What it said at its end.
        seconds: How long it took.
        plan: Its tasks before anything was done.
        moments: How it went on.
    """

    kind: str
    mode: str
    options: dict[str, object]
    state: str
    message: str
    seconds: float
    plan: tuple[TaskRow, ...]
    moments: tuple[Moment, ...]

    def until(self, fraction: float) -> tuple[float, list[TaskRow], list[LogLine]]:
        """Return how it stood when a part of its time was over: seconds, changed tasks, log."""
        at_s = self.seconds * fraction
        tasks: dict[tuple[str, str], TaskRow] = {}
        lines: list[LogLine] = []
        for moment in self.moments:
            if fraction < 1 and moment.at_s > at_s:
                break
            tasks |= {(task.target, task.step): task for task in moment.tasks}
            lines += moment.lines
        return at_s, list(tasks.values()), lines


@dataclass(frozen=True)
class Recording:
    """The runs of one site, in their order, and the config that they had."""

    config: str
    runs: tuple[RecordedRun, ...]


def read_recording(name: str) -> Recording:
    """Return a recording of this directory by its name."""
    values = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    return Recording(values["config"], tuple(_run(run) for run in values["runs"]))


def as_json(recording: Recording) -> str:
    """Return a recording as text, a line for each moment."""
    runs = ",\n".join(_run_json(run) for run in recording.runs)
    return f'{{"config": {json.dumps(recording.config)}, "runs": [\n{runs}\n]}}\n'


def _run_json(run: RecordedRun) -> str:
    head = {
        "kind": run.kind,
        "mode": run.mode,
        "options": run.options,
        "state": run.state,
        "message": run.message,
        "seconds": round(run.seconds, 3),
        "plan": [[task.target, task.step, task.title] for task in run.plan],
    }
    places = {(task.target, task.step): number for number, task in enumerate(run.plan)}
    known = dict.fromkeys(places, _DEFAULTS)
    moments = []
    for moment in run.moments:
        changes = []
        for task in moment.tasks:
            key = (task.target, task.step)
            changes.append([places[key], _changed(known[key], task)])
            known[key] = task
        lines = [[round(x.at, 3), x.target, x.step, x.level, x.text] for x in moment.lines]
        moments.append(json.dumps([round(moment.at_s, 3), changes, lines]))
    listed = ",\n".join(moments)
    return f'{json.dumps(head)[:-1]}, "moments": [\n{listed}]}}'


def _changed(before: TaskRow, after: TaskRow) -> dict[str, object]:
    """Return the fields that differ; three digits of times and rates are enough."""
    found = {}
    for name in _CHANGING:
        value = getattr(after, name)
        if value != getattr(before, name):
            found[name] = round(value, 3) if isinstance(value, float) else value
    if after.warnings != before.warnings:
        found["warnings"] = [asdict(warning) for warning in after.warnings]
    return found


def _as_fields(values: dict[str, object]) -> dict[str, object]:
    """Return changed fields as a row has them."""
    if "warnings" not in values:
        return values
    return {**values, "warnings": warnings_in(json.dumps(values["warnings"]))}


def _run(values: dict[str, object]) -> RecordedRun:
    plan = tuple(TaskRow(*names) for names in values.pop("plan"))  # type: ignore[attr-defined]
    moments = tuple(_moments(values.pop("moments"), plan))
    return RecordedRun(**values, plan=plan, moments=moments)  # type: ignore[arg-type]


def _moments(found: object, plan: tuple[TaskRow, ...]) -> Iterator[Moment]:
    known = list(plan)
    for at_s, changes, lines in found:  # type: ignore[attr-defined]
        for place, values in changes:
            known[place] = replace(known[place], **_as_fields(values))
        yield Moment(
            at_s,
            tuple(known[place] for place, _ in changes),
            tuple(LogLine(0, *line) for line in lines),
        )
