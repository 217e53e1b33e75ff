"""Files that are on the disk: what is synced, in which order, and which refusals are no failure."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from core.files import rename_durably, sync_directory, sync_file, write_atomically
from tests.support.disks import refuse_to_sync_directories

REFUSALS = [errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS]
FAILURES = [errno.EIO, errno.ENOSPC]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what was synced, with those that its directory had at that moment."""
    found: list[str] = []
    sync = os.fsync

    def noted(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        inside = sorted(one.name for one in path.iterdir()) if path.is_dir() else []
        found.append(" ".join([path.name, *inside]))
        sync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    return found


def test_what_is_still_in_memory_is_synced(tmp_path: Path, synced: list[str]) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.write(b"x")
        sync_file(file)
        assert (b"x", ["a"]) == ((tmp_path / "a").read_bytes(), synced)


def test_a_file_that_cannot_be_synced_is_a_failure() -> None:
    """A pipe cannot be: the same refusal that is passed over for a directory."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as file, pytest.raises(OSError, match="Invalid argument"):
        sync_file(file)


def test_a_file_system_that_syncs_no_directory() -> None:
    """/proc is one, without any fake."""
    handle = os.open("/proc", os.O_RDONLY)
    with pytest.raises(OSError, match="Invalid argument"):
        os.fsync(handle)
    os.close(handle)
    sync_directory(Path("/proc"))


@pytest.mark.parametrize("number", REFUSALS)
def test_refusals_of_file_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refuse_to_sync_directories(monkeypatch, number)
    write_atomically(tmp_path / "a", "x", durable=True)
    assert ["a"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("number", FAILURES)
def test_failures_of_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    refuse_to_sync_directories(monkeypatch, number)
    with pytest.raises(OSError, match=os.strerror(number)):
        sync_directory(tmp_path)
    with pytest.raises(OSError, match=os.strerror(number)):
        write_atomically(tmp_path / "a", "x", durable=True)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sync_directory(tmp_path / "gone")


def test_a_file_is_synced_before_it_has_its_name(tmp_path: Path, synced: list[str]) -> None:
    place = tmp_path / "in"
    place.mkdir()
    write_atomically(place / "a", "x", mode=0o600, durable=True)
    assert (["a.new", "in a"], 0o600) == (synced, (place / "a").stat().st_mode & 0o777)


def test_nothing_is_synced_unless_asked_for(tmp_path: Path, synced: list[str]) -> None:
    write_atomically(tmp_path / "a", "x")
    assert [] == synced


def test_several_names_at_once(tmp_path: Path, synced: list[str]) -> None:
    """In their order, and each directory is synced once, when it has all of them."""
    old, new = tmp_path / "old", tmp_path / "new"
    for place in (old, new):
        place.mkdir()
        (place / "1").write_text(place.name)
        (place / "2").write_text(place.name)
    rename_durably((old / "1", new / "1"), (old / "2", new / "3"), (new / "3", new / "2"))
    assert ["new 1 2", "old"] == synced
    assert ["old", "old"] == [(new / name).read_text() for name in "12"]
