"""Recorded runs instead of made-up ones: what is asked for is answered with what a real run wrote.

A fake engine all the same (see fake_engine): it replaces the starting of a process. The rows that
it writes are those of real engines, in the order in which they came.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from core.bundle.discovery import find_bundles
from core.bundle.listing import list_bundle
from core.cluster import cluster_directory, cluster_files, write_files
from core.config import Config, ensure_state_dir, load_config
from core.engine.journal import Journal, State, TaskRow, journal_path
from core.engine.request import RunKind, RunRequest
from core.secrets import NO_SECRETS, Secrets
from tests.support.archives import sample_images, write_bundle
from tests.tui.fake_engine import FakeEngine
from tests.tui.recording import RecordedRun, Recording

Clock = Callable[[], float]
CLUSTER_RUNS = (RunKind.INSTALL, RunKind.CONFIGURE_HOSTS, RunKind.IMPORT)


class RecordedEngine(FakeEngine):
    """Plays the runs of a recording: each kind's first run first, and its last one for ever.

    Args:
        recording: The runs.
        clock: What the time is when a run begins, in seconds since the epoch.
        held_at: The part of a run's time that is over where it is held.
    """

    def __init__(
        self, recording: Recording, clock: Clock = time.time, held_at: float = 0.5
    ) -> None:
        super().__init__()
        self._held_at = held_at
        self._recording = recording
        self._clock = clock
        self._played: list[RecordedRun] = []
        self._begun: dict[int, tuple[RecordedRun, float]] = {}
        self._configs: dict[int, Config] = {}

    def start(self, request: RunRequest, secrets: Secrets = NO_SECRETS) -> int:
        if self.refusal:
            raise self.refusal
        self.secrets = secrets
        self.requests.append(request)
        recorded = self._next(request)
        config = load_config(request.config)
        held = request.kind in self.holds
        begun = self._clock() - recorded.seconds * (self._held_at if held else 1)
        journal = Journal(ensure_state_dir(config))
        options = {**recorded.options, "config": str(request.config)}
        run = journal.begin(recorded.kind, config.mode, str(config.path), options, os.getpid())
        journal.add_tasks(run, recorded.plan)
        journal.close()
        self._begun[run] = recorded, begun
        self._configs[run] = config
        if held:
            self._play(config.state_dir, run, self._held_at)
        else:
            self.go_on(config.state_dir, run)
        return run

    def go_on(self, state_dir: Path, run: int) -> None:
        """Let a run come to its end."""
        recorded, begun = self._begun[run]
        self._play(state_dir, run, 1)
        if RunKind(recorded.kind) in CLUSTER_RUNS and State(recorded.state) is State.DONE:
            write_for_cluster(self._configs[run])
        journal = Journal(state_dir)
        journal.end(run, State(recorded.state), recorded.message)
        journal.close()
        with closing(sqlite3.connect(journal_path(state_dir))) as db, db:
            db.execute("UPDATE runs SET ended = ? WHERE id = ?", (begun + recorded.seconds, run))

    def _play(self, state_dir: Path, run: int, fraction: float) -> None:
        """Write what had been written when a part of the run's time was over."""
        recorded, begun = self._begun[run]
        _, tasks, lines = recorded.until(fraction)
        journal = Journal(state_dir)
        moved = [replace(line, at=line.at + begun) for line in lines]
        journal.save(run, list(_at(tasks, begun)), moved)
        journal.close()
        with closing(sqlite3.connect(journal_path(state_dir))) as db, db:
            db.execute("UPDATE runs SET started = ? WHERE id = ?", (begun, run))

    def _next(self, request: RunRequest) -> RecordedRun:
        """Return the run that answers a request: of its hosts if there is one, else of all."""
        hosts = list(request.hosts)
        runs = [run for run in self._recording.runs if run.kind == request.kind]
        fitting = [run for run in runs if run.options.get("hosts", []) == hosts] or runs
        fresh = [run for run in fitting if run not in self._played]
        chosen = (fresh or fitting[-1:])[0]
        self._played.append(chosen)
        return chosen


def _at(tasks: Iterable[TaskRow], begun: float) -> Iterable[TaskRow]:
    """Yield tasks with times of the clock."""
    for task in tasks:
        started = None if task.started is None else task.started + begun
        ended = None if task.ended is None else task.ended + begun
        yield replace(task, started=started, ended=ended)


def site_files(directory: Path, recording: Recording) -> Path:
    """Make the files that a recorded config names, and return the config's path (not written)."""
    images = directory / "imgs"
    images.mkdir(parents=True)
    install = next(run for run in recording.runs if run.kind == RunKind.INSTALL)
    for task in install.plan:
        step, _, name = task.step.partition(":")
        if step == "bundle.import":
            compress = name.endswith(".gz")
            write_bundle(images / name, sample_images()[: 2 if compress else 1], compress=compress)
    (images / "readme.txt").write_text("no bundle", encoding="utf-8")
    (directory / "docker-v-5.2.0-1549281.tar.gz").write_bytes(b"not looked into by the screens")
    (directory / "id_ed25519").write_text("no key: nobody logs in\n", encoding="utf-8")
    (directory / "known_hosts").write_text("", encoding="utf-8")
    return directory / "airctl-config.yaml"


def recorded_site(directory: Path, recording: Recording) -> Path:
    """Make the site of a recording, and return its config."""
    config = site_files(directory, recording)
    config.write_text(recording.config, encoding="utf-8")
    return config


def write_for_cluster(config: Config) -> None:
    """Write what a run leaves for the cluster side, from the bundles in imagesDir."""
    found, _ = find_bundles(config.images_dir)
    write_files(cluster_directory(config), cluster_files(config, map(list_bundle, found)))
