"""The engine's process: detached from every terminal, told what to do on its standard input.

It answers one line of JSON on standard output (the run's id, or why there is none) and is on its
own from then on. SIGTERM and SIGINT cancel the run; SIGHUP means nothing to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from core.bundle import BundleFile, bundle_file, find_bundles, parse_reference
from core.config import Config, Mode, ensure_state_dir, load_config, missing_files
from core.engine.journal import Journal, State
from core.engine.plan import build_plan
from core.engine.request import CHANGING, RunKind, RunRequest
from core.engine.runner import Runner
from core.errors import (
    AirferryError,
    BusyError,
    ConfigError,
    InternalError,
    UnsafeBundle,
    UsageError,
)
from core.steps.work import ImportOptions, Work

LOCK_NAME = "engine.lock"
LOCK_PATIENCE_S = 1.0
_NEEDS_BUNDLES = frozenset(
    {RunKind.INSTALL, RunKind.IMPORT, RunKind.CONFIGURE_HOSTS, RunKind.PLAN, RunKind.VERIFY}
)


def main() -> int:
    """Run the engine; the process's exit code."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        request = RunRequest.from_json(sys.stdin.readline())
        return _serve(request)
    except AirferryError as error:
        _answer({"code": error.code, "error": error.what, "remedy": error.remedy})
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the boundary where the process ends
        traceback.print_exc()
        fault = InternalError(f"{type(error).__name__}: {error}")
        _answer({"code": fault.code, "error": fault.what, "remedy": fault.remedy})
        return fault.exit_code


def _serve(request: RunRequest) -> int:
    config = load_config(request.config)
    _require_files(config, request)
    files = _bundle_files(config, request)
    imports = _import_options(request, files)
    state_dir = ensure_state_dir(config)
    with contextlib.ExitStack() as stack:
        if request.kind.changes_things:
            stack.enter_context(engine_lock(state_dir, LOCK_PATIENCE_S))
        journal = stack.enter_context(contextlib.closing(Journal(state_dir)))
        if request.kind.changes_things:
            journal.mark_interrupted(CHANGING)
        options = {k: v for k, v in json.loads(request.to_json()).items() if v}
        run = journal.begin(request.kind, config.mode, str(config.path), options, os.getpid())
        if request.kind.changes_things:
            _note_holder(state_dir, run)
        _answer({"run": run})
        # Not asyncio.run: what the run left behind (a channel to a host that says nothing any
        # more) is waited for by nobody, because the process ends now.
        loop = asyncio.new_event_loop()
        state = loop.run_until_complete(_carry_out(request, config, files, imports, journal, run))
    return {State.DONE: 0, State.CANCELLED: 130}.get(state, 1)


def _require_files(config: Config, request: RunRequest) -> None:
    """Refuse a run whose config names files that are not there.

    Raises:
        ConfigError: with a line for each.
        UsageError: the run makes no sense in this mode.
    """
    if request.kind is RunKind.IMPORT and config.mode is Mode.NONE:
        raise UsageError(
            "mode none has no registry to import into",
            remedy="Set privateRegistryType to du or custom, or run: airferry install",
        )
    unknown = set(request.hosts) - {host.name for host in config.hosts}
    if unknown:
        raise UsageError(f"no such host in the config: {', '.join(sorted(unknown))}")
    problems = missing_files(config)
    if request.bundles or request.kind is RunKind.CHECK:
        problems = [problem for problem in problems if problem.key != "imagesDir"]
    if request.kind is RunKind.IMPORT:
        problems = [p for p in problems if p.key in ("imagesDir", "privateRegistryCA")]
    if problems:
        raise ConfigError("\n".join(f"{config.path}:{problem}" for problem in problems))


def _bundle_files(config: Config, request: RunRequest) -> tuple[BundleFile, ...]:
    if request.bundles:
        return tuple(dict.fromkeys(bundle_file(path) for path in request.bundles))
    if request.kind not in _NEEDS_BUNDLES:
        return ()
    found, _ = find_bundles(config.images_dir)
    if not found and request.kind in (RunKind.INSTALL, RunKind.IMPORT):
        line = config.lines.get("imagesDir", 0)
        raise ConfigError(
            f"{config.path}:{line}: imagesDir: no bundle in {config.images_dir}",
            remedy="Copy the bundles there, or set imagesDir to where they are.",
        )
    return tuple(found)


async def _carry_out(
    request: RunRequest,
    config: Config,
    files: tuple[BundleFile, ...],
    imports: ImportOptions,
    journal: Journal,
    run: int,
) -> State:
    dry = not request.kind.changes_things
    work = Work(
        config,
        files,
        dry=dry,
        accept_new_keys=request.accept_new_host_keys,
        options=imports,
    )
    steps = build_plan(request, work)
    runner = Runner(steps, journal, run, dry=dry, at_once=config.ssh.concurrency)
    task = asyncio.ensure_future(runner.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    state, message = State.FAILED, ""
    try:
        state = await task
    except asyncio.CancelledError:
        state = State.CANCELLED
    except Exception as error:  # noqa: BLE001 - the boundary where the run ends
        traceback.print_exc()
        message = f"internal error: {type(error).__name__}: {error}"
    finally:
        await work.close()
        journal.end(run, state, message)
    return state


def _import_options(request: RunRequest, files: tuple[BundleFile, ...]) -> ImportOptions:
    """Return how bundles are dealt with.

    Raises:
        UsageError: a name is given, but is none, or there is more than one bundle.
    """
    if request.name and len(files) != 1:
        raise UsageError(f"--name is for one bundle; there are {len(files)}")
    try:
        name = parse_reference(request.name) if request.name else None
    except UnsafeBundle as error:
        raise UsageError(f"--name: {error.what}") from error
    return ImportOptions(
        keep_going=request.keep_going,
        later_wins=request.later_wins,
        recompress=request.recompress,
        name=name,
    )


@contextmanager
def engine_lock(state_dir: Path, patience_s: float = 0.0) -> Iterator[None]:
    """Hold the lock of a state directory; the kernel frees it when its holder dies.

    Args:
        state_dir: The state directory.
        patience_s: How long to try: who only asks whether it is held has it for a moment, too.

    Raises:
        BusyError: another engine holds it; its run is named.
    """
    with (state_dir / LOCK_NAME).open("a+", encoding="utf-8") as lock:
        deadline = time.monotonic() + patience_s
        while not _try_lock(lock):
            if time.monotonic() >= deadline:
                lock.seek(0)
                holder = lock.read().strip() or "another run"
                raise BusyError(f"{holder} is at work")
            time.sleep(0.05)
        yield


def _try_lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_is_held(state_dir: Path) -> bool:
    """Whether an engine that changes things is alive."""
    try:
        with engine_lock(state_dir):
            return False
    except BusyError:
        return True
    except FileNotFoundError:
        return False


def _note_holder(state_dir: Path, run: int) -> None:
    """Write who holds the lock into the file (whose content the lock does not cover)."""
    (state_dir / LOCK_NAME).write_text(f"run {run} (process {os.getpid()})\n", encoding="utf-8")


def _answer(record: dict[str, object]) -> None:
    """Give the launcher its line, then let go of its pipe."""
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(record), flush=True)
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())
