"""One lab command at a time: for each lab, and for what all labs of a machine share."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.paths import lab_number
from tests.lab.shell import until

LOCKS = Path("/run/lock")
LOCK_TIMEOUT_S = 3600.0


@contextmanager
def lab_lock(say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of this process's lab, waiting for another command to end.

    Args:
        say: Told when there is somebody to wait for.

    Raises:
        LabError: The other command did not end in time.
    """
    with _locked(f"airferry-lab-{lab_number()}", say):
        yield


@contextmanager
def cache_lock() -> Iterator[None]:
    """Hold the machine's packages and the labs' cache, so that a thing is made by one lab only.

    Raises:
        LabError: Another lab did not end its work in time.
    """
    with _locked("airferry-lab-cache", lambda _: None):
        yield


@contextmanager
def _locked(name: str, say: Callable[[str], None]) -> Iterator[None]:
    LOCKS.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(LOCKS / f"{name}.lock", flags, 0o600)
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
