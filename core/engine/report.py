"""The report of a run: the same numbers from the journal for screen, text and JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from core.engine.journal import ENDED_WELL, JournalReader, RunRow, State, TaskRow
from core.engine.request import CHANGING, RunKind

# Steps that only look, so that "nothing to do" would be an odd thing to say of them.
LOOKS = frozenset({"connect", "preflight", "registry.reach"})
# The first of these that one of its steps is in is the state of a target.
_TARGET_STATES = (
    State.FAILED,
    State.BLOCKED,
    State.CANCELLED,
    State.RUNNING,
    State.INTERRUPTED,
    State.MISSING,
)


@dataclass(frozen=True)
class Target:
    """One target of a run with its tasks in order."""

    name: str
    tasks: tuple[TaskRow, ...]

    @property
    def state(self) -> State:
        """How the target fares as a whole."""
        states = {task.state for task in self.tasks}
        for state in _TARGET_STATES:
            if state in states:
                return state
        if State.WAITING in states:
            return State.WAITING if states == {State.WAITING} else State.RUNNING
        return State.DONE

    @property
    def current(self) -> TaskRow:
        """The task that says most about it now: failed, running, next to come, or the last."""
        for wanted in (State.FAILED, State.RUNNING, State.BLOCKED, State.CANCELLED, State.WAITING):
            for task in self.tasks:
                if task.state is wanted:
                    return task
        return self.tasks[-1]

    @property
    def seconds(self) -> float:
        """How long its steps took together."""
        return sum(task.seconds for task in self.tasks)

    @property
    def bytes_done(self) -> int:
        """The bytes that were moved for it."""
        return sum(task.bytes_done for task in self.tasks)

    @property
    def nothing_to_do(self) -> bool:
        """Whether all was there already."""
        return all(task.state is State.PRESENT for task in self.tasks)


def targets_of(tasks: Iterable[TaskRow]) -> list[Target]:
    """Group tasks by target, in the order of the plan."""
    grouped: dict[str, list[TaskRow]] = {}
    for task in tasks:
        grouped.setdefault(task.target, []).append(task)
    return [Target(name, tuple(rows)) for name, rows in grouped.items()]


def report_record(run: RunRow, state: State, tasks: Iterable[TaskRow]) -> dict[str, object]:
    """Return the report as JSON data."""
    return {
        "run": run.id,
        "kind": run.kind,
        "mode": run.mode,
        "state": state.value,
        "started": datetime.fromtimestamp(run.started, UTC).isoformat(timespec="seconds"),
        "seconds": round(run.seconds, 2),
        "targets": [
            {
                "name": target.name,
                "state": target.state.value,
                "steps": [_step_record(task) for task in target.tasks],
            }
            for target in targets_of(tasks)
        ],
    }


def _step_record(task: TaskRow) -> dict[str, object]:
    error = None
    if task.error_code:
        error = {"code": task.error_code, "what": task.error, "remedy": task.remedy}
    return {
        "id": task.step,
        "state": task.state.value,
        "seconds": round(task.seconds, 2),
        "bytes": task.bytes_done or (task.bytes_total if task.state is State.MISSING else 0),
        "message": task.message,
        "error": error,
    }


def report_text(run: RunRow, state: State, tasks: Iterable[TaskRow]) -> str:
    """Return the report in plain words (readable as Markdown)."""
    targets = targets_of(tasks)
    ready = [target for target in targets if target.state in ENDED_WELL]
    lines = [
        f"# Run {run.id}: {run.kind}, mode {run.mode}: {state.value}, {clock(run.seconds)}",
        "",
        _verdict(run.kind, targets, ready),
        "",
    ]
    for target in targets:
        lines.append(f"{sign(target.state)} {target.name}: {target.state.value}")
        lines += [f"    {_step_line(task)}" for task in target.tasks]
        for task in target.tasks:
            if task.error_code:
                lines += [f"    ! {task.error} [{task.error_code}]", f"      {task.remedy}"]
    return "\n".join(lines)


def _verdict(kind: str, targets: list[Target], ready: list[Target]) -> str:
    if kind == RunKind.CHECK:
        return f"{len(ready)} of {len(targets)} hosts can take part."
    if kind == RunKind.VERIFY:
        return f"{len(ready)} of {len(targets)} targets have everything."
    if targets and all(target.nothing_to_do for target in targets):
        return "Nothing had to be done: everything is there already."
    missing = sum(target.state is State.MISSING for target in targets)
    if missing:
        return f"{missing} of {len(targets)} targets lack something."
    return f"{len(ready)} of {len(targets)} targets are ready."


def _step_line(task: TaskRow) -> str:
    moved = f"  {size(task.bytes_done)}" if task.bytes_done else ""
    words = "" if task.error_code else f"  {task.message}"
    note = task.state.value
    if task.state is State.PRESENT:
        note = "ok" if task.step in LOOKS or task.step.endswith(".verify") else "nothing to do"
    return f"{sign(task.state)} {task.step:<18} {note:<14}{clock(task.seconds):>6}{moved}{words}"


def sign(state: State) -> str:
    """Return the one-character sign of a state (see the rules of the screens)."""
    return {
        State.DONE: "=",
        State.PRESENT: "-",
        State.RUNNING: ">",
        State.WAITING: ".",
        State.MISSING: "+",
    }.get(state, "x")


def size(size_bytes: float) -> str:
    """Return a size with its unit, in powers of ten: `1.3 GB`."""
    for unit, decimals in (("B", 0), ("kB", 0), ("MB", 1), ("GB", 1)):
        rounded = f"{size_bytes:.{decimals}f}"
        if float(rounded) < 1000:
            return f"{rounded} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"


def count(number: int, word: str) -> str:
    """Return a number with its noun: `1 host`, `3 hosts`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def clock(seconds: float) -> str:
    """Return a duration: `0:31`, `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def unfinished_hosts(reader: JournalReader) -> list[str]:
    """Return the hosts that did not end well in the newest run that each took part in."""
    newest: dict[str, State] = {}
    for run in reader.runs():
        if run.kind in CHANGING:
            for target in targets_of(reader.tasks(run.id)):
                newest.setdefault(target.name, target.state)
    return sorted(n for n, state in newest.items() if n != "du" and state not in ENDED_WELL)
