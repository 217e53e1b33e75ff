"""The table of a run's targets: which order they come in, what `/` finds them by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from core.engine.journal import State
from core.engine.report import Target, targets_of
from tui.model.progress import Planned, Progress, progress_of, word_of
from tui.model.retry import failed_so_far
from tui.model.site import RunSnapshot
from tui.presenters.filtering import matches
from tui.presenters.runview import name_of

_RANKS = {
    State.FAILED: 0,
    State.BLOCKED: 1,
    State.CANCELLED: 1,
    State.INTERRUPTED: 1,
    State.RUNNING: 2,
    State.WAITING: 3,
}
Rank = Callable[[Target], tuple[float, ...]]


def _problems(target: Target) -> tuple[float, ...]:
    return _RANKS.get(target.state, 4), progress_of(target.tasks).over


def _slowest(target: Target) -> tuple[float, ...]:
    return target.state is not State.RUNNING, -target.seconds


def _plan(_target: Target) -> tuple[float, ...]:
    return ()


ORDERS: Mapping[str, Rank] = {"problems": _problems, "slowest": _slowest, "plan": _plan}
"""What `s` goes through; problems come first, then the slowest, then the rest."""


@dataclass(frozen=True)
class RunView:
    """One look at a run, worked out beside the event loop: there may be hundreds of hosts."""

    snapshot: RunSnapshot
    progress: Progress
    targets: Mapping[str, Target]
    retriable: tuple[str, ...]
    """The hosts that failed in a run at work, which it can try again by itself."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.snapshot.ended

    @property
    def offers(self) -> tuple[object, ...]:
        """What decides which keys work: they are drawn again when it changes."""
        return self.ended, self.snapshot.paused, self.retriable


def view_of(snapshot: RunSnapshot, planned: Planned) -> RunView:
    """Work out what the Run screen shows.

    Args:
        snapshot: The run.
        planned: Bytes that the dry run before expected, by target and step.
    """
    targets = {target.name: target for target in targets_of(snapshot.tasks)}
    retriable = () if snapshot.ended else failed_so_far(snapshot)
    return RunView(snapshot, progress_of(snapshot.tasks, planned), targets, retriable)


def arranged(view: RunView, order: str, query: str) -> list[str]:
    """Return the names of the targets that pass the filter, in an order.

    Args:
        view: The run.
        order: One of ORDERS.
        query: What was typed behind `/`.
    """
    rank = ORDERS[order]
    found = [target for target in view.targets.values() if matches(query, _words(target))]
    return [target.name for target in sorted(found, key=rank)]


def _words(target: Target) -> tuple[str, ...]:
    task, state = target.current, target.state
    said = (task.title, task.message, task.error, task.error_code)
    return (name_of(target.name), state.value, word_of(state), *said)


def pinned(order: Sequence[str], key: str, index: int) -> list[str]:
    """Return an order in which the row under the cursor keeps its place.

    Args:
        order: Names.
        key: The one under the cursor; it is left alone where it is not among them.
        index: Where it stands.
    """
    if key not in order:
        return list(order)
    rest = [name for name in order if name != key]
    return [*rest[:index], key, *rest[index:]]
