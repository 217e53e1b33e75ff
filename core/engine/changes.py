"""What a change of the site does, in words, for commands and screens: from its dry run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.engine.journal import LogLine, State, TaskRow
from core.telling import FOLLOW, FOR_THIS_RUN, IN_PLACE_OF, RESTARTS, stays_in
from core.words import count, size

DU = "du"
NOTHING = "Nothing to change: the site is as the config says."
_MOST_HOSTS = 6


class ChangeKind(StrEnum):
    """What becomes of a thing, in the order in which it is told."""

    STARTED = "started"
    RESTARTED = "restarted"
    CHANGED = "changed"
    BROUGHT = "brought"
    STOPPED = "stopped"
    REMOVED = "removed"
    STAYS = "stays"


@dataclass(frozen=True)
class Change:
    """One thing that changes, or stays.

    Args:
        kind: What becomes of it.
        what: The thing, in a technician's words.
        targets: On which hosts; `du` for this machine.
        size_bytes: What it moves at most.
    """

    kind: ChangeKind
    what: str
    targets: tuple[str, ...]
    size_bytes: int = 0


_SERVICES = {
    "registry.serve": "the registry on this machine",
    "tunnels.serve": "the tunnel service on this machine",
    "tunnel.open": "the tunnel of",
}
_HOSTS: Mapping[str, tuple[ChangeKind, str]] = {
    "docker.install": (ChangeKind.BROUGHT, "Docker to"),
    "docker.configure": (ChangeKind.CHANGED, "Docker's settings on"),
    "docker.login": (ChangeKind.CHANGED, "the registry's login on"),
    "images.warm": (ChangeKind.BROUGHT, "images to"),
    "tunnel.close": (ChangeKind.STOPPED, "the tunnel of"),
}
_OWN_WORDS: Mapping[str, ChangeKind] = {
    "docker.leave": ChangeKind.REMOVED,
    "registry.remove": ChangeKind.REMOVED,
    "tunnel.drop": ChangeKind.STOPPED,
    "tunnels.stop": ChangeKind.STOPPED,
    "registry.stop": ChangeKind.STOPPED,
}
_ALWAYS_STAYS = "containers that run on hosts, and every image under every name that it has"


def changes_of(tasks: Iterable[TaskRow], facts: Iterable[LogLine]) -> list[Change]:
    """Return what a change of the site does and what it leaves, grouped.

    Args:
        tasks: The tasks of its dry run.
        facts: The entries of level `fact` in the log of that.
    """
    tasks = list(tasks)
    found: dict[tuple[ChangeKind, str], list[TaskRow]] = {}
    for task in tasks:
        known = _change(task)
        if known:
            found.setdefault(known, []).append(task)
    changes = [
        Change(kind, what, tuple(task.target for task in rows), sum(t.bytes_total for t in rows))
        for (kind, what), rows in found.items()
    ]
    changes += _stays(facts) if any(c.kind is not ChangeKind.STAYS for c in changes) else []
    return sorted(changes, key=lambda change: tuple(ChangeKind).index(change.kind))


def _change(task: TaskRow) -> tuple[ChangeKind, str] | None:
    """Return what becomes of the thing that a step is about; None for what only looks."""
    step = task.step.partition(":")[0]
    if task.state is State.PRESENT and step in _SERVICES and task.message != FOR_THIS_RUN:
        return ChangeKind.STAYS, _SERVICES[step]
    if task.state is not State.MISSING:
        return None
    if step in _HOSTS:
        return _HOSTS[step]
    if step in _SERVICES:
        return _service(step, task.message)
    if step in ("bundle.import", "bundle.read"):
        return ChangeKind.BROUGHT, "bundles to the registry" if "import" in step else "bundles"
    if step == "registry.move":
        return ChangeKind.CHANGED, f"where the registry stores: {task.message}"
    return _OWN_WORDS.get(step, ChangeKind.CHANGED), task.message


def _service(step: str, message: str) -> tuple[ChangeKind, str]:
    if RESTARTS in message:
        return ChangeKind.RESTARTED, message.replace(f" {RESTARTS}", "")
    if FOLLOW in message:
        return ChangeKind.CHANGED, message
    if IN_PLACE_OF in message:
        port = message.partition("from port ")[2].partition(" ")[0]
        before = message.rpartition(" ")[2]
        return ChangeKind.RESTARTED, f"from port {port} in place of {before}, the tunnel of"
    return ChangeKind.STARTED, _SERVICES[step]


def _stays(facts: Iterable[LogLine]) -> Iterator[Change]:
    """Yield what the steps say of things that stay, each once with the hosts that it is about."""
    grouped: dict[str, list[str]] = {}
    for line in facts:
        for what in stays_in(line.text):
            grouped.setdefault(what, []).append(line.target)
    for what, targets in grouped.items():
        yield Change(ChangeKind.STAYS, what, tuple(dict.fromkeys(targets)))
    yield Change(ChangeKind.STAYS, _ALWAYS_STAYS, (DU,))


def change_words(change: Change) -> str:
    """Return what changes, on which hosts, and how much that moves."""
    moved = f" (up to {size(change.size_bytes)})" if change.size_bytes else ""
    hosts = [target for target in change.targets if target != DU]
    if not hosts:
        if change.kind is ChangeKind.BROUGHT:
            many, rest = len(change.targets), change.what.removeprefix("bundles")
            return f"{count(many, 'bundle')}{rest}{moved}"
        return f"{change.what}{moved}"
    joint = " " if change.what.endswith((" of", " on", " to")) else ": "
    more = len(hosts) - _MOST_HOSTS
    number = f"{count(len(hosts), 'host')}: " if more > 0 else ""
    rest = f" and {more} more" if more > 0 else ""
    return f"{change.what}{joint}{number}{', '.join(hosts[:_MOST_HOSTS])}{rest}{moved}"


def changes_record(changes: Iterable[Change]) -> list[dict[str, object]]:
    """Return the changes as JSON data."""
    return [
        {
            "change": change.kind.value,
            "what": change.what,
            "targets": list(change.targets),
            "bytes": change.size_bytes,
        }
        for change in changes
    ]
