"""The commands that keep the registry whole and small: verify, gc, keep."""

from __future__ import annotations

import sys
from argparse import Namespace

from core.cli.jobs import run_to_end, show_plan
from core.cli.views import follow
from core.config import Config
from core.engine.journal import JournalReader, State
from core.engine.launcher import start_run
from core.engine.report import particular_text, particulars_of
from core.engine.request import RunKind, RunRequest
from core.errors import UsageError
from core.telling import PARTICULAR


def verify(options: Namespace, config: Config) -> int:
    """Read all that the registry has stored, and mend it if asked."""
    backups = tuple(path.absolute() for path in options.backups or ())
    if options.dry_run and not options.repair:
        raise UsageError(
            "without --repair nothing is changed anyway", remedy="Leave --dry-run away."
        )
    kind = RunKind.REPAIR if options.repair else RunKind.REGISTRY_VERIFY
    request = RunRequest(kind, config.path, bundles=backups)
    if options.dry_run:
        return show_plan(request.as_plan(), options, config)
    return run_to_end(request, options, config)


def gc(options: Namespace, config: Config) -> int:
    """Give back the room of what no name needs."""
    request = RunRequest(RunKind.GC, config.path)
    if options.dry_run:
        return show_plan(request.as_plan(), options, config)
    return run_to_end(request, options, config)


def keep(options: Namespace, config: Config) -> int:
    """Keep the newest generations of bundles, and clear the rest."""
    request = RunRequest(RunKind.KEEP, config.path, generations=options.generations)
    if options.dry_run:
        return show_plan(request.as_plan(), options, config)
    if not options.yes:
        _ask(request, config)
    return run_to_end(request, options, config)


def _ask(request: RunRequest, config: Config) -> None:
    """Ask before names are deleted, with what a dry run finds.

    Raises:
        UsageError: it is not wanted, or nobody can be asked.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            "this deletes the names of old bundles in the registry",
            remedy="See which: --dry-run. Say --yes to do it.",
        )
    run = start_run(request.as_plan())
    follow(config, run, quiet=True)
    reader = JournalReader(config.state_dir)
    for particular in particulars_of(reader.log(run, level=PARTICULAR)):
        print(particular_text(particular))
    for task in reader.tasks(run):
        if task.state is State.MISSING:
            print(f"+ {task.step}: {task.message}")
    if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was changed", remedy="Say y to go on.")
