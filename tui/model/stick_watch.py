"""Noticing that a stick was put in or pulled out, without asking any stick."""

from __future__ import annotations

import asyncio

from core.bundle.media import Stick
from tui.model.bundle_locations import sticks_in
from tui.model.site import Site

EVERY_S = 2.0
"""How often to look, in seconds: the kernel's lists are read, which takes less than 1 ms."""


class StickWatch:
    """What was in when it was made, or last asked.

    Args:
        site: The site.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._seen: list[Stick] = sticks_in(site)

    async def has_changed(self) -> bool:
        """Whether other sticks are in than last time."""
        before = self._seen
        self._seen = await asyncio.to_thread(sticks_in, self._site)
        return before != self._seen
