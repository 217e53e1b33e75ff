"""What a plan will cost, in lines for Review: room, time, containers that stop."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text

from core.engine.estimate import (
    DOCKER,
    IMAGES,
    IMPORT,
    Disturbed,
    Estimate,
    Room,
    disturbed,
    estimated_seconds,
    tightest_room,
)
from core.words import count, size
from tui.model.site import RunSnapshot, Site
from tui.presenters.runview import about_time, name_of
from tui.terminal.text import names, safe, signed, wrapped

_PACES = {IMPORT: "{}/s here", DOCKER: "{}/s to a host", IMAGES: "{}/s to a host"}


@dataclass(frozen=True)
class Cost:
    """What is known of it before; None for what is not."""

    estimate: Estimate | None
    room: Room | None
    containers: Disturbed


def cost_of(site: Site, snapshot: RunSnapshot) -> Cost:
    """Work out what a plan will cost, from its dry run and the runs before. Blocks."""
    reader = site.reader
    return Cost(
        estimated_seconds(reader, snapshot.tasks, site.config.ssh.concurrency),
        tightest_room(reader.log(snapshot.run.id, level="fact")),
        disturbed(snapshot.tasks),
    )


def cost_lines(cost: Cost, width: int) -> list[Text]:
    """Return the lines; none for what nobody knows.

    Args:
        cost: What it will cost.
        width: Cells of a line.
    """
    lines = []
    if cost.room:
        lines.append(Text(f"{'Room':<19}{_room(cost.room, width - 19)}"))
    lines.append(Text(f"{'Time':<19}{_time(cost.estimate)}"))
    stopped = cost.containers.stopped
    if stopped:
        words = (
            f"Docker is replaced on {count(len(stopped), 'host')}: their containers stop "
            f"meanwhile. {names(stopped)}"
        )
        first, *rest = wrapped(words, width - 4)
        lines += [signed("!", first), *(Text(f"    {part}") for part in rest)]
    return lines


def _room(room: Room, width: int) -> str:
    where = name_of(room.target)
    if room.left_bytes < 0:
        words = f"{where} lacks {size(-room.left_bytes)}"
    else:
        words = f"enough; tightest is {where}, {size(room.left_bytes)} left"
    longer = f"{words} in {room.place}"
    return safe(longer if len(longer) <= width else words, width)


def _time(estimate: Estimate | None) -> str:
    if estimate is None:
        return "not known before a first run"
    pace = _PACES.get(estimate.of, "")
    words = f"about {about_time(estimate.seconds)}"
    return f"{words} (by the last runs: {pace.format(size(estimate.rate))})" if pace else words
