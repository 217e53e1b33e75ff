"""Writing files so that no half-written one is ever seen under its name."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import BinaryIO

FAT = frozenset({"vfat", "msdos"})
"""The kinds of file systems that take no file of 4 GiB."""


def write_atomically(
    path: Path, content: str | bytes, *, mode: int | None = None, durable: bool = False
) -> None:
    """Write a file under another name first (`NAME.new`), then rename it.

    Args:
        path: The file; its directory exists.
        content: Text is written as UTF-8.
        mode: Permission bits; those of a new file if None.
        durable: It is on the disk when this returns: a stick may be pulled at once.

    Raises:
        OSError: it cannot be written; an old file is as it was.
    """
    draft = path.with_name(path.name + ".new")
    try:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
        if mode is not None:
            draft.chmod(mode)
        if durable:
            settle(draft)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    if durable:
        settle(path.parent)


def write_whole(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write all of something to an unbuffered file.

    A disk that is all but full takes a part without a word, and says so the next time only.

    Raises:
        OSError: it cannot be written.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def settle(path: Path) -> None:
    """Have a file, or the names in a directory, written to the disk itself.

    Raises:
        OSError: the disk does not take it.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some file systems of sticks cannot do that with a directory.
        if error.errno != errno.EINVAL or not path.is_dir():
            raise
    finally:
        os.close(handle)


def nearest_directory(path: Path) -> Path:
    """Return the directory itself, or the nearest above it that is there."""
    return next(place for place in (path, *path.absolute().parents) if place.is_dir())


def file_system_type(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """Return the kernel's name for the kind of file system that a path is on: `ext4`, `vfat`.

    Args:
        path: An existing path.
        mounts: The list of mounts, see proc(5); of several on one place the last one counts.
    """
    place, kind = path.resolve(), ""
    longest = -1
    for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        point = Path(_unescaped(before.split(" ")[4]))
        if place.is_relative_to(point) and len(point.parts) >= longest:
            longest, kind = len(point.parts), after.split(" ")[0]
    return kind


def _unescaped(text: str) -> str:
    """Return a path of a list of mounts as it is: blanks stand in it as octal numbers."""
    for code in ("040", "011", "012", "134"):
        text = text.replace(f"\\{code}", chr(int(code, 8)))
    return text
