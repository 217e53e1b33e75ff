"""What a plan will cost, for Review: time, room, containers that stop; from the journal only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from core.engine.journal import ENDED_WELL, JournalReader, LogLine, RunRow, State, TaskRow
from core.engine.report import targets_of
from core.engine.request import CHANGING
from core.telling import CONTAINERS_GO_ON, CONTAINERS_STOP, RUN_PAUSED, RUN_RESUMED, rooms_in

DU = "du"
IMPORT, DOCKER, IMAGES = "bundle.import", "docker.install", "images.warm"
LOOKED_AT = 20
RUNS = 3
LEAST_BYTES = 1_000_000  # fewer say nothing of a rate


@dataclass(frozen=True)
class Rates:
    """How fast the last runs were.

    Args:
        bytes_per_s: By kind of step: of the import, and of each host for Docker and for images.
        here_s: The seconds that the other steps on this machine took in a run.
        host_s: The seconds that the other steps took on a host.
    """

    bytes_per_s: Mapping[str, float]
    here_s: float = 0.0
    host_s: float = 0.0


@dataclass(frozen=True)
class Estimate:
    """About how long a plan takes.

    Args:
        seconds: In all.
        rate: The bytes per second that most of it goes by.
        of: Whose rate that is: `bundle.import`, `docker.install` or `images.warm` (of one host);
            empty where no bytes are moved.
    """

    seconds: float
    rate: float = 0.0
    of: str = ""


@dataclass(frozen=True)
class Room:
    """What is left at a place when all has come that is to come; negative if it is too little."""

    target: str
    place: str
    left_bytes: int


@dataclass(frozen=True)
class Disturbed:
    """What a plan does to the containers that run on hosts now.

    Args:
        stopped: Hosts whose Docker is replaced: containers stop meanwhile.
        reloaded: Hosts whose Docker reads its settings again: containers go on.
    """

    stopped: tuple[str, ...] = ()
    reloaded: tuple[str, ...] = ()


def estimated_seconds(
    reader: JournalReader, tasks: Iterable[TaskRow], at_once: int
) -> Estimate | None:
    """Return about how long a plan takes, going by the last runs; None if they do not say.

    Args:
        reader: The journal.
        tasks: The tasks of a dry run.
        at_once: How many hosts are at work at a time.
    """
    return estimate(rates_of(reader), tasks, at_once)


def rates_of(reader: JournalReader) -> Rates:
    """Return how fast the newest runs were that moved something. Blocks for milliseconds."""
    moved: dict[str, list[list[TaskRow]]] = {}
    others: list[list[TaskRow]] = []
    candidates = [run for run in reader.runs() if run.kind in CHANGING]
    for run in candidates[:LOOKED_AT]:
        pauses = _pauses(reader, run) if run.paused_s else []
        found_tasks = (_without(pauses, task) for task in reader.tasks(run.id))
        tasks = [task for task in found_tasks if task.state in ENDED_WELL]
        for kind in (IMPORT, DOCKER, IMAGES):
            found = [t for t in tasks if _kind(t) == kind and t.bytes_done >= LEAST_BYTES]
            if found and len(moved.setdefault(kind, [])) < RUNS:
                moved[kind].append(found)
        if any(task.bytes_done for task in tasks) and len(others) < RUNS:
            others.append([task for task in tasks if not task.bytes_done])
    return Rates(
        {kind: _rate(task for run in runs for task in run) for kind, runs in moved.items()},
        here_s=_mean(sum(t.seconds for t in run if t.target == DU) for run in others),
        host_s=_mean(
            sum(task.seconds for task in target.tasks)
            for run in others
            for target in targets_of(run)
            if target.name != DU
        ),
    )


def _pauses(reader: JournalReader, run: RunRow) -> list[tuple[float, float]]:
    """Return from when to when a run was held."""
    found: list[tuple[float, float]] = []
    since, last = None, 0
    while lines := reader.log(run.id, target=DU, after=last):
        last = lines[-1].id
        for line in lines:
            if line.text == RUN_PAUSED:
                since = line.at
            elif line.text == RUN_RESUMED and since is not None:
                found.append((since, line.at))
                since = None
    return found


def _without(pauses: list[tuple[float, float]], task: TaskRow) -> TaskRow:
    """Return a task as if it had ended earlier by the time in which the run was held."""
    started, ended = task.started, task.ended
    if started is None or ended is None or not pauses:
        return task
    held_s = sum(max(0.0, min(ended, end) - max(started, since)) for since, end in pauses)
    return replace(task, ended=ended - held_s)


def estimate(rates: Rates, tasks: Iterable[TaskRow], at_once: int) -> Estimate | None:
    """Return about how long a plan takes at known rates; None where one that it needs is not known.

    Hosts get Docker beside the import, and images after it. Either way they go side by side, so
    many at once, and no faster than the slowest.
    """
    targets = targets_of(tasks)
    here = _bytes_of([t for target in targets if target.name == DU for t in target.tasks])
    hosts = [_bytes_of(t.tasks) for t in targets if t.name != DU and _can_be_done(t.tasks)]
    needed = {kind for each in (here, *hosts) for kind, size in each.items() if size}
    if not needed <= set(rates.bytes_per_s):
        return None
    if not needed and not rates.here_s and not rates.host_s:
        return None

    def taken_s(kind: str, sizes: list[int], fixed_s: float = 0.0) -> float:
        rate = rates.bytes_per_s.get(kind, 0.0)
        each = [fixed_s + (size / rate if size else 0.0) for size in sizes]
        return max([*each, sum(each) / max(1, at_once)]) if each else 0.0

    import_s = sum(here.values()) / rates.bytes_per_s[IMPORT] if sum(here.values()) else 0.0
    docker_s = taken_s(DOCKER, [host.get(DOCKER, 0) for host in hosts], rates.host_s)
    images_s = taken_s(IMAGES, [host.get(IMAGES, 0) for host in hosts])
    first_s = max(rates.here_s + import_s, docker_s)
    longest = max(
        ((import_s, IMPORT), (docker_s, DOCKER), (images_s, IMAGES)),
        key=lambda each: each[0] if each[1] in needed else -1.0,
    )[1]
    if not needed:
        return Estimate(first_s + images_s)
    return Estimate(first_s + images_s, rates.bytes_per_s[longest], longest)


def _kind(task: TaskRow) -> str:
    return task.step.partition(":")[0]


def _bytes_of(tasks: Iterable[TaskRow]) -> dict[str, int]:
    """Return what is missing of each kind that moves bytes."""
    found: dict[str, int] = {}
    for task in tasks:
        kind = _kind(task)
        if task.state is State.MISSING and kind in (IMPORT, DOCKER, IMAGES):
            found[kind] = found.get(kind, 0) + task.bytes_total
    return found


def _can_be_done(tasks: Iterable[TaskRow]) -> bool:
    return all(task.state in ENDED_WELL for task in tasks)


def _rate(tasks: Iterable[TaskRow]) -> float:
    tasks = list(tasks)
    return sum(task.bytes_done for task in tasks) / max(0.1, sum(t.seconds for t in tasks))


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0


def rooms(lines: Iterable[LogLine]) -> Iterator[Room]:
    """Yield what the facts in a run's log say of room, the last that was said of each place."""
    found: dict[tuple[str, str], int] = {}
    for line in lines:
        for place, left_bytes in rooms_in(line.text) if line.level == "fact" else ():
            found[line.target, place] = left_bytes
    for (target, place), left_bytes in found.items():
        yield Room(target, place, left_bytes)


def tightest_room(lines: Iterable[LogLine]) -> Room | None:
    """Return the place that is fullest afterwards; None where nothing is known of any.

    Args:
        lines: The log of a dry run; those of level `fact` are looked at.
    """
    return min(rooms(lines), key=lambda room: room.left_bytes, default=None)


def disturbed(tasks: Iterable[TaskRow]) -> Disturbed:
    """Return what a plan does to containers, from the tasks of its dry run."""
    stopped, reloaded = [], []
    for task in tasks:
        if task.state is State.MISSING and CONTAINERS_STOP in task.message:
            stopped.append(task.target)
        elif task.state is State.MISSING and CONTAINERS_GO_ON in task.message:
            reloaded.append(task.target)
    return Disturbed(tuple(stopped), tuple(reloaded))
