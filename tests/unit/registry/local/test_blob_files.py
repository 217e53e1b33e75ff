"""Is a blob whole? One answer for the scan, for restores and for backups."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from core.errors import Cancelled
from core.registry.integrity.scan import unsound_blobs
from core.registry.local.blob_files import BlobFiles
from core.registry.local.storage import Storage
from tests.support.archives import digest_of

WHOLE, CUT, UNREADABLE, GONE = (digest_of(name) for name in (b"whole", b"cut", b"bad", b"gone"))
Ask = Callable[[Path, Iterable[str], Callable[[], None], Callable[[int], None]], Iterable[str]]


def by_scan(
    directory: Path,
    digests: Iterable[str],
    go_on: Callable[[], None],
    told: Callable[[int], None],
) -> Iterable[str]:
    return unsound_blobs(Storage(directory), digests, go_on, told)


def by_restore(
    directory: Path,
    digests: Iterable[str],
    go_on: Callable[[], None],
    told: Callable[[int], None],
) -> Iterable[str]:
    return BlobFiles(directory).damaged(digests, go_on, told)


both = pytest.mark.parametrize("ask", [by_scan, by_restore])


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A registry's directory with a blob that is whole, one that is cut and one that gives EIO."""
    storage = Storage(tmp_path)
    for digest, data in ((WHOLE, b"whole"), (CUT, b"cu")):
        storage.blob_path(digest).parent.mkdir(parents=True)
        storage.blob_path(digest).write_bytes(data)
    storage.blob_path(UNREADABLE).parent.mkdir(parents=True)
    # Reading the memory of a process at 0 is the input/output error that a bad sector gives.
    storage.blob_path(UNREADABLE).symlink_to("/proc/self/mem")
    return tmp_path


@both
def test_what_is_damaged(directory: Path, ask: Ask) -> None:
    """What is not there is not damaged, but missing: others see to that."""
    asked, read = [WHOLE, CUT, UNREADABLE, GONE], list[int]()
    assert [CUT, UNREADABLE] == list(ask(directory, asked, lambda: None, read.append))
    assert 7 in (sum(read), max(read))  # pieces here, all so far there


@both
@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EACCES])
def test_what_says_nothing_of_the_blob(
    directory: Path, ask: Ask, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Damaged blobs are put aside or removed: that must not befall one that could not be opened.

    A fake: a process out of files or memory can do no test, and root may read everything.
    """

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OSError, match=os.strerror(number)):
        list(ask(directory, [WHOLE, CUT], lambda: None, lambda _: None))


@both
def test_an_error_of_who_is_told(directory: Path, ask: Ask) -> None:
    """It is nothing that the disk has said, of whatever kind it is."""

    def told(_: int) -> None:
        raise OSError(errno.EIO, "the screen is gone")

    with pytest.raises(OSError, match="the screen is gone"):
        list(ask(directory, [WHOLE], lambda: None, told))


@both
def test_an_end_in_the_middle(directory: Path, ask: Ask) -> None:
    def end() -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        list(ask(directory, [WHOLE, CUT] * 20, end, lambda _: None))
