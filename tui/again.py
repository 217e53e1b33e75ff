"""What a retry is: the hosts that failed, or the whole run where this machine's part did."""

from __future__ import annotations

from pathlib import Path

from core.config import Config
from core.engine.journal import ENDED_WELL
from core.engine.report import targets_of
from core.engine.request import RunKind, RunRequest
from tui.findings import THIS_MACHINE
from tui.site import Snapshot


def failed_hosts(snapshot: Snapshot, config: Config) -> tuple[str, ...]:
    """Return the hosts of a run that are not ready and still stand in the config."""
    known = {host.name for host in config.hosts}
    return tuple(
        target.name
        for target in targets_of(snapshot.tasks)
        if target.name in known and target.state not in ENDED_WELL
    )


def retry_of(snapshot: Snapshot, config: Config, host: str = "") -> RunRequest | None:
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
    if host and not du_failed:
        return RunRequest(RunKind.CONFIGURE_HOSTS, config.path, hosts=(host,))
    if du_failed or (kind is RunKind.VERIFY and failed):
        return _same(snapshot, kind, config)
    if failed:
        return RunRequest(RunKind.CONFIGURE_HOSTS, config.path, hosts=failed)
    return None


def _same(snapshot: Snapshot, kind: RunKind, config: Config) -> RunRequest:
    """Return a run's own request once more, without hosts that were removed since."""
    options = snapshot.run.options
    known = {host.name for host in config.hosts}
    hosts, bundles = options.get("hosts"), options.get("bundles")
    return RunRequest(
        kind,
        config.path,
        hosts=tuple(str(name) for name in hosts if name in known)
        if isinstance(hosts, list)
        else (),
        bundles=tuple(Path(str(path)) for path in bundles) if isinstance(bundles, list) else (),
        skip_images=bool(options.get("skip_images")),
    )


def what_again(request: RunRequest) -> str:
    """Say what a retry would do, in a few words."""
    if request.kind is RunKind.CONFIGURE_HOSTS and request.hosts:
        number = len(request.hosts)
        return f"Retry {request.hosts[0]}" if number == 1 else f"Retry the {number} failed hosts"
    return "Retry the run"
