"""What a retry is: the hosts that failed, or the whole run where this machine's part did."""

from __future__ import annotations

import json
from dataclasses import replace

from core.config import Config, Mode
from core.engine.journal import ENDED_WELL, State
from core.engine.report import targets_of
from core.engine.request import CHANGING, RunKind, RunRequest
from core.errors import RegistryDamaged
from tui.model.overview import THIS_MACHINE
from tui.model.site import RunSnapshot
from tui.terminal.text import safe


def failed_hosts(snapshot: RunSnapshot, config: Config) -> tuple[str, ...]:
    """Return the hosts of a run that are not ready and still stand in the config."""
    known = {host.name for host in config.hosts}
    return tuple(
        target.name
        for target in targets_of(snapshot.tasks)
        if target.name in known and target.state not in ENDED_WELL
    )


def failed_so_far(snapshot: RunSnapshot) -> tuple[str, ...]:
    """Return the hosts that failed in a run at work, which it can try again by itself."""
    if RunKind(snapshot.run.kind) not in CHANGING:
        return ()
    return tuple(
        target.name
        for target in targets_of(snapshot.tasks)
        if target.name != THIS_MACHINE and target.state is State.FAILED
    )


def retry_of(snapshot: RunSnapshot, config: Config, host: str = "") -> RunRequest | None:
    """Return the run that does again what failed; None if nothing did.

    Args:
        snapshot: The run as it ended.
        config: The site.
        host: Only this host.
    """
    kind = RunKind(snapshot.run.kind)
    failed = failed_hosts(snapshot, config)
    du_failed = any(
        target.name == THIS_MACHINE and target.state not in ENDED_WELL
        for target in targets_of(snapshot.tasks)
    )
    if host and kind is RunKind.CLEAN:
        return replace(_same(snapshot, kind, config), hosts=(host,))
    if failed and kind is RunKind.CLEAN:
        return replace(_same(snapshot, kind, config), hosts=failed)
    if kind is RunKind.RECONFIGURE and (failed or du_failed):
        return _same(snapshot, kind, config)  # what it leaves goes when all hosts are well
    if host and not du_failed:
        return RunRequest(RunKind.CONFIGURE_HOSTS, config.path, hosts=(host,))
    damaged = any(task.error_code == RegistryDamaged.code for task in snapshot.tasks)
    if kind is RunKind.REGISTRY_VERIFY and damaged and config.mode is Mode.DU:
        return replace(_same(snapshot, kind, config), kind=RunKind.REPAIR)
    if du_failed or (kind is RunKind.VERIFY and failed):
        return _same(snapshot, kind, config)
    if failed:
        return RunRequest(RunKind.CONFIGURE_HOSTS, config.path, hosts=failed)
    return None


def _same(snapshot: RunSnapshot, kind: RunKind, config: Config) -> RunRequest:
    """Return a run's own request once more, without hosts that were removed since."""
    known = {host.name for host in config.hosts}
    empty = json.loads(RunRequest(kind, config.path).to_json())
    noted = {k: v for k, v in snapshot.run.options.items() if k in empty}
    options = {**empty, **noted, "kind": kind, "config": str(config.path)}
    request = RunRequest.from_json(json.dumps(options))
    return replace(request, hosts=tuple(name for name in request.hosts if name in known))


def what_again(request: RunRequest) -> str:
    """Say what a retry would do, in a few words."""
    if request.kind in (RunKind.CONFIGURE_HOSTS, RunKind.CLEAN) and request.hosts:
        number = len(request.hosts)
        return f"Retry {safe(request.hosts[0], 20)}" if number == 1 else f"Retry {number} hosts"
    return "Repair" if request.kind is RunKind.REPAIR else "Retry the run"
