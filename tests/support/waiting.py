"""Waiting for conditions: no test knows how fast the machine is.

The limit only guards against hanging: no test says a shorter one, and none says how long something
may take.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

HANG_S = 180.0
"""After this long something hangs, on whatever machine."""
LOOK_S = 0.02


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until something holds.

    Args:
        condition: Looked at until it is true.
        what: Names it where it does not come true.
    """
    deadline = time.monotonic() + HANG_S
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not in {HANG_S:.0f} s"
        time.sleep(LOOK_S)


async def until_true(condition: Callable[[], bool], what: str) -> None:
    """Do the same while the event loop goes on with everything else."""
    deadline = time.monotonic() + HANG_S
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not in {HANG_S:.0f} s"
        await asyncio.sleep(LOOK_S)
