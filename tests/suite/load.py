"""Other work beside the tests: as many busy processes as there are cores."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

LIMIT_S = 3 * 60 * 60
BUSY = """\
import ctypes, sys, time
ctypes.CDLL(None).prctl(1, 15, 0, 0, 0)  # ended with the suite, even if that is killed
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    sum(range(100_000))
"""


@contextmanager
def busy_processes(number: int) -> Iterator[list[int]]:
    """Keep some processes busy meanwhile; yields their pids.

    Args:
        number: How many; each keeps one core busy, and ends by itself after hours.
    """
    command = [sys.executable, "-c", BUSY, str(LIMIT_S)]
    started: list[subprocess.Popen[bytes]] = []
    try:
        started += (
            subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
            for _ in range(number)
        )
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
