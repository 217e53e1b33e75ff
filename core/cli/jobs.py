"""The commands that start a run and follow it to its end."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from core.bundle.discovery import find_bundles
from core.cli.bundles import given_path
from core.cli.secrets import asked_secrets
from core.cli.views import follow, print_report
from core.config import Config, missing_files
from core.engine.causes import causes_of, warnings_of
from core.engine.journal import EXIT_CODES, JournalReader, RunRow, State, TaskRow
from core.engine.launcher import start_run, true_state
from core.engine.report import (
    headline_of,
    nothing_words,
    particular_text,
    particulars_of,
    targets_of,
    unfinished_hosts,
    verdict_of,
)
from core.engine.request import RunKind, RunRequest
from core.engine.summary import summary_lines
from core.errors import ConfigError, UsageError
from core.secrets import Secrets
from core.telling import PARTICULAR
from core.words import count, size


def install(options: Namespace, config: Config) -> int:
    """Do the whole job."""
    return run_to_end(_request(RunKind.INSTALL, options, config), options, config)


def import_bundles(options: Namespace, config: Config) -> int:
    """Put bundles into the registry."""
    if Path("-") in options.bundles and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError(
            "nothing comes in on standard input", remedy="cat FILE | airferry import -"
        )
    return run_to_end(_request(RunKind.IMPORT, options, config), options, config)


def take(options: Namespace, config: Config) -> int:
    """Copy bundles from a stick into imagesDir."""
    request = RunRequest(
        RunKind.TAKE, config.path, bundles=tuple(path.absolute() for path in options.files)
    )
    return run_to_end(request, options, config)


def configure_hosts(options: Namespace, config: Config) -> int:
    """Make hosts ready."""
    if options.only_failed:
        known = {host.name for host in config.hosts}
        failed = unfinished_hosts(JournalReader(config.state_dir), known)
        if not failed:
            _say(options, {"run": None, "targets": []}, "No host failed: nothing to do.")
            return 0
        options.host = failed
    return run_to_end(_request(RunKind.CONFIGURE_HOSTS, options, config), options, config)


def verify(options: Namespace, config: Config) -> int:
    """Check registry and hosts against the bundles."""
    return run_to_end(_request(RunKind.VERIFY, options, config), options, config)


def check(options: Namespace, config: Config) -> int:
    """Check config, files, bundles directory and every host; change nothing."""
    problems = missing_files(config)
    if problems:
        raise ConfigError("\n".join(f"{config.path}:{problem}" for problem in problems))
    bundles, ignored = find_bundles(config.images_dir)
    if not options.json:
        print(f"config   {config.path}: mode {config.mode}, {count(len(config.hosts), 'host')}")
        for bundle in bundles:
            print(f"bundle   {bundle.name}  {size(bundle.size_bytes)}")
        for other in ignored:
            print(f"ignored  {other.name}: {other.reason}")
    return run_to_end(_request(RunKind.CHECK, options, config), options, config)


def plan(options: Namespace, config: Config) -> int:
    """Show what an install would do."""
    return show_plan(_request(RunKind.PLAN, options, config), options, config)


def show_plan(request: RunRequest, options: Namespace, config: Config) -> int:
    """Make a dry run, print what it found missing, and return the exit code."""
    run = start_run(request, asked_secrets(options, config))
    follow(config, run, quiet=True)
    reader = JournalReader(config.state_dir)
    tasks, found = reader.tasks(run), reader.run(run)
    if options.json:
        print_report(config, run, as_json=True)
    elif all(task.state is State.PRESENT for task in tasks):
        print(f"Nothing to do: {nothing_words(request.kind)}.")
        _print_particulars(reader, run)
    else:
        for target in targets_of(tasks):
            print(f"{target.name}:")
            for task in target.tasks:
                moved = f"  ({size(task.bytes_total)})" if task.bytes_total else ""
                if task.state is State.MISSING:
                    print(f"  + {task.step}: {task.message}{moved}")
                elif task.error_code:
                    print(f"  x {task.step}: {task.error} [{task.error_code}]")
        _print_particulars(reader, run)
    if found is None:
        return 1
    state = true_state(found, config.state_dir)
    if not options.json:
        print_summary(found, state, tasks)
    return EXIT_CODES[state]


def print_summary(run: RunRow, state: State, tasks: Sequence[TaskRow]) -> None:
    """Print why targets of a run failed, and what it warned of, if they did or it did."""
    failures, warnings = causes_of(tasks), warnings_of(tasks, run)
    if failures or warnings:
        verdict = verdict_of(run.kind, targets_of(tasks))
        lines = summary_lines(headline_of(run, state), verdict, failures, warnings)
        print("", *lines, sep="\n")


def _print_particulars(reader: JournalReader, run: int) -> None:
    for particular in particulars_of(reader.log(run, level=PARTICULAR)):
        print(f"    {particular_text(particular)}")


def _request(kind: RunKind, options: Namespace, config: Config) -> RunRequest:
    given: list[Path] = getattr(options, "bundles", [])
    return RunRequest(
        kind=kind,
        config=config.path,
        bundles=tuple(given_path(path) for path in given),
        hosts=tuple(getattr(options, "host", ())),
        skip_images=getattr(options, "skip_docker_img_import", False),
        accept_new_host_keys=getattr(options, "accept_new_host_keys", False),
        keep_going=getattr(options, "keep_going", False),
        later_wins=getattr(options, "later_wins", False),
        keep_source_registry=getattr(options, "keep_source_registry", False),
        recompress=bool(getattr(options, "recompress", "")),
        without_artifacts=getattr(options, "without_artifacts", False),
        name=getattr(options, "name", ""),
    )


def run_to_end(
    request: RunRequest, options: Namespace, config: Config, secrets: Secrets | None = None
) -> int:
    """Start a run, follow it and print its report; return the exit code.

    Args:
        request: The run.
        options: The command line.
        config: The site.
        secrets: What was typed already; it is asked for if None.
    """
    given = asked_secrets(options, config) if secrets is None else secrets
    run = start_run(request, given)
    if getattr(options, "detach", False):
        _say(options, {"run": run}, f"run {run} is at work; watch it with: airferry watch {run}")
        return 0
    state = follow(config, run, quiet=options.json)
    print_report(config, run, as_json=options.json, with_log=options.verbose)
    return EXIT_CODES[state]


def _say(options: Namespace, record: dict[str, object], text: str) -> None:
    print(json.dumps(record) if options.json else text)
