"""Recording real runs: `python -m tests.tui.record CONFIG FILE RUN [RUN...]`.

A RUN is a kind, or a kind and hosts: `check plan install configure-hosts:worker-03`. The runs are
made by real engines on the site of CONFIG, one after the other, and added to FILE. Whatever names
this machine in them is replaced: the config's directories, the numbers of processes.

The recordings of tests/tui/recorded were made by `python -m tests.lab.recordings`.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.config import load_config
from core.engine.journal import JournalReader, State, TaskRow
from core.engine.launcher import start_run, true_state
from core.engine.request import RunKind, RunRequest
from tests.tui.recording import Moment, RecordedRun, Recording, as_json

LOOK_S = 0.1


def record_run(request: RunRequest) -> RecordedRun:
    """Start a run, look at its journal until it has ended, and return all of it."""
    state_dir = load_config(request.config).state_dir
    run, reader = start_run(request), JournalReader(state_dir)
    known: dict[tuple[str, str], TaskRow] = {}
    plan: tuple[TaskRow, ...] = ()
    moments: list[Moment] = []
    after, ended = 0, False
    while not ended:
        row = reader.run(run)
        assert row is not None
        ended = true_state(row, state_dir) is not State.RUNNING  # before the last look, not after
        tasks = [_from(task, row.started) for task in reader.tasks(run)]
        lines = reader.log(run, after=after)
        after = lines[-1].id if lines else after
        plan = plan or plan_of(tasks)
        new = [task for task in tasks if known.get((task.target, task.step)) != task]
        known |= {(task.target, task.step): task for task in new}
        if new or lines:
            since = tuple(replace(line, id=0, at=line.at - row.started) for line in lines)
            moments.append(Moment(row.seconds, tuple(new), since))
        time.sleep(0 if ended else LOOK_S)
    row = reader.run(run)
    assert row is not None
    options = {name: value for name, value in row.options.items() if value}
    return RecordedRun(
        row.kind, row.mode, options, row.state, row.message, row.seconds, plan, tuple(moments)
    )


def plan_of(tasks: Sequence[TaskRow]) -> tuple[TaskRow, ...]:
    """Return tasks as they were before anything was done."""
    return tuple(TaskRow(task.target, task.step, task.title) for task in tasks)


def _from(task: TaskRow, begun: float) -> TaskRow:
    """Return a task with times since its run began."""
    started = None if task.started is None else task.started - begun
    ended = None if task.ended is None else task.ended - begun
    return replace(task, started=started, ended=ended)


def neutral(recording: Recording, names: dict[str, str]) -> str:
    """Return a recording as text in which nothing names the machine it was made on.

    Args:
        recording: What was recorded.
        names: What is replaced by what; the longest first.
    """
    text = as_json(recording)
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, names[name])
    return re.sub(r"\b(process|pid) \d+", r"\1 4711", text)


def parse(word: str, config: Path) -> RunRequest:
    """Return the run that a word of the command line asks for."""
    kind, _, hosts = word.partition(":")
    return RunRequest(RunKind(kind), config, hosts=tuple(filter(None, hosts.split(","))))


def main(arguments: Sequence[str]) -> int:
    """Record what the command line names."""
    if len(arguments) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    config, target = Path(arguments[0]).absolute(), Path(arguments[1])
    runs = [record_run(parse(word, config)) for word in arguments[2:]]
    recording = Recording(config.read_text(encoding="utf-8"), tuple(runs))
    target.write_text(neutral(recording, {str(config.parent): "/srv/site"}), encoding="utf-8")
    print(f"{target}: {target.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
