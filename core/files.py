"""Writing files so that no half-written one is ever seen under its name, and none is lost again.

All that asks the system to bring files and names to the disk goes through here: what a file system
may refuse, and what is a failure, is decided once.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import BinaryIO

FAT = frozenset({"vfat", "msdos"})
"""The kinds of file systems that take no file of 4 GiB."""
# What file systems (FUSE, CIFS, those of sticks) say that cannot sync a directory: nothing is lost.
_REFUSALS = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS})


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
        with draft.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if mode is not None:
                draft.chmod(mode)
            if durable:
                sync_file(file)
        if durable:
            rename_durably((draft, path))
        else:
            draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def write_whole(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write all of something to an unbuffered file.

    A disk that is all but full takes a part without a word, and says so the next time only.

    Raises:
        OSError: it cannot be written.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def sync_file(file: BinaryIO) -> None:
    """Have all that was written to an open file brought to the disk itself.

    Args:
        file: It is open for writing; what it still holds in memory is written first.

    Raises:
        OSError: the disk does not take it.
    """
    file.flush()
    os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Have the names in a directory brought to the disk itself, where the file system can do that.

    Args:
        directory: An existing directory.

    Raises:
        OSError: the disk does not take them, or there is no such directory.
    """
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
    finally:
        os.close(handle)


def rename_durably(*renames: tuple[Path, Path]) -> None:
    """Give files their names, and have those on the disk itself.

    Args:
        renames: The old and the new path of each, in the order in which they are renamed. The
            files are on the disk already (see `sync_file`), else a power cut leaves empty ones.

    Raises:
        OSError: one cannot be renamed, or the disk does not take a name; some may be renamed then.
    """
    for old, new in renames:
        old.replace(new)
    # Each directory once, not once a file: a slow stick takes a second for it.
    new_ones = [new.parent for _, new in renames]
    for directory in dict.fromkeys([*new_ones, *(old.parent for old, _ in renames)]):
        sync_directory(directory)


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
