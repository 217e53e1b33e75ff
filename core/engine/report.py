"""The report of a run: the same numbers from the journal for screen, text and JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from core.engine.causes import causes_of, warnings_of
from core.engine.journal import ENDED_WELL, JournalReader, LogLine, RunRow, State, TaskRow
from core.engine.request import CLEANS, GCS, HOST_JOBS, KEEPS, REPAIRS, RunKind
from core.engine.summary import LINES, summary_lines
from core.telling import LEFT_OUT, PARTICULAR, Detail, particulars_in
from core.words import size

# Steps that only look, so that "nothing to do" would be an odd thing to say of them.
LOOKS = frozenset({"connect", "preflight", "registry.reach", "registry.scan"})
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


def fares_words(run: RunRow, state: State) -> str:
    """Return how a run fares, in words: `done, 2 left out`."""
    if is_paused(run, state):
        return "paused"
    return f"done, {run.message}" if state is State.PARTIAL else state.value


def is_paused(run: RunRow, state: State) -> bool:
    """Whether a run is held; an engine that was killed while it was holds nothing any more."""
    return run.paused is not None and state is State.RUNNING


def particulars_of(lines: Iterable[LogLine]) -> list[Detail]:
    """Return what the steps of a run last told one by one.

    Args:
        lines: Its log; those of level `particular` are looked at.
    """
    newest = {(line.target, line.step): line.text for line in lines if line.level == PARTICULAR}
    # The step that verifies tells again what those of single bundles have told.
    return list(dict.fromkeys(one for text in newest.values() for one in particulars_in(text)))


def particular_text(one: Detail) -> str:
    """Return a particular as a line."""
    sized = f"  {size(one.size_bytes)}" if one.size_bytes else ""
    names = f"  in {', '.join(one.names)}" if one.names and one.subject not in one.names else ""
    return f"{one.what:<10} {one.subject}{sized}{names}{one.note and f'  ({one.note})'}"


def report_record(
    run: RunRow, state: State, tasks: Iterable[TaskRow], particulars: Iterable[Detail] = ()
) -> dict[str, object]:
    """Return the report as JSON data."""
    tasks = list(tasks)
    told = [asdict(one) for one in particulars]
    return {
        **({"particulars": told} if told else {}),
        "run": run.id,
        "kind": run.kind,
        "mode": run.mode,
        "state": state.value,
        "started": datetime.fromtimestamp(run.started, UTC).isoformat(timespec="seconds"),
        "seconds": round(run.seconds, 2),
        "paused": is_paused(run, state),
        "seconds_worked": round(run.worked_s, 2),
        "message": run.message,
        "left_out": sum(one["what"] == LEFT_OUT for one in told),
        "causes": [asdict(cause) for cause in causes_of(tasks)],
        "warnings": [asdict(cause) for cause in warnings_of(tasks, run)],
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
        "attempt": task.attempt,
        "bytes": task.bytes_done or (task.bytes_total if task.state is State.MISSING else 0),
        "message": task.message,
        "error": error,
        "warnings": [warning.record() for warning in task.warnings],
    }


def report_text(
    run: RunRow,
    state: State,
    tasks: Iterable[TaskRow],
    particulars: Iterable[Detail] = (),
    log: Iterable[LogLine] = (),
) -> str:
    """Return the report in plain words (readable as Markdown); the summary is the end of it.

    Args:
        run: The run.
        state: How it fares in truth.
        tasks: Its tasks.
        particulars: What its steps told one by one.
        log: Entries of its log that are to be in it.
    """
    tasks = list(tasks)
    targets = targets_of(tasks)
    verdict = verdict_of(run.kind, targets)
    lines = [f"# {headline_of(run, state)}", "", verdict, ""]
    if run.message and state is not State.PARTIAL:
        lines += [run.message, ""]
    for target in targets:
        lines += _target_lines(target)
    told = [f"    {particular_text(one)}" for one in particulars]
    lines += ["", *told] if told else []
    logged = [log_text(line) for line in log]
    lines += ["", "## Log", "", *(f"    {line}" for line in logged)] if logged else []
    failures, warnings = causes_of(tasks), warnings_of(tasks, run)
    if failures or warnings or len(lines) > LINES:
        lines += ["", *summary_lines(f"## {headline_of(run, state)}", verdict, failures, warnings)]
    return "\n".join(lines)


def headline_of(run: RunRow, state: State) -> str:
    """Return which run it is, and how it fares."""
    fares = fares_words(run, state)
    return f"Run {run.id}: {run.kind}, mode {run.mode}: {fares}, {clock(run.seconds)}"


def _target_lines(target: Target) -> Iterator[str]:
    yield f"{sign(target.state)} {target.name}: {target.state.value}"
    for task in target.tasks:
        yield f"    {_step_line(task)}"
    for task in target.tasks:
        if task.error_code:
            yield f"    x {task.error} [{task.error_code}]"
        for warning in task.warnings:
            yield f"    ! {warning.what} [{warning.code}]"


def verdict_of(kind: str, targets: Sequence[Target]) -> str:
    """Return in a sentence how many targets of a run are as they should be."""
    return _verdict(kind, targets, [t for t in targets if t.state in ENDED_WELL])


def _verdict(kind: str, targets: Sequence[Target], ready: Sequence[Target]) -> str:
    if kind == RunKind.CHECK:
        return f"{len(ready)} of {len(targets)} hosts can take part."
    if kind == RunKind.VERIFY:
        return f"{len(ready)} of {len(targets)} targets have everything."
    if kind == RunKind.TAKE:
        good = targets and len(ready) == len(targets)
        return "The bundles are in imagesDir." if good else "Not all bundles are in imagesDir."
    if kind == RunKind.CLEAN and len(ready) < len(targets):
        return f"{len(ready)} of {len(targets)} hosts are clean."
    if kind == RunKind.REGISTRY_VERIFY:
        whole = targets and len(ready) == len(targets)
        return "What the registry has stored is whole." if whole else "The registry is not whole."
    if kind == RunKind.REPAIR and len(ready) == len(targets):
        return "The registry is whole."
    if kind in (RunKind.GC, RunKind.KEEP) and len(ready) == len(targets):
        return "The registry is cleared up."
    if kind == RunKind.BACKUP and len(ready) == len(targets):
        return "The registry is backed up."
    if targets and all(target.nothing_to_do for target in targets):
        return "Nothing had to be done: everything is there already."
    if kind == RunKind.RESTORE and len(ready) == len(targets):
        return "The registry is as the backup says."
    if kind == RunKind.CLEAN:
        return f"{len(ready)} of {len(targets)} hosts are clean: what Airferry brought is gone."
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


def log_text(line: LogLine) -> str:
    """Return an entry of the log with its time of day."""
    at = datetime.fromtimestamp(line.at).astimezone()
    return f"{at:%H:%M:%S} {line.target} {line.step} {line.level}: {said_in(line)}"


def said_in(line: LogLine) -> str:
    """Return what an entry of the log says, for people to read."""
    if line.level != PARTICULAR:
        return line.text
    return "\n".join(map(particular_text, particulars_in(line.text)))


def sign(state: State) -> str:
    """Return the one-character sign of a state (see the rules of the screens)."""
    return {
        State.DONE: "=",
        State.PRESENT: "-",
        State.RUNNING: ">",
        State.WAITING: ".",
        State.MISSING: "+",
    }.get(state, "x")


def left_out_words(number: int) -> str:
    """Return what is said of a run that did all but for what it left out."""
    return f"{number} left out"


def clock(seconds: float) -> str:
    """Return a duration: `0:31`, `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def unfinished_hosts(reader: JournalReader, hosts: Collection[str]) -> list[str]:
    """Return the hosts that did not end well in the newest run that each took part in.

    Args:
        reader: The journal; read back only until every host was met.
        hosts: The names that count: of all that ever were, those of the config.
    """
    wanted, newest = frozenset(hosts) - {"du"}, dict[str, State]()
    for run in reader.runs():
        if len(newest) == len(wanted):
            break
        if run.kind in HOST_JOBS:
            for target in targets_of(reader.tasks(run.id)):
                if target.name in wanted:
                    newest.setdefault(target.name, target.state)
    return sorted(name for name, state in newest.items() if state not in ENDED_WELL)


def nothing_words(kind: RunKind) -> str:
    """Return why a dry run of this kind found nothing to do, in words."""
    if kind in CLEANS:
        return "nothing of Airferry's is there"
    if kind in REPAIRS:
        return "what the registry has stored is whole"
    if kind in (*GCS, *KEEPS):
        return "the registry has nothing that could go"
    return "everything is there already"
