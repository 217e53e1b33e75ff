"""The commands about single hosts: what they are, whether they are fit, and undoing it all."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterable

from core.cli.jobs import run_to_end, show_plan
from core.cli.secrets import asked_secrets
from core.cli.views import follow
from core.config import Config
from core.engine.journal import EXIT_CODES, JournalReader, LogLine
from core.engine.launcher import start_run
from core.engine.report import targets_of
from core.engine.request import RunKind, RunRequest
from core.errors import UsageError


def host(options: Namespace, config: Config) -> int:
    """Carry out `airferry host facts|check|clean HOST...`."""
    kind = RunKind.CLEAN if options.action == "clean" else RunKind.CHECK
    request = RunRequest(
        kind,
        config.path,
        hosts=_named(options, config),
        accept_new_host_keys=options.accept_new_host_keys,
        remove_docker=getattr(options, "docker", False),
    )
    if options.action == "facts":
        return _facts(request, options, config)
    if options.action == "clean":
        if options.dry_run:
            return show_plan(request.as_plan(), options, config)
        _require_yes(request, options)
    return run_to_end(request, options, config)


def _named(options: Namespace, config: Config) -> tuple[str, ...]:
    """Return the names of the hosts that are meant, by name or by address.

    Raises:
        UsageError: one of them is not in the config.
    """
    by_word = {word: h.name for h in config.hosts for word in (h.address, h.name)}
    unknown = [word for word in options.hosts if word not in by_word]
    if unknown:
        raise UsageError(
            f"no such host in {config.path}: {', '.join(unknown)}",
            remedy="Name hosts as the config does; it has: " + ", ".join(_some(config)),
        )
    return tuple(dict.fromkeys(by_word[word] for word in options.hosts))


def _some(config: Config) -> list[str]:
    names = [host.name for host in config.hosts]
    return [*names[:5], "..."] if len(names) > 5 else names or ["none"]


def _require_yes(request: RunRequest, options: Namespace) -> None:
    """Ask before anything is taken away.

    Raises:
        UsageError: it is not wanted, or nobody can be asked.
    """
    if options.yes:
        return
    what = "tunnel, settings and the images that Airferry brought"
    if request.remove_docker:
        what += ", and Docker itself where Airferry installed it (with all its containers)"
    names = ", ".join(request.hosts)
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(f"this takes away {what} from {names}", remedy="Say --yes to do it.")
    print(f"This takes away {what} from: {names}")
    if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was changed", remedy="Say y to go on.")


def _facts(request: RunRequest, options: Namespace, config: Config) -> int:
    run = start_run(request, asked_secrets(options, config))
    state = follow(config, run, quiet=True)
    reader = JournalReader(config.state_dir)
    facts = {name: _facts_of(reader.log(run, target=name)) for name in request.hosts}
    errors = {
        target.name: f"{task.error} [{task.error_code}]"
        for target in targets_of(reader.tasks(run))
        for task in target.tasks
        if task.error_code
    }
    if options.json:
        record = [
            {"name": name, "facts": found, "error": errors.get(name)}
            for name, found in facts.items()
        ]
        print(json.dumps(record, indent=1))
    else:
        print("\n\n".join(_facts_text(name, facts[name], errors.get(name)) for name in facts))
    return EXIT_CODES[state]


def _facts_of(lines: Iterable[LogLine]) -> dict[str, str]:
    facts = (fact for line in lines if line.level == "fact" for fact in line.text.split("\n"))
    found = (fact.partition(": ") for fact in facts)
    return {name: value for name, _, value in found}


def _facts_text(name: str, facts: dict[str, str], error: str | None) -> str:
    lines = [name, *(f"  {key:<16} {value}" for key, value in facts.items())]
    return "\n".join([*lines, *([f"  x {error}"] if error else [])])
