"""A run at work on many hosts without hosts: `python -m tests.bench.busy_site STATE CONFIG HOSTS`.

It writes rows as an engine does: through the journal, with the engine's lock, every host's task
changed in each transaction, as often as an engine writes. It ends when its input is closed.
"""

from __future__ import annotations

import os
import random
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from core.engine.journal import Journal, LogLine, State, TaskRow
from core.engine.lock import engine_lock, note_holder
from core.engine.request import RunKind
from core.engine.runner import FLUSH_S

STEPS = (
    ("connect", "connect"),
    ("preflight", "preflight"),
    ("docker.install", "docker"),
    ("docker.configure", "docker config"),
    ("tunnel.open", "tunnel"),
    ("images.warm", "images"),
    ("images.verify", "verify"),
)
HERE = (("registry.serve", "registry"), ("tunnels.serve", "tunnel service"))
IMAGES = ("calico-node:3.15", "kube-apiserver:v1.21.3", "coredns:v1.8.0", "etcd:3.4.13-0")
IMAGES_BYTES = 40_000_000_000
IMAGE_S = 5.0
"""How long a host takes for an image."""
EVERY_NTH_FAILED = 100
LINES_OF = 10
"""One of so many hosts has something to say in each transaction."""


def main(arguments: list[str]) -> int:
    """Write until the input is closed."""
    state_dir, config, hosts = Path(arguments[0]), arguments[1], int(arguments[2])
    names = [f"host-{number:03}" for number in range(hosts)]
    with engine_lock(state_dir):
        journal = Journal(state_dir)
        run = journal.begin(RunKind.INSTALL, "du", config, {}, os.getpid())
        note_holder(state_dir, run)
        journal.add_tasks(run, planned(names))
        tasks = list(done_before(names))
        journal.save(run, tasks, [])
        at_work = [task for task in tasks if task.state is State.RUNNING]
        print(run, flush=True)
        while not select.select([sys.stdin], [], [], FLUSH_S)[0]:
            said = [went_on(task) for task in at_work]
            journal.save(run, at_work, random.sample(said, len(said) // LINES_OF))
        journal.end(run, State.CANCELLED, "")
        journal.close()
    return 0


def planned(names: list[str]) -> list[TaskRow]:
    """Return the plan of an install."""
    rows = [TaskRow("du", step, title) for step, title in HERE]
    return rows + [TaskRow(name, step, title) for name in names for step, title in STEPS]


def done_before(names: list[str]) -> Iterator[TaskRow]:
    """Yield tasks as they are when all hosts take their images, but a few that failed."""
    now = time.time()
    for step, title in HERE:
        yield TaskRow("du", step, title, State.DONE, 1, started=now - 9, ended=now - 8)
    for number, name in enumerate(names):
        failed = not number % EVERY_NTH_FAILED
        for step, title in STEPS[: 1 if failed else 6]:
            task = TaskRow(name, step, title, State.DONE, 1, started=now - 60, ended=now - 50)
            if failed:
                task.state, task.error_code = State.FAILED, "E-SSH-ROUTE"
                task.error = f"{name}: no route to host"
                task.remedy = "Check cable and power."
            elif step == "images.warm":
                task.state, task.ended, task.bytes_total = State.RUNNING, None, IMAGES_BYTES
                task.started = now - random.randrange(50)  # noqa: S311 - no secret
            yield task


def went_on(task: TaskRow) -> LogLine:
    """Let a task go on by half a second, and return what it says of that."""
    task.rate = random.uniform(5e6, 15e6)  # noqa: S311 - no secret
    task.bytes_done = min(task.bytes_total, task.bytes_done + int(task.rate * FLUSH_S * 20))
    if random.random() < FLUSH_S / IMAGE_S:  # noqa: S311 - no secret
        task.message = f"{task.target}: {random.choice(IMAGES)}"  # noqa: S311 - no secret
    return LogLine(0, time.time(), task.target, task.step, "info", f"pulling {task.message}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
