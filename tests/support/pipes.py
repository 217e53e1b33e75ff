"""A named pipe that something is written into while a test reads it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.support.waiting import HANG_S


@contextlib.contextmanager
def fed_pipe(path: Path, data: bytes) -> Iterator[Path]:
    """Make a pipe and write `data` into it, as far as it is taken, and end it."""
    os.mkfifo(path)

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), path.open("wb", buffering=0) as pipe:
            for start in range(0, len(data), 5000):
                pipe.write(data[start : start + 5000])

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield path
    finally:
        thread.join(HANG_S)
        assert not thread.is_alive()


@contextlib.contextmanager
def stalled_pipe(path: Path, data: bytes) -> Iterator[threading.Event]:
    """Make a pipe into which `data` is written, and then nothing.

    Args:
        path: The pipe.
        data: What is written; the pipe has room for it.

    Yields:
        Set when the writer gave up before the reader did.
    """
    os.mkfifo(path)
    reader_left, gave_up = threading.Event(), threading.Event()

    def write() -> None:
        with path.open("wb", buffering=0) as pipe:
            pipe.write(data)
            if not reader_left.wait(HANG_S):
                gave_up.set()

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield gave_up
    finally:
        reader_left.set()
        thread.join(HANG_S)
        assert not thread.is_alive()
