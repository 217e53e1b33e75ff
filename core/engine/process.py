"""The engine's process: detached from every terminal, told what to do on its standard input.

The first line is the request, the second what was typed to log in; neither is kept.

It answers one line of JSON on standard output (the run's id, or why there is none) and is on its
own from then on. SIGTERM and SIGINT cancel the run, SIGUSR1 holds it and SIGUSR2 lets it go on;
SIGHUP means nothing to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path

from core.bundle.discovery import bundle_file, find_bundles
from core.bundle.model import BundleFile
from core.bundle.reference import parse_reference
from core.config import Config, Mode, ensure_state_dir, load_config, missing_files
from core.engine.drift import REGISTRY_BASE, differences
from core.engine.jobs.table import job_of
from core.engine.journal import EXIT_CODES, Journal, LogLine, State
from core.engine.lock import engine_lock, note_holder
from core.engine.plan import build_plan
from core.engine.report import left_out_words
from core.engine.request import (
    BACKUPS,
    CHANGING,
    CLEANS,
    RECONFIGURES,
    RESTORES,
    UPKEEP,
    RunKind,
    RunRequest,
)
from core.engine.retry_requests import RetryRequests
from core.engine.runner import Runner
from core.errors import (
    AirferryError,
    BundleError,
    ConfigError,
    InternalError,
    LocalFilesError,
    UnsafeBundle,
    UsageError,
    of_local_files,
)
from core.secrets import Secrets
from core.steps.base import DU
from core.steps.work import ImportOptions, Saving, Work
from core.warnings import LEFT_OVER

LOCK_PATIENCE_S = 1.0
HOLDING = (signal.SIGUSR1, signal.SIGUSR2)


def main() -> int:
    """Run the engine; the process's exit code."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, HOLDING)  # kept until the run can be held
    try:
        request = RunRequest.from_json(sys.stdin.readline())
        return _serve(request, Secrets.from_json(sys.stdin.readline()))
    except AirferryError as error:
        return _refuse(error)
    except OSError as error:
        return _refuse(of_local_files(error, "the engine"))
    except Exception as error:  # noqa: BLE001 - the boundary where the process ends
        traceback.print_exc()
        return _refuse(InternalError(f"{type(error).__name__}: {error}"))


def _refuse(error: AirferryError) -> int:
    """Tell the launcher why there is no run; the process's exit code."""
    _answer({"code": error.code, "error": error.what, "remedy": error.remedy})
    return error.exit_code


def _serve(request: RunRequest, secrets: Secrets) -> int:
    config = load_config(request.config)
    _require(config, request)
    found = _bundle_files(config, request)
    files = tuple(found)
    imports = _import_options(request, files)
    saving = _saving(request)
    state_dir = ensure_state_dir(config)
    with contextlib.ExitStack() as stack:
        if request.kind.changes_things:
            stack.enter_context(engine_lock(state_dir, LOCK_PATIENCE_S))
        journal = stack.enter_context(contextlib.closing(Journal(state_dir)))
        if request.kind.changes_things:
            journal.mark_interrupted(CHANGING)
        work = Work(
            config,
            files,
            dry=not request.kind.changes_things,
            accept_new_keys=request.accept_new_host_keys,
            compared_keys=request.compared_keys,
            options=imports,
            unopened={file: error for file, error in found.items() if error is not None},
            secrets=secrets,
            saving=saving,
            generations=request.generations,
            reconfigures=request.kind in RECONFIGURES,
            examines=request.kind in (RunKind.PLAN, RunKind.PLAN_RECONFIGURE)
            and not request.hosts_only,
        )
        # Loads what speaks to hosts, if there are any: nobody is to see a run without steps.
        steps = build_plan(request, work)
        options = {k: v for k, v in json.loads(request.to_json()).items() if v}
        if config.mode is Mode.CUSTOM:
            options[REGISTRY_BASE] = config.registry_base
        run = journal.begin(request.kind, config.mode, str(config.path), options, os.getpid())
        if request.kind.changes_things:
            note_holder(state_dir, run)
        asked = RetryRequests(state_dir, run) if request.kind.changes_things else None
        if asked:
            asked.open()
            stack.callback(asked.close)
        _note_left_over(config, request, journal, run)
        runner = Runner(
            steps,
            journal,
            run,
            dry=work.dry,
            at_once=config.ssh.concurrency,
            asked=asked.take if asked else tuple,
            pause=work.pause,
        )
        _answer({"run": run})
        # Not asyncio.run: what the run left behind (a channel to a host that says nothing any
        # more) is waited for by nobody, because the process ends now.
        loop = asyncio.new_event_loop()
        state = loop.run_until_complete(_carry_out(runner, work, journal, run))
    return EXIT_CODES[state]


