"""One lab command at a time: the bridge and its addresses exist once per machine."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.shell import until

LOCK_PATH = Path("/run/lock/airferry-lab.lock")
LOCK_TIMEOUT_S = 600.0


@contextmanager
def lab_lock(say: Callable[[str], None]) -> Iterator[None]:
    """Hold the machine's lab lock, waiting for another command to end.

    Args:
        say: Told when there is somebody to wait for.

    Raises:
        LabError: The other command did not end in time.
    """
    LOCK_PATH.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(LOCK_PATH, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _taken(descriptor):
            say("another lab command is at work; waiting for it")
            until(lambda: _taken(descriptor), "the other lab command's end", LOCK_TIMEOUT_S)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
