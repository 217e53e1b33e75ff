"""Disks that the tests cannot have: file systems that refuse, sectors that cannot be read."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


def refuse_to_sync_directories(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Have the system refuse to sync a directory; files are synced as ever.

    A fake: the file systems that do so (FUSE, CIFS, vfat of some kernels) cannot be mounted here.

    Args:
        monkeypatch: Takes it back at the end of the test.
        number: The error's number.
    """
    sync = os.fsync

    def refusing(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        sync(handle)

    monkeypatch.setattr(os, "fsync", refusing)


class _BadSector(io.FileIO):
    """A file that opens, and of which no byte can be read."""

    def read(self, _: int | None = -1, /) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def readinto(self, _: WriteableBuffer, /) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


@contextmanager
def bad_sector(monkeypatch: pytest.MonkeyPatch, path: Path) -> Iterator[None]:
    """Have this process get EIO when it reads a file; one that takes its place can be read.

    A fake: no disk here has bad sectors, and a link to the memory of a process, which gives EIO
    by itself, has not the size of a blob.

    Args:
        monkeypatch: What takes the place of `Path.open` meanwhile.
        path: The file.
    """
    opened = Path.open

    def open_(
        self: Path,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        file = opened(self, mode, buffering, encoding, errors, newline)
        if self == path and os.fstat(file.fileno()).st_ino == inode:
            file.close()
            return _BadSector(path)
        return file

    # It is held open, so that the file that takes its place does not get its number.
    with path.open("rb") as bad, monkeypatch.context() as patched:
        inode = os.fstat(bad.fileno()).st_ino
        patched.setattr(Path, "open", open_)
        yield
