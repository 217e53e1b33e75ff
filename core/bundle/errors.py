"""The one place where the system's errors in reading a bundle become ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import BundleError


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the system raises while `path` is read into our error."""
    try:
        yield
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be read: {error.strerror or error}",
            remedy="Is the stick still in and readable? Then run the same command again.",
        ) from error


def is_file(path: Path) -> bool:
    """Whether a path is a file; what cannot even be asked for (a name too long) is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def without_waiting(path: str, flags: int) -> int:
    """Open a pipe though nobody writes into it yet; on files the flag has no effect.

    To be given to `open` as its opener.
    """
    return os.open(path, flags | os.O_NONBLOCK)
