"""`airferry reconfigure`: makes the site what its config says now, and leaves what it was."""

from __future__ import annotations

import json
import sys
from argparse import Namespace

from core.cli.jobs import print_summary, run_to_end
from core.cli.secrets import asked_secrets
from core.cli.views import follow
from core.config import Config
from core.engine.causes import causes_of
from core.engine.changes import (
    NOTHING,
    Change,
    ChangeKind,
    change_words,
    changes_of,
    changes_record,
)
from core.engine.journal import EXIT_CODES, JournalReader, State
from core.engine.launcher import start_run, true_state
from core.engine.report import report_record
from core.engine.request import RunKind, RunRequest
from core.errors import UsageError
from core.secrets import Secrets


def reconfigure(options: Namespace, config: Config) -> int:
    """Say what a changed config means for the site, or bring it about."""
    request = RunRequest(
        RunKind.RECONFIGURE,
        config.path,
        hosts=tuple(options.host),
        accept_new_host_keys=options.accept_new_host_keys,
        keep_going=options.keep_going,
        later_wins=options.later_wins,
        keep_source_registry=options.keep_source_registry,
        remove_registry=options.remove_registry,
    )
    if not options.dry_run and not options.yes and (sys.stdin is None or not sys.stdin.isatty()):
        raise UsageError(
            "this changes what serves the hosts",
            remedy="See: airferry reconfigure --dry-run. Say --yes to do it.",
        )
    secrets = asked_secrets(options, config)
    if options.dry_run:
        return _show_plan(request, secrets, options, config)
    if not options.yes:
        _show_plan(request, secrets, options, config)
        _require_yes()
    return run_to_end(request, options, config, secrets)


def _require_yes() -> None:
    """Ask before anything is changed.

    Raises:
        UsageError: it is not wanted.
    """
    if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was changed", remedy="Say y to go on.")


def _show_plan(request: RunRequest, secrets: Secrets, options: Namespace, config: Config) -> int:
    run = start_run(request.as_plan(), secrets)
    follow(config, run, quiet=True)
    reader = JournalReader(config.state_dir)
    tasks, row = reader.tasks(run), reader.run(run)
    changes = changes_of(tasks, reader.log(run, level="fact"))
    state = true_state(row, config.state_dir) if row else State.FAILED
    if options.json:
        record = report_record(row, state, tasks) if row else {}
        print(json.dumps({**record, "changes": changes_record(changes)}, indent=1))
        return EXIT_CODES[state]
    done = [change for change in changes if change.kind is not ChangeKind.STAYS]
    print("\n".join(_lines(changes)) if done or causes_of(tasks) else NOTHING)
    if row:
        print_summary(row, state, tasks)
    return EXIT_CODES[state]


def _lines(changes: list[Change]) -> list[str]:
    """Return the plan in words: each kind of change once, what it is about below one another."""
    lines, last = [], None
    for change in changes:
        label = "" if change.kind is last else change.kind.value
        lines.append(f"{label:<11}{change_words(change)}")
        last = change.kind
    return lines
