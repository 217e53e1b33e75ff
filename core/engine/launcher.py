"""Starting an engine that outlives the terminal, finding the one at work, holding and ending it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from core.bundle.source import DESCRIPTORS
from core.config import ensure_state_dir, load_config
from core.engine.journal import JournalReader, RunRow, State
from core.engine.lock import lock_is_held
from core.engine.request import CHANGING, RunRequest
from core.engine.retry_requests import RetryRequests
from core.errors import AirferryError, InternalError, kinds_by_code, of_local_files
from core.secrets import NO_SECRETS, Secrets, without_secrets
from core.service import let_go, start_time_of


def start_run(request: RunRequest, secrets: Secrets = NO_SECRETS) -> int:
    """Start a detached engine and return the id of its run.

    Args:
        request: What is to be done.
        secrets: What was typed to log in to the hosts; they go through the engine's pipe only.

    Raises:
        ConfigError: the config is wrong, or names files that are not there.
        BusyError: another run is at work.
        AirferryError: whatever else keeps the engine from beginning.
    """
    state_dir = ensure_state_dir(load_config(request.config))
    secrets = secrets.with_environment(os.environ)
    with (state_dir / "engine.log").open("ab") as log, _handed_on(request) as (request, handles):
        process = subprocess.Popen(
            [sys.executable, "-m", "core.engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env=without_secrets(os.environ),
            text=True,
            pass_fds=handles,
        )
    let_go(process)
    if process.stdin is None or process.stdout is None:
        raise InternalError("the engine has no pipes")
    with process.stdin as stdin, process.stdout as stdout:
        with suppress(BrokenPipeError):  # it ended at once: that it says nothing says enough
            stdin.write(f"{request.to_json()}\n{secrets.to_json()}\n")
            stdin.flush()
        line = stdout.readline()
    return _run_id(line, state_dir)


@contextmanager
def _handed_on(request: RunRequest) -> Iterator[tuple[RunRequest, list[int]]]:
    """Give descriptors that are to be imported numbers that the engine does not use itself."""
    paths, handles = [], []
    for path in dict.fromkeys(request.bundles):
        if path.parent == DESCRIPTORS:
            handles.append(os.dup(int(path.name)))
            path = DESCRIPTORS / str(handles[-1])
        paths.append(path)
    try:
        yield replace(request, bundles=tuple(paths)), handles
    finally:
        for handle in handles:
            os.close(handle)


def _run_id(line: str, state_dir: Path) -> int:
    try:
        answer = json.loads(line)
    except ValueError:
        raise InternalError(
            "the engine did not start", remedy=f"Look at {state_dir / 'engine.log'}."
        ) from None
    if "run" in answer:
        return int(answer["run"])
    kind = kinds_by_code().get(answer["code"], AirferryError)
    raise kind(answer["error"], remedy=answer["remedy"])


def run_at_work(state_dir: Path) -> RunRow | None:
    """Return the run whose engine is alive and changes things, or None."""
    newest = next((run for run in JournalReader(state_dir).runs() if run.kind in CHANGING), None)
    if newest and newest.state is State.RUNNING and lock_is_held(state_dir):
        return newest
    return None


def true_state(run: RunRow, state_dir: Path) -> State:
    """Return a run's state; one that says `running` while its engine is dead was interrupted."""
    if run.state is not State.RUNNING or _alive(run, state_dir):
        return run.state
    # It may have ended between the look at its row and the look for its engine.
    now = JournalReader(state_dir).run(run.id)
    return now.state if now and now.state is not State.RUNNING else State.INTERRUPTED


def _alive(run: RunRow, state_dir: Path) -> bool:
    if run.kind in CHANGING:
        return lock_is_held(state_dir)
    return bool(start_time_of(run.pid))


def try_again(run: RunRow, state_dir: Path, hosts: Iterable[str]) -> bool:
    """Ask a run at work to try hosts again that failed in it; False if it has ended.

    Raises:
        AirferryError: it cannot be asked.
    """
    if true_state(run, state_dir) is not State.RUNNING:
        return False
    try:
        return RetryRequests(state_dir, run.id).ask(hosts)
    except OSError as error:
        raise of_local_files(error, "the request") from error


def cancel_run(run: RunRow, state_dir: Path) -> bool:
    """Ask a run's engine to end; False if it has ended already."""
    return _told(run, state_dir, signal.SIGTERM)


def pause_run(run: RunRow, state_dir: Path) -> bool:
    """Ask a run's engine to hold it; False if it has ended, or cannot be held.

    The journal says soon after that it is held; what is in the middle of something then comes to
    its next stop by itself.
    """
    return _heeds(run.pid, signal.SIGUSR1) and _told(run, state_dir, signal.SIGUSR1)


def resume_run(run: RunRow, state_dir: Path) -> bool:
    """Ask a run's engine to let it go on; False if it has ended."""
    return _heeds(run.pid, signal.SIGUSR2) and _told(run, state_dir, signal.SIGUSR2)


def _told(run: RunRow, state_dir: Path, number: signal.Signals) -> bool:
    if true_state(run, state_dir) is not State.RUNNING:
        return False
    try:
        os.kill(run.pid, number)
    except ProcessLookupError:
        return False
    return True


def _heeds(pid: int, number: signal.Signals) -> bool:
    """Whether a process handles a signal: the engine of an earlier version would die of it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    masks = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    handled = int(masks["SigCgt"], 16) | int(masks["SigBlk"], 16)
    return bool(handled >> (number - 1) & 1)
