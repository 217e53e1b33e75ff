"""The commands about the DU's registry and the tunnels."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from core.cli import upkeep
from core.cli.secrets import asked_secrets
from core.config import Config, ensure_state_dir
from core.engine.holdings import Held, chosen, delete_held, held, require_deletable
from core.engine.services import (
    TunnelStatus,
    registry_status,
    require_own_registry,
    start_registry,
    stop_registry,
    stop_tunnels,
    tunnels_now,
)
from core.errors import UsageError
from core.words import count, size


def registry(options: Namespace, config: Config) -> int:
    """Start, stop or look at the registry."""
    if options.action == "list":
        return _list(options, config)
    if options.action == "delete":
        return _delete(options, config)
    if options.action in ("verify", "gc", "keep"):
        return {"verify": upkeep.verify, "gc": upkeep.gc, "keep": upkeep.keep}[options.action](
            options, config
        )
    require_own_registry(config)
    if options.action == "stop":
        return _stopped(options, stop_registry(config))
    status = start_registry(config) if options.action == "start" else registry_status(config)
    state = "runs" if status.ours else "another program answers" if status.running else "is stopped"
    text = f"registry {state} at {status.address}, storing in {status.directory}"
    _print(options, asdict(status), text)
    return 0 if status.ours else 1


def _stopped(options: Namespace, stopped: bool) -> int:
    _print(options, {"stopped": stopped}, "stopped" if stopped else "it did not run")
    return 0


def _list(options: Namespace, config: Config) -> int:
    found = held(config, asked_secrets(options, config).registry)
    records = [_held_record(entry) for entry in found]
    text = "\n".join(_held_line(entry) for entry in found)
    _print(options, records, text or "the registry is empty")
    return 0


def _held_record(entry: Held) -> dict[str, object]:
    return {
        "name": entry.name,
        "digest": entry.digest,
        "bytes": entry.size_bytes,
        "platforms": list(entry.platforms),
        "bundle": entry.bundle,
        "problem": entry.problem,
    }


def _held_line(entry: Held) -> str:
    what = f"x {entry.problem}" if entry.problem else ", ".join(entry.platforms)
    origin = f"  from {entry.bundle}" if entry.bundle else ""
    return f"{size(entry.size_bytes):>10}  {entry.name}  {what}{origin}"


def _delete(options: Namespace, config: Config) -> int:
    require_deletable(config)
    found = {entry.name: entry for entry in held(config)}
    going = [found[name] for name in sorted(chosen(config, list(found), options.names))]
    if not options.yes:
        _ask_to_delete(going)
    gone = delete_held(config, [entry.name for entry in going])
    text = "\n".join(f"deleted  {entry.name}" for entry in gone)
    _print(options, {"deleted": [entry.name for entry in gone]}, text)
    return 0


def _ask_to_delete(going: Sequence[Held]) -> None:
    """Ask before anything is deleted.

    Raises:
        UsageError: it is not wanted, or nobody can be asked.
    """
    number = count(len(going), "name")
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(f"this deletes {number} in the registry", remedy="Say --yes to do it.")
    print(f"This deletes {number} in the registry; hosts that have the images keep them:")
    for entry in going:
        back = f"  (the next import of {entry.comes_back} brings it back)"
        print(f"  {entry.name}{back if entry.comes_back else ''}")
    if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was changed", remedy="Say y to go on.")


def tunnels(options: Namespace, config: Config) -> int:
    """Look at the tunnels, keep them, or stop their service."""
    if options.action == "run":
        from core.hosts.tunnel.service import run  # SSH, which no other command needs

        run(ensure_state_dir(config))
        return 0
    if options.action == "stop":
        return _stopped(options, stop_tunnels(config))
    now = tunnels_now(config)
    runs = "runs" if now.service else "is stopped"
    lines = [f"tunnel service {runs}; {len(now.tunnels)} tunnels wanted"]
    lines += [_tunnel_line(status) for status in now.tunnels]
    record = {"service": now.service, "tunnels": [asdict(status) for status in now.tunnels]}
    _print(options, record, "\n".join(lines))
    return 0 if now.all_well else 1


def _tunnel_line(status: TunnelStatus) -> str:
    last = ""
    if status.last_error:
        last = f"{_clock(status.last_error_at)}: {status.last_error}"
    if status.up_since:
        up = f"= {status.name:<16} up since {_clock(status.up_since)}"
        return f"{up}, reconnects {status.reconnects}" + (f", last error {last}" if last else "")
    return f"x {status.name:<16} down: {last or 'not opened yet'}"


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at).astimezone():%d %b %H:%M:%S}"


def _print(options: Namespace, record: object, text: str) -> None:
    print(json.dumps(record) if options.json else text)