def _note_left_over(config: Config, request: RunRequest, journal: Journal, run: int) -> None:
    """Warn where a run adds a new way of serving hosts and leaves an earlier one as it is."""
    if request.kind not in (RunKind.INSTALL, RunKind.CONFIGURE_HOSTS, RunKind.PLAN):
        return
    found = differences(config)
    if found:
        warning = LEFT_OVER.of(differences="; ".join(found))
        journal.warn(run, warning)
        journal.save(run, [], [LogLine(0, time.time(), DU, "run", "warning", warning.text)])


def _require(config: Config, request: RunRequest) -> None:
    """Refuse a run that makes no sense on this site, or whose config names files that are gone.

    Raises:
        ConfigError: with a line for each.
        UsageError: with what can be done instead.
    """
    job = job_of(request)
    job.require(config)
    unknown = set(request.hosts) - {host.name for host in config.hosts}
    if unknown:
        raise UsageError(f"no such host in the config: {', '.join(sorted(unknown))}")
    problems = [problem for problem in missing_files(config) if job.needs_files_of(problem.key)]
    if problems:
        raise ConfigError("\n".join(f"{config.path}:{problem}" for problem in problems))


def _bundle_files(config: Config, request: RunRequest) -> Mapping[BundleFile, BundleError | None]:
    """Return the bundles of a run, each with what keeps it from being opened: others may be well.

    Raises:
        BundleError: a bundle that is named is not there.
        ConfigError: there is none in imagesDir.
        UsageError: one must be named.
    """
    if request.bundles:
        return dict(_described(path, request) for path in request.bundles)
    if request.kind in RESTORES:
        raise UsageError("no backup is named", remedy="Name one: airferry restore FILE")
    if request.kind in (*CLEANS, *BACKUPS, *UPKEEP) or not config.images_dir.is_dir():
        return {}  # who needs the directory was told already
    listed, ignored = find_bundles(config.images_dir, pass_unreadable=True)
    found: dict[BundleFile, BundleError | None] = dict.fromkeys(listed)
    for other in ignored:
        if other.error is not None:
            found[_unopened(config.images_dir / other.name)] = other.error
    if not found and request.kind in (RunKind.INSTALL, RunKind.IMPORT):
        line = config.lines.get("imagesDir", 0)
        raise ConfigError(
            f"{config.path}:{line}: imagesDir: no bundle in {config.images_dir}",
            remedy="Copy the bundles there, or set imagesDir to where they are.",
        )
    return found


def _described(path: Path, request: RunRequest) -> tuple[BundleFile, BundleError | None]:
    try:
        return bundle_file(path), None
    except BundleError as error:
        if request.kind in RESTORES or not os.path.lexists(path):
            raise
        return _unopened(path), error


def _unopened(path: Path) -> BundleFile:
    return BundleFile(path, 0, 0)


async def _carry_out(runner: Runner, work: Work, journal: Journal, run: int) -> State:
    task = asyncio.ensure_future(runner.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    for number, act in zip(HOLDING, (work.pause.begin, work.pause.end), strict=True):
        loop.add_signal_handler(number, act)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HOLDING)
    state, message = State.FAILED, ""
    try:
        state = await task
        if state is State.PARTIAL:
            message = left_out_words(len(runner.left_out))
    except asyncio.CancelledError:
        state = State.CANCELLED
    except AirferryError as error:
        message = f"{error.what} [{error.code}]"
    except Exception as error:  # noqa: BLE001 - the boundary where the run ends
        traceback.print_exc()
        message = f"internal error: {type(error).__name__}: {error}"
    finally:
        await work.close()
        _write_end(journal, run, state, message)
    return state


def _write_end(journal: Journal, run: int, state: State, message: str) -> None:
    """Close the run in the journal; where that cannot be written, it reads as interrupted."""
    try:
        journal.end(run, state, message)
    except LocalFilesError as error:
        print(f"run {run}: {state}: {message}; {error.what}", file=sys.stderr)


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
        keep_source_registry=request.keep_source_registry,
        recompress=request.recompress,
        without_artifacts=request.without_artifacts,
        name=name,
    )


def _saving(request: RunRequest) -> Saving:
    """Return how the registry is backed up or restored.

    Raises:
        UsageError: there is no such directory to write to.
        BundleError: an earlier backup cannot be opened.
    """
    if request.kind in BACKUPS and (request.outdir is None or not request.outdir.is_dir()):
        raise UsageError(
            f"no such directory: {request.outdir or 'none is named'}",
            remedy="Name the directory that the backup goes to: --outdir DIR. Is the stick in?",
        )
    since = (bundle_file(request.since),) if request.since else ()
    return Saving(request.outdir, since, request.split_bytes, request.prune)


def _answer(record: dict[str, object]) -> None:
    """Give the launcher its line, then let go of its pipe."""
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(record), flush=True)
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())
