"""Moving what the DU's registry stores to another directory, so that no end in between loses it.

What is moved is noted in the state directory before it begins, and the note goes last: whoever
finds one completes that move first, whatever the config says by then. On one file system the
content is renamed. Else it is copied under a passing name, read back and compared, renamed, and
only then is the registry told of the new place; the old content is removed last.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import RegistryDirTaken, RegistryFull
from core.files import (
    nearest_directory,
    rename_durably,
    sync_file,
    write_atomically,
    write_whole,
)

CONTENT = "docker"
"""What CNCF distribution makes in its root directory; everything is below it."""
_COPY = ".airferry-coming"
_AWAY = ".airferry-going"
_NOTE = "registry-move.json"
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Move:
    """The content of one directory goes to another."""

    source: Path
    target: Path


def noted_move(state_dir: Path) -> Move | None:
    """Return the move that was begun and has not come to its end."""
    try:
        record = json.loads((state_dir / _NOTE).read_bytes())
        return Move(Path(record["source"]), Path(record["target"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def holds_content(directory: Path) -> bool:
    """Whether a registry has stored something in a directory, or what is left of removing it."""
    return (directory / CONTENT).is_dir()


def content_bytes(directory: Path) -> int:
    """Return the size of what a registry stores in a directory."""
    return sum(path.lstat().st_size for path, _ in _files(directory / CONTENT))


def stored_names(directory: Path) -> set[str]:
    """Return the names (`repository:tag`) that a registry stores, without asking it."""
    root = directory / CONTENT / "registry/v2/repositories"
    links = root.glob("**/_manifests/tags/*/current/link")
    parts = ((link.parents[4].relative_to(root), link.parents[1].name) for link in links)
    return {f"{repository}:{tag}" for repository, tag in parts}


def require_movable(state_dir: Path, move: Move) -> None:
    """Refuse a move that cannot be made, before anything is done.

    Raises:
        RegistryDirTaken: the new directory holds another registry's content.
        RegistryFull: it has too little room.
    """
    if noted_move(state_dir) != move and holds_content(move.target):
        raise RegistryDirTaken(
            f"registryDir {move.target} holds a registry's content already, and so does "
            f"{move.source}, from where this site's is to be moved"
        )
    inside = move.source / CONTENT
    if move.target.resolve().is_relative_to(inside.resolve()):
        raise RegistryDirTaken(f"registryDir {move.target} lies within what is to be moved")
    if not _on_one_file_system(move):
        _require_room(move)


def move_content(
    state_dir: Path,
    move: Move,
    switch: Callable[[], None],
    go_on: Callable[[], None] = lambda: None,
    told: Callable[[int], None] = lambda _: None,
) -> None:
    """Move the content of a registry that does not run; a move that broke off is completed.

    Args:
        state_dir: The state directory.
        move: From where to where.
        switch: Has the registry store in the new directory from its next start on.
        go_on: Called again and again; raises to end it, and all is as it was before.
        told: Told the bytes of each piece that was copied.

    Raises:
        RegistryDirTaken, RegistryFull: as for `require_movable`; nothing was done.
        OSError: a file cannot be read or written; the old content is as it was.
    """
    require_movable(state_dir, move)
    note = json.dumps({"source": str(move.source), "target": str(move.target)})
    write_atomically(state_dir / _NOTE, note, durable=True)
    # With the note there, content in the new directory is ours and whole: it came by a rename.
    if not holds_content(move.target):
        try:
            move.target.mkdir(parents=True, exist_ok=True)
            _bring(move, go_on, told)
        except BaseException:
            _take_back(state_dir, move)
            raise
    switch()
    _remove(move.source)
    (state_dir / _NOTE).unlink()


def remove_content(directory: Path) -> None:
    """Remove what a registry stores in a directory, and the directory where nothing else is in it.

    It is renamed first, so that a registry finds all of it or nothing.
    """
    _remove(directory)


def leftover_of_removal(directory: Path) -> bool:
    """Whether a removal was cut off."""
    return (directory / _AWAY).exists()


def _take_back(state_dir: Path, move: Move) -> None:
    """Have all as it was before a move that failed, unless the content has come already."""
    if not holds_content(move.target):
        shutil.rmtree(move.target / _COPY, ignore_errors=True)
        (state_dir / _NOTE).unlink(missing_ok=True)


def _bring(move: Move, go_on: Callable[[], None], told: Callable[[int], None]) -> None:
    source, target = move.source / CONTENT, move.target / CONTENT
    if _on_one_file_system(move):
        rename_durably((source, target))
    else:
        copy = move.target / _COPY
        shutil.rmtree(copy, ignore_errors=True)
        _require_room(move)
        _copy(source, copy, go_on, told)
        rename_durably((copy, target))


def _copy(source: Path, copy: Path, go_on: Callable[[], None], told: Callable[[int], None]) -> None:
    """Copy a tree; what is on the disk then is compared with what was read."""
    sums: dict[Path, str] = {}
    copy.mkdir()
    for path, is_directory in _entries(source):
        there = copy / path.relative_to(source)
        if is_directory:
            there.mkdir()
        else:
            sums[there] = _copy_file(path, there, go_on, told)
    for path, is_directory in [*_entries(source), (source, True)]:
        if is_directory:
            shutil.copystat(path, copy / path.relative_to(source))
    os.sync()
    for there, expected in sums.items():
        if _sum_of(there, go_on) != expected:
            raise OSError(f"{there} is not what was written to it")


def _copy_file(
    path: Path, there: Path, go_on: Callable[[], None], told: Callable[[int], None]
) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as old, there.open("wb", buffering=0) as new:
        while piece := old.read(_READ_BYTES):
            go_on()
            digest.update(piece)
            write_whole(new, piece)
            told(len(piece))
        sync_file(new)
        # So that it is compared with what the disk has, not with what memory still holds.
        os.posix_fadvise(new.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    shutil.copystat(path, there)
    found = path.stat()
    if os.geteuid() == 0:
        os.chown(there, found.st_uid, found.st_gid)
    return digest.hexdigest()


def _sum_of(path: Path, go_on: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_READ_BYTES):
            go_on()
            digest.update(piece)
    return digest.hexdigest()


def _entries(root: Path) -> Iterator[tuple[Path, bool]]:
    """Yield everything below a directory and whether it is a directory, parents first."""
    for directory, directories, files in os.walk(root, onerror=_raised):
        for name in directories:
            yield Path(directory, name), True
        for name in files:
            yield Path(directory, name), False


def _raised(error: OSError) -> None:
    """A directory that cannot be read must not be taken for an empty one."""
    raise error


def _files(root: Path) -> Iterator[tuple[Path, bool]]:
    return (entry for entry in _entries(root) if not entry[1]) if root.is_dir() else iter(())


def _remove(directory: Path) -> None:
    away = directory / _AWAY
    shutil.rmtree(away, ignore_errors=True)
    if holds_content(directory):
        (directory / CONTENT).rename(away)
        shutil.rmtree(away)
    try:
        directory.rmdir()
    except OSError:
        return  # somebody else's files are in it, or a disk is mounted there


def _on_one_file_system(move: Move) -> bool:
    if not move.source.is_dir():
        return True
    return move.source.stat().st_dev == nearest_directory(move.target).stat().st_dev


def _require_room(move: Move) -> None:
    needed, there = content_bytes(move.source), nearest_directory(move.target)
    copied = sum(path.lstat().st_size for path, _ in _files(move.target / _COPY))
    free = shutil.disk_usage(there).free + copied
    if needed > free:
        raise RegistryFull(
            f"{move.target} has {free / 1e9:.1f} GB free; the registry's content in "
            f"{move.source} takes {needed / 1e9:.1f} GB",
            remedy="Make room there, or choose another registryDir; nothing was moved.",
        )
