"""A fake engine for the screens' tests, handed in by constructor.

It is a fake because real runs need the hosts of the lab; all that it replaces is the starting of a
process. Its runs are real rows, written through the real journal, which the screens read as ever.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from core.config import Config, ensure_state_dir, load_config
from core.engine.journal import Journal, JournalReader, LogLine, RunRow, State, TaskRow
from core.engine.request import RunKind, RunRequest
from core.errors import AirferryError
from core.secrets import NO_SECRETS, Secrets
from core.telling import PARTICULAR, Detail, particulars_text

Script = Callable[[RunRequest, Config], list[TaskRow]]
FACTS = "Debian GNU/Linux 12 (bookworm), no Docker, 23 GiB"


class FakeEngine:
    """Starts runs that end at once, or stay at work until they are told to go on.

    Args:
        script: Returns a run's tasks as they end; a run that ends well where none is given.
    """

    def __init__(self, script: Script | None = None) -> None:
        self.script: Script = script or well
        self.requests: list[RunRequest] = []
        self.secrets: Secrets = NO_SECRETS
        self.refusal: AirferryError | None = None
        self.holds: frozenset[RunKind] = frozenset()
        self.log: list[LogLine] = []
        self.cancelled: list[int] = []
        self.again: list[str] = []
        self.left_out: list[Detail] = []

    def start(self, request: RunRequest, secrets: Secrets = NO_SECRETS) -> int:
        if self.refusal:
            raise self.refusal
        self.secrets = secrets
        self.requests.append(request)
        config = load_config(request.config)
        tasks = self.script(request, config)
        journal = Journal(ensure_state_dir(config))
        options: dict[str, object] = {"hosts": list(request.hosts)} if request.hosts else {}
        run = journal.begin(request.kind, config.mode, str(config.path), options, os.getpid())
        journal.add_tasks(run, [TaskRow(t.target, t.step, t.title) for t in tasks])
        if request.kind not in self.holds:
            left = (
                [line(particulars_text(self.left_out), "du", PARTICULAR)] if self.left_out else []
            )
            journal.save(run, tasks, [*self.log, *left])
            state = ended(tasks)
            in_part = state is State.DONE and left
            message = f"{len(self.left_out)} left out" if in_part else ""
            journal.end(run, State.PARTIAL if in_part else state, message)
        journal.close()
        return run

    def write(
        self, state_dir: Path, run: int, tasks: Iterable[TaskRow], lines: Iterable[LogLine] = ()
    ) -> None:
        """Let a run that is held come so far."""
        journal = Journal(state_dir)
        journal.save(run, tasks, lines)
        journal.close()

    def finish(self, state_dir: Path, run: int, tasks: list[TaskRow]) -> None:
        """Let a run that is held end."""
        journal = Journal(state_dir)
        journal.save(run, tasks, [])
        journal.end(run, ended(tasks), "")
        journal.close()

    def at_work(self, state_dir: Path) -> RunRow | None:
        runs = [run for run in JournalReader(state_dir).runs() if RunKind(run.kind).changes_things]
        return runs[0] if runs and runs[0].state is State.RUNNING else None

    def true_state(self, run: RunRow, state_dir: Path) -> State:  # noqa: ARG002
        return run.state

    def pause(self, run: RunRow, state_dir: Path) -> bool:
        return self._hold(run, state_dir, paused=True)

    def resume(self, run: RunRow, state_dir: Path) -> bool:
        return self._hold(run, state_dir, paused=False)

    def _hold(self, run: RunRow, state_dir: Path, *, paused: bool) -> bool:
        if self.true_state(run, state_dir) is not State.RUNNING:
            return False
        journal = Journal(state_dir)
        journal.hold(run.id, paused=paused)
        journal.close()
        return True

    def cancel(self, run: RunRow, state_dir: Path) -> bool:
        self.cancelled.append(run.id)
        journal = Journal(state_dir)
        tasks = JournalReader(state_dir).tasks(run.id)
        for task in tasks:
            if task.state in (State.WAITING, State.RUNNING):
                task.state = State.CANCELLED
        journal.save(run.id, tasks, [])
        journal.end(run.id, State.CANCELLED, "")
        journal.close()
        return True

    def try_again(self, run: RunRow, state_dir: Path, hosts: Sequence[str]) -> bool:  # noqa: ARG002
        self.again += hosts
        return run.state is State.RUNNING


def ended(tasks: Iterable[TaskRow]) -> State:
    """Return how a run with these tasks ends."""
    good = (State.DONE, State.PRESENT, State.MISSING)
    return State.DONE if all(task.state in good for task in tasks) else State.FAILED


def task(target: str, step: str, state: State, message: str = "", size_bytes: int = 0) -> TaskRow:
    """Return a task that took a second."""
    now = time.time()
    done = size_bytes if state is State.DONE else 0
    return TaskRow(
        target,
        step,
        step.partition(":")[0],
        state,
        1,
        done,
        size_bytes,
        0.0,
        message,
        started=now - 1,
        ended=now,
    )


def failed(target: str, step: str, error: AirferryError) -> TaskRow:
    """Return a task that failed."""
    row = task(target, step, State.FAILED, error.what)
    row.error_code, row.error, row.remedy = error.code, error.what, error.remedy
    return row


def hosts_of(request: RunRequest, config: Config) -> list[str]:
    """Return the hosts that a run is about."""
    return [host.name for host in config.hosts if not request.hosts or host.name in request.hosts]


def well(request: RunRequest, config: Config) -> list[TaskRow]:
    """Return the tasks of a run in which nothing goes wrong."""
    hosts = hosts_of(request, config)
    if request.kind is RunKind.CHECK:
        return [row for host in hosts for row in checked(host)]
    if request.kind is RunKind.PLAN:
        return planned_here() + [row for host in hosts for row in planned(host)]
    return installed_here() + [row for host in hosts for row in installed(host)]


def checked(host: str) -> list[TaskRow]:
    """Return a check of a host that is fit."""
    return [
        task(host, "connect", State.PRESENT, FACTS),
        task(host, "preflight", State.PRESENT),
    ]


def planned_here() -> list[TaskRow]:
    """Return what a dry run finds on this machine before the first install."""
    return [
        task("du", "registry.serve", State.MISSING, "the registry does not run"),
        task("du", "bundle.import:extra.tar", State.MISSING, "not imported yet", 102_943_744),
    ]


def planned(host: str) -> list[TaskRow]:
    """Return what a dry run finds on a bare host."""
    return [
        task(host, "connect", State.PRESENT, FACTS),
        task(host, "docker.install", State.MISSING, "Docker (4 packages)", 65_163_909),
        task(host, "images.warm", State.MISSING, "6 images", 304_596_992),
    ]


def installed_here() -> list[TaskRow]:
    """Return this machine's part of an install."""
    return [
        task("du", "registry.serve", State.DONE),
        task("du", "bundle.import:extra.tar", State.DONE, "", 102_943_744),
    ]


def installed(host: str) -> list[TaskRow]:
    """Return a host's part of an install."""
    return [
        task(host, "connect", State.PRESENT, FACTS),
        task(host, "docker.install", State.DONE, "Docker 20.10.24", 65_163_909),
        task(host, "images.warm", State.DONE, "", 90_445_274),
    ]


def line(text: str, target: str = "", level: str = "info") -> LogLine:
    """Return a line of the log."""
    return LogLine(0, time.time(), target, "step", level, text)
