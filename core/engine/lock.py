"""The lock of a state directory: runs that change things are made one at a time."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from core.errors import BusyError

LOCK_NAME = "engine.lock"


@contextmanager
def engine_lock(state_dir: Path, patience_s: float = 0.0) -> Iterator[None]:
    """Hold the lock of a state directory; the kernel frees it when its holder dies.

    Args:
        state_dir: The state directory.
        patience_s: How long to try: who only asks whether it is held has it for a moment, too.

    Raises:
        BusyError: another engine holds it; its run is named.
    """
    with (state_dir / LOCK_NAME).open("a+", encoding="utf-8") as lock:
        deadline = time.monotonic() + patience_s
        while not _try_lock(lock):
            if time.monotonic() >= deadline:
                lock.seek(0)
                holder = lock.read().strip() or "another run"
                raise BusyError(f"{holder} is at work")
            time.sleep(0.05)
        yield


def _try_lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_is_held(state_dir: Path) -> bool:
    """Whether an engine that changes things is alive."""
    try:
        # Shared: two who ask at once are not taken for an engine by each other.
        with (state_dir / LOCK_NAME).open(encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False


def note_holder(state_dir: Path, run: int) -> None:
    """Write which run holds the lock into the file (whose content the lock does not cover)."""
    note_work(state_dir, f"run {run}")


def note_work(state_dir: Path, what: str) -> None:
    """Write what the lock is held for, where that is no run."""
    (state_dir / LOCK_NAME).write_text(f"{what} (process {os.getpid()})\n", encoding="utf-8")
