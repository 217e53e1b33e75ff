"""The commands that tell a run at work something: pause, resume, retry, cancel."""

from __future__ import annotations

import json
import time
from argparse import Namespace

from core.cli.views import POLL_S, chosen_run, follow
from core.config import Config
from core.engine.journal import JournalReader, RunRow, State
from core.engine.launcher import (
    cancel_run,
    pause_run,
    resume_run,
    run_at_work,
    true_state,
    try_again,
)
from core.engine.report import targets_of
from core.errors import UsageError
from core.steps.base import DU


def cancel(options: Namespace, config: Config) -> int:
    """End the run that is at work."""
    run = _run_meant(options, config)
    if run is None or not cancel_run(run, config.state_dir):
        print("No run is at work.")
        return 0
    follow(config, run.id, quiet=True)
    print(f"Run {run.id} was cancelled. What is done is not done twice.")
    return 0


def pause(options: Namespace, config: Config) -> int:
    """Hold the run that is at work."""
    run = _run_meant(options, config)
    if run is None or not pause_run(run, config.state_dir):
        _say(options, {"run": None, "paused": False}, "No run is at work.")
        return 0
    if not _comes_to(run.id, config, paused=True):
        return _ended(options, run.id)
    _say(
        options,
        {"run": run.id, "paused": True},
        f"Run {run.id} is paused; what is in the middle of something comes to its next stop. "
        "Go on with: airferry resume",
    )
    return 0


def resume(options: Namespace, config: Config) -> int:
    """Let the run that is held go on."""
    run = _run_meant(options, config)
    if run is None or not resume_run(run, config.state_dir):
        _say(options, {"run": None, "paused": False}, "No run is at work.")
        return 0
    if not _comes_to(run.id, config, paused=False):
        return _ended(options, run.id)
    _say(options, {"run": run.id, "paused": False}, f"Run {run.id} goes on.")
    return 0


def retry(options: Namespace, config: Config) -> int:
    """Have hosts tried again that failed in the run at work."""
    run = run_at_work(config.state_dir)
    failed = [
        target.name
        for target in targets_of(JournalReader(config.state_dir).tasks(run.id) if run else ())
        if target.state is State.FAILED and target.name != DU
    ]
    others = sorted(set(options.hosts) - set(failed))
    if others:
        raise UsageError(
            f"no run at work in which these failed: {', '.join(others)}",
            remedy="After a run: airferry configure-hosts --only-failed",
        )
    hosts = options.hosts or failed
    asked = run is not None and bool(hosts) and try_again(run, config.state_dir, hosts)
    if run is None or not asked:
        _say(options, {"run": None, "hosts": []}, "No run is at work in which a host failed.")
        return 0
    words = f"Run {run.id} tries again: {', '.join(hosts)}"
    _say(options, {"run": run.id, "hosts": list(hosts)}, words)
    return 0


def _run_meant(options: Namespace, config: Config) -> RunRow | None:
    """Return the run that was named, else the one at work; None if there is none."""
    return chosen_run(options, config) if options.run else run_at_work(config.state_dir)


def _comes_to(run: int, config: Config, *, paused: bool) -> bool:
    """Wait until the journal says so; False if the run ended meanwhile."""
    reader = JournalReader(config.state_dir)
    while True:
        row = reader.run(run)
        if row is None or true_state(row, config.state_dir) is not State.RUNNING:
            return False
        if (row.paused is not None) is paused:
            return True
        time.sleep(POLL_S)


def _ended(options: Namespace, run: int) -> int:
    _say(options, {"run": run, "paused": False}, f"Run {run} has ended.")
    return 0


def _say(options: Namespace, record: dict[str, object], text: str) -> None:
    print(json.dumps(record) if options.json else text)
