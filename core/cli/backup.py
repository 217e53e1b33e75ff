"""The commands that carry the registry's content away and bring it back."""

from __future__ import annotations

from argparse import Namespace

from core.cli.jobs import run_to_end, show_plan
from core.config import Config
from core.engine.request import RunKind, RunRequest


def backup(options: Namespace, config: Config) -> int:
    """Write the registry's whole content into an archive."""
    request = RunRequest(
        RunKind.BACKUP,
        config.path,
        outdir=options.outdir.absolute(),
        since=options.since.absolute() if options.since else None,
        split_bytes=options.split,
    )
    return _carried_out(request, options, config)


def restore(options: Namespace, config: Config) -> int:
    """Put a backup back into the registry."""
    paths = tuple(path.absolute() for path in options.bundles)
    request = RunRequest(RunKind.RESTORE, config.path, paths, prune=options.prune)
    return _carried_out(request, options, config)


def _carried_out(request: RunRequest, options: Namespace, config: Config) -> int:
    if options.dry_run:
        return show_plan(request.as_plan(), options, config)
    return run_to_end(request, options, config)
