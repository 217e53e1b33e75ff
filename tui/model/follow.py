"""Following a run from the screens: the journal is read in a thread, never in the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from tui.model.site import RunSnapshot, Site


async def follow(site: Site, run: int, pause_s: Callable[[], float]) -> AsyncIterator[RunSnapshot]:
    """Yield a run's snapshots until it has ended; the last one says how.

    Args:
        site: The site.
        run: The run.
        pause_s: Asked for the seconds between two looks: the pace may change meanwhile.
    """
    while True:
        snapshot = await asyncio.to_thread(site.look, run)
        if snapshot is None:
            return
        yield snapshot
        if snapshot.ended:
            return
        await asyncio.sleep(pause_s())
