"""Lab tests dealt out by the seconds that they were measured to take.

Each worker of a parallel run has a lab. xdist gives every worker an equal number of tests that lie
side by side, and lets who has nothing left take from the end of the longest queue; so the order
decides. Here the longest tests are spread first and stand first in each queue.
"""

import heapq
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TypeVar

SECONDS = Path(__file__).with_name("seconds.json")
UNKNOWN_S = 30.0

Test = TypeVar("Test")


def read_seconds(path: Path = SECONDS) -> dict[str, float]:
    """Return how long tests were measured to take, by their ids; empty where none was."""
    if not path.is_file():
        return {}
    found: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return found


def write_seconds(seconds: Mapping[str, float], path: Path = SECONDS) -> None:
    """Keep how long tests took, for the runs to come."""
    rounded = {test: round(taken) for test, taken in sorted(seconds.items())}
    path.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")


def packed(tests: Sequence[Test], seconds: Sequence[float], queues: int) -> list[Test]:
    """Order tests so that equal parts of the order take about the same time.

    Args:
        tests: The tests.
        seconds: What each takes.
        queues: Into how many parts the order will be cut.

    Returns:
        The same tests: one part behind the other, the longest first in each.
    """
    rooms = _sizes(len(tests), queues)
    parts: list[list[Test]] = [[] for _ in rooms]
    open_parts = [(0.0, number) for number, room in enumerate(rooms) if room]
    for taken, _, test in sorted(
        ((-s, n, t) for n, (s, t) in enumerate(zip(seconds, tests, strict=True))),
        key=lambda entry: entry[:2],
    ):
        load, number = heapq.heappop(open_parts)
        parts[number].append(test)
        if len(parts[number]) < rooms[number]:
            heapq.heappush(open_parts, (load - taken, number))
    return [test for part in parts for test in part]


def guess(seconds: Mapping[str, float]) -> float:
    """Return what a test is taken to need that was never measured."""
    return median(seconds.values()) if seconds else UNKNOWN_S


def _sizes(count: int, queues: int) -> list[int]:
    """Return the sizes of the parts as xdist's `worksteal` cuts them."""
    sizes = []
    for left in range(queues, 0, -1):
        sizes.append(count // left)
        count -= sizes[-1]
    return sizes
