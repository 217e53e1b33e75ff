"""Disks that the tests cannot have."""

from __future__ import annotations

import os
import stat

import pytest


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
