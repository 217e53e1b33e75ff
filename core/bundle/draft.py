"""An archive in the making: under names that nothing takes for an archive, until it is whole.

It may be cut into parts for sticks. While it is written its first file is locked, so that what a
killed run left behind can be told from what another one is just writing.
"""

from __future__ import annotations

import fcntl
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from core.files import rename_durably, sync_directory, sync_file, write_atomically

MIN_SYNC_BYTES = 16 << 20
MAX_SYNC_BYTES = 64 << 20
SHORT_S, LONG_S = 0.2, 1.0
_ENDING = ".partial"
_POLL_S = 0.2
_DRAFT = re.compile(r"\.(?P<stem>.+\.tar)(?P<part>\.\d{2,3})?\.partial")


class ArchiveDraft:
    """A file, or parts of a file, that is being written.

    Args:
        directory: Where it is to be.
        name: Its name when it is whole.
        part_bytes: The most that one file may hold; 0 for one file of any size.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, directory: Path, name: str, part_bytes: int = 0) -> None:
        self._directory = directory
        self._name = name
        self._part_bytes = part_bytes
        self._files: list[BinaryIO] = []
        self._is_published = False
        self._unsynced = 0
        self._begun_bytes = 0
        self._sync_bytes = MIN_SYNC_BYTES
        self._reached_bytes = 0
        self._is_whole = False
        self._news = threading.Condition()
        self.size_bytes = 0
        self._add_file()
        with suppress(OSError):  # not every file system has locks
            fcntl.flock(self._files[0], fcntl.LOCK_EX | fcntl.LOCK_NB)

    def write(self, data: bytes | memoryview) -> None:
        """Write more, and see that the medium follows: the end, or a cancel, must not wait for it.

        Raises:
            OSError: there is no room, or the medium is gone.
        """
        view = memoryview(data)
        while view:
            room = self._part_bytes - self._files[-1].tell() if self._part_bytes else len(view)
            if not room:
                self._sync(self._files[-1])
                self._add_file()
                continue
            written = self._files[-1].write(view[:room])
            view = view[written:]
            self.size_bytes += written
            self._unsynced += written
        if self._unsynced >= self._sync_bytes:
            begun = time.monotonic()
            self._sync(self._files[-1])
            took_s = time.monotonic() - begun
            if took_s < SHORT_S:
                self._sync_bytes = min(2 * self._sync_bytes, MAX_SYNC_BYTES)
            elif took_s > LONG_S:
                self._sync_bytes = max(self._sync_bytes // 2, MIN_SYNC_BYTES)
        elif self._unsynced - self._begun_bytes >= MIN_SYNC_BYTES:
            self._begun_bytes = self._unsynced
            self._forget(self._files[-1])

    def cut_back(self, size_bytes: int) -> None:
        """Take away what was written after so many bytes."""
        while len(self._files) > 1 and size_bytes <= self._part_bytes * (len(self._files) - 1):
            self._files.pop().close()
            self._path(len(self._files)).unlink()
        offset = size_bytes - self._part_bytes * (len(self._files) - 1)
        self._files[-1].truncate(offset)
        self._files[-1].seek(offset)
        self.size_bytes = size_bytes
        self._reached_bytes = min(self._reached_bytes, size_bytes)

    def end(self) -> None:
        """Bring the rest to the medium; nothing is written after that.

        Raises:
            OSError: that cannot be done.
        """
        self._sync(self._files[-1])
        with self._news:
            self._is_whole = True
            self._news.notify_all()

    def readable(self, position: int, go_on: Callable[[], None]) -> int:
        """Wait until bytes from a place on have reached the medium; return how many, 0 at the end.

        (They are not in memory any more then, where the system could help it.)

        Args:
            position: The place.
            go_on: Called again and again; raises to end the waiting.
        """
        with self._news:
            while self._reached_bytes <= position and not self._is_whole:
                go_on()
                self._news.wait(_POLL_S)
            return self._reached_bytes - position

    def read_into(self, buffer: memoryview, position: int) -> tuple[int, int]:
        """Read from the medium; return of which file that was, and how many bytes.

        Raises:
            OSError: it cannot be read.
        """
        number, offset = divmod(position, self._part_bytes) if self._part_bytes else (0, position)
        return number, os.preadv(self._files[number].fileno(), [buffer], offset)

    @property
    def parts(self) -> list[tuple[str, int]]:
        """The final name and the size in bytes of each file."""
        return [
            (self._final_name(number), os.fstat(file.fileno()).st_size)
            for number, file in enumerate(self._files)
        ]

    def publish(self, sums: list[str]) -> list[Path]:
        """Give it its names, each with its checksum beside it; return the files.

        The first part comes last: parts without it are told to be incomplete.

        Args:
            sums: The SHA-256 of each file, in hex.

        Raises:
            OSError: that cannot be done; what was done is taken back by `discard`.
        """
        self._is_published = True
        finals = [self._directory / name for name, _ in self.parts]
        for path, value in zip(finals, sums, strict=True):
            write_atomically(path.with_name(f"{path.name}.sha256"), f"{value}  {path.name}\n")
        sync_directory(self._directory)  # the checksums, before anything that they are of
        order = reversed(range(len(finals)))
        rename_durably(*((self._path(number), finals[number]) for number in order))
        self._close()
        return finals

    def discard(self) -> None:
        """Remove it, whatever there is of it, also what has its name already."""
        for number in range(len(self._files)):
            final = self._directory / self._final_name(number)
            published = [final, final.with_name(f"{final.name}.sha256")]
            for path in (self._path(number), *(published if self._is_published else ())):
                with suppress(OSError):
                    path.unlink(missing_ok=True)
        self._close()

    def _add_file(self) -> None:
        path = self._path(len(self._files))
        self._files.append(path.open("w+b", buffering=0))

    def _path(self, number: int) -> Path:
        return self._directory / f".{self._final_name(number)}{_ENDING}"

    def _final_name(self, number: int) -> str:
        return f"{self._name}.{number:02}" if self._part_bytes else self._name

    def _sync(self, file: BinaryIO) -> None:
        sync_file(file)
        self._forget(file)
        self._unsynced = self._begun_bytes = 0
        with self._news:
            self._reached_bytes = self.size_bytes
            self._news.notify_all()

    def _forget(self, file: BinaryIO) -> None:
        """Have the kernel begin to write, and forget what is written: a read is of the medium."""
        end = file.tell()
        begun = max(end - self._unsynced, 0)
        os.posix_fadvise(file.fileno(), begun, end - begun, os.POSIX_FADV_DONTNEED)

    def _close(self) -> None:
        for file in self._files:
            file.close()
        self._files.clear()


def left_overs(directory: Path) -> dict[str, list[Path]]:
    """Return what runs that were killed left of archives in the making: the files of each.

    Raises:
        OSError: the directory cannot be read.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(directory.iterdir()):
        if match := _DRAFT.fullmatch(path.name):
            found.setdefault(match["stem"], []).append(path)
    return {
        stem: [*_published(directory, stem), *paths]
        for stem, paths in found.items()
        if _is_left_over(paths[0])
    }


def remove_left_over(directory: Path) -> list[str]:
    """Remove all that; return the names that the archives would have had.

    Raises:
        OSError: the directory cannot be read or written.
    """
    found = left_overs(directory)
    for paths in found.values():
        for path in paths:
            path.unlink(missing_ok=True)
    return list(found)


def _is_left_over(first: Path) -> bool:
    try:
        with first.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held, or gone by now
        return False
    return True


def _published(directory: Path, stem: str) -> Iterator[Path]:
    """Yield what of an unfinished archive has its final name: sums, and parts but the first."""
    pattern = re.compile(re.escape(stem) + r"(\.\d{2,3})?(\.sha256(\.new)?)?")
    for path in sorted(directory.iterdir()):
        if pattern.fullmatch(path.name):
            yield path
