"""A site that differs from its config: what is offered then, and its change in lines for Review."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

from core.engine.changes import ChangeKind, change_words, changes_of
from core.engine.journal import LogLine, State, TaskRow
from core.engine.request import RunKind, RunRequest
from core.errors import AirferryError
from tui.model.site import Site
from tui.terminal.text import safe, wrapped

LABEL_WIDTH, WIDTH = 11, 76
_BY_OPTION = " (--remove-registry removes it)"
"""What `o` does here."""


def differs(site: Site) -> tuple[str, ...]:
    """Return in what a site differs from its config, each in a few words. Blocks: in a thread."""
    from core.engine.services import differences  # not for the first paint

    if site.problems or site.is_new:
        return ()
    try:
        return tuple(differences(site.config))
    except (AirferryError, OSError):
        return ()


def next_request(site: Site) -> RunRequest:
    """Return what sets the site up: a change where an earlier config left something. Blocks."""
    kind = RunKind.RECONFIGURE if differs(site) else RunKind.INSTALL
    return RunRequest(kind, site.path)


def change_lines(tasks: Sequence[TaskRow], facts: Iterable[LogLine]) -> list[Text]:
    """Return what a change does and what it leaves, by what becomes of it.

    Args:
        tasks: The tasks of its dry run.
        facts: The entries of level `fact` in the log of that.
    """
    lines: list[Text] = []
    last: ChangeKind | None = None
    for change in changes_of(tasks, facts):
        if change.kind is ChangeKind.STAYS and last is not ChangeKind.STAYS and lines:
            lines.append(Text())
        label = "" if change.kind is last else change.kind.value
        last = change.kind
        words = change_words(change).replace(_BY_OPTION, "")
        first, *rest = wrapped(safe(words, 400), WIDTH - LABEL_WIDTH)
        lines.append(Text(f"{label:<{LABEL_WIDTH}}{first}"))
        lines += [Text(" " * LABEL_WIDTH + part) for part in rest]
    return lines


def option_line(tasks: Iterable[TaskRow], *, removes: bool) -> list[Text]:
    """Return the line about the registry's content, where a change ends this machine's registry."""
    if not leaves_registry(tasks):
        return []
    return [Text(), Text(f"o: [{'x' if removes else ' '}] remove what the registry stores as well")]


def leaves_registry(tasks: Iterable[TaskRow]) -> bool:
    """Whether a change ends the registry of this machine, so that its content may go as well."""
    return any(
        task.step in ("registry.stop", "registry.remove")
        and (task.state is State.MISSING or bool(task.error_code))
        for task in tasks
    )


def left_lines(tasks: Iterable[TaskRow]) -> list[str]:
    """Return what a change has ended, for Done."""
    words = {
        "tunnel.close": "tunnels",
        "tunnels.stop": "the tunnel service",
        "registry.stop": "the registry of this machine",
        "registry.remove": "what it stored",
        "docker.leave": "Docker's settings for the old registry",
    }
    done = {task.step for task in tasks if task.state is State.DONE}
    ended = [said for step, said in words.items() if step in done]
    return [f"ended        {', '.join(ended)}"] if ended else []
