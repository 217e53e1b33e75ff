"""Moving what the registry stores: on one file system and across two, cut off at any moment."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import Cancelled, RegistryDirTaken, RegistryFull
from core.registry.local import relocate
from core.registry.local.relocate import (
    CONTENT,
    Move,
    content_bytes,
    leftover_of_removal,
    move_content,
    noted_move,
    remove_content,
    require_movable,
    stored_names,
)
from tests.lab.shell import run
from tests.support.processes import running
from tests.support.waiting import HANG_S

TIMES = 10  # on each kind of file system
# Does in a process of its own what a run does: the move that broke off first, then what is asked.
MOVER = """
import sys
from pathlib import Path
from core.registry.local.relocate import Move, holds_content, move_content, noted_move
state, source, target = map(Path, sys.argv[1:])
print("begun", flush=True)
move = noted_move(state) or (Move(source, target) if holds_content(source) else None)
if move:
    move_content(state, move, lambda: None)
"""


@pytest.fixture(
    params=["one file system", pytest.param("two file systems", marks=pytest.mark.programs)]
)
def move(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Move]:
    """A registry's content, and where it is to go."""
    (tmp_path / "state").mkdir()
    target = tmp_path / "new"
    other = request.param == "two file systems"
    if other:
        request.getfixturevalue("mounting")
        target.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", target)
    try:
        yield Move(filled(tmp_path / "old"), target / "registry")
    finally:
        if other:
            run("umount", target)


def filled(directory: Path) -> Path:
    """Make what CNCF distribution makes, with blobs of a few sizes."""
    root = directory / CONTENT / "registry/v2"
    for number in range(12):
        blob = root / f"blobs/sha256/{number:02}/{number:064}/data"
        blob.parent.mkdir(parents=True)
        blob.write_bytes(random.Random(number).randbytes(200_000 * number))  # noqa: S311
    for name in ("calico/node/_manifests/tags/v3", "pause/_manifests/tags/3.5"):
        link = root / "repositories" / name / "current/link"
        link.parent.mkdir(parents=True)
        link.write_text("sha256:0")
    return directory


def tree(directory: Path) -> dict[str, bytes]:
    """Return every file below a directory."""
    paths = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in paths}


def moved(tmp_path: Path, move: Move) -> list[str]:
    """Move it, and return the directory that the registry was told of, if it was."""
    told: list[str] = []
    move_content(tmp_path / "state", move, lambda: told.append(str(move.target)))
    return told


def test_all_of_it_comes_and_nothing_is_left(tmp_path: Path, move: Move) -> None:
    before = tree(move.source)
    assert [str(move.target)] == moved(tmp_path, move)
    assert before == tree(move.target)
    assert not move.source.exists()
    assert [] == sorted(path.name for path in (tmp_path / "state").iterdir())


def test_names_and_size(tmp_path: Path) -> None:
    directory = filled(tmp_path / "old")
    assert {"calico/node:v3", "pause:3.5"} == stored_names(directory)
    assert sum(len(data) for data in tree(directory).values()) == content_bytes(directory)
    assert (set(), 0) == (stored_names(tmp_path), content_bytes(tmp_path))


def test_others_files_stay(tmp_path: Path, move: Move) -> None:
    (move.source / "notes.txt").write_text("mine")
    moved(tmp_path, move)
    assert {"notes.txt": b"mine"} == tree(move.source)


def test_a_directory_with_another_registry_is_refused(tmp_path: Path, move: Move) -> None:
    filled(move.target)
    before = tree(tmp_path)
    with pytest.raises(RegistryDirTaken, match="holds a registry's content already"):
        moved(tmp_path, move)
    assert before == tree(tmp_path)


def test_a_directory_within_what_is_moved_is_refused(tmp_path: Path) -> None:
    source = filled(tmp_path / "old")
    with pytest.raises(RegistryDirTaken, match="lies within"):
        require_movable(tmp_path, Move(source, source / CONTENT / "registry"))
    require_movable(tmp_path, Move(source, source / "below"))


@pytest.mark.programs
@pytest.mark.parametrize("move", ["two file systems"], indirect=True)
def test_too_little_room_is_told_before(tmp_path: Path, move: Move) -> None:
    (move.target.parent / "other").write_bytes(bytes(50_000_000))
    before = tree(move.source)
    with pytest.raises(RegistryFull, match=r"0\.0 GB free; the registry's content in"):
        moved(tmp_path, move)
    assert before == tree(move.source)
    assert ["other"] == sorted(tree(move.target.parent))


@pytest.mark.programs
@pytest.mark.parametrize("move", ["two file systems"], indirect=True)
def test_what_is_not_as_written_is_not_taken(
    tmp_path: Path, move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that gives back something else cannot be made: its answer is."""
    before = tree(move.source)
    monkeypatch.setattr(relocate, "_sum_of", lambda _path, _go_on: "something else")
    with pytest.raises(OSError, match="is not what was written to it"):
        moved(tmp_path, move)
    assert before == tree(move.source)
    assert not (move.target / CONTENT).exists()
    monkeypatch.undo()
    assert [str(move.target)] == moved(tmp_path, move)
    assert before == tree(move.target)


@pytest.mark.programs
@pytest.mark.parametrize("move", ["two file systems"], indirect=True)
def test_a_cancel_leaves_the_old_one_as_it_was(tmp_path: Path, move: Move) -> None:
    before, copied = tree(move.source), 0

    def go_on() -> None:
        if copied > 5_000_000:
            raise Cancelled("the run was ended")

    def told(count: int) -> None:
        nonlocal copied
        copied += count

    with pytest.raises(Cancelled):
        move_content(tmp_path / "state", move, lambda: None, go_on, told)
    assert before == tree(move.source)
    assert (None, []) == (noted_move(tmp_path / "state"), list(move.target.iterdir()))
    assert [str(move.target)] == moved(tmp_path, move)
    assert before == tree(move.target)


def test_removing_leaves_nothing(tmp_path: Path) -> None:
    directory = filled(tmp_path / "old")
    remove_content(directory)
    assert not directory.exists()


def test_a_removal_that_was_cut_off_is_seen_and_completed(tmp_path: Path) -> None:
    directory = filled(tmp_path / "old")
    (directory / CONTENT).rename(directory / ".airferry-going")
    assert leftover_of_removal(directory)
    remove_content(directory)
    assert not directory.exists()


@pytest.mark.slow
def test_a_move_that_is_killed_at_any_moment_is_completed_by_the_next(
    tmp_path: Path, move: Move
) -> None:
    """Then everything is in one place, and it is never nowhere."""
    before = tree(move.source / CONTENT)
    here, there, whole_s, killed = move.source, move.target, 0.0, 0
    while killed < TIMES:
        command = [sys.executable, "-c", MOVER, str(tmp_path / "state"), str(here), str(there)]
        moment_s = random.uniform(0, whole_s) if whole_s else None  # noqa: S311 - no secret
        took_s = ended(command, moment_s)
        whole_s, killed = took_s or whole_s, killed + (took_s is None)
        held = [tree(place / CONTENT) for place in (here, there)]
        assert before in held, "it is whole in one of the two places"
        assert ended(command) is not None
        assert before == tree(there / CONTENT)
        assert not here.exists()
        here, there = there, here


def ended(command: list[str], kill_after_s: float | None = None) -> float | None:
    """Run it to its end and return how long it took; None if it was killed before."""
    with running(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "begun\n" == process.stdout.readline()
        begun = time.monotonic()
        try:
            process.wait(HANG_S if kill_after_s is None else kill_after_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait(HANG_S)
            return None
        assert 0 == process.returncode
        return time.monotonic() - begun
