"""The place where a backup goes: what it must offer, and its errors in our words."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.bundle.draft import left_overs
from core.errors import BackupPlaceUnfit, of_local_files
from core.files import FAT, file_system_type

FAT_LARGEST_BYTES = (4 << 30) - 1
MAX_PARTS = 999
SPARE_BYTES = 1 << 20
_SPLIT = "Split it, which FAT needs for more than 4 GB a file: --split 4000000000"


def require_place(directory: Path, size_bytes: int, part_bytes: int) -> int:
    """Refuse to begin what cannot be written there; return the bytes that will be left.

    Args:
        directory: Where the backup goes.
        size_bytes: Its size.
        part_bytes: The most that one file may hold; 0 for one file.

    Raises:
        BackupPlaceUnfit: there is no room, or the file system takes no such large files.
        LocalFilesError: the place cannot be looked at.
    """
    with errors_of(directory):
        free = shutil.disk_usage(directory).free + _left_over_bytes(directory)
        is_fat = file_system_type(directory) in FAT
    largest = min(part_bytes or size_bytes, size_bytes)
    if free < size_bytes + SPARE_BYTES:
        raise BackupPlaceUnfit(
            f"{directory} has {free / 1e9:.2f} GB free; the backup takes {size_bytes / 1e9:.2f} GB"
        )
    if is_fat and largest > FAT_LARGEST_BYTES:
        raise BackupPlaceUnfit(
            f"{directory} is FAT and takes files up to 4.3 GB; the backup has "
            f"{largest / 1e9:.1f} GB in one",
            remedy=_SPLIT,
        )
    if part_bytes and size_bytes > MAX_PARTS * part_bytes:
        raise BackupPlaceUnfit(
            f"the backup would be more than {MAX_PARTS} parts", remedy="Make the parts larger."
        )
    return free - size_bytes


def _left_over_bytes(directory: Path) -> int:
    """Return what is free when that is removed which killed runs left."""
    paths = [path for paths in left_overs(directory).values() for path in paths]
    return sum(path.stat().st_size for path in paths)


@contextmanager
def errors_of(directory: Path) -> Iterator[None]:
    """Turn the system's errors in writing there into ours."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BackupPlaceUnfit(f"{directory} is full") from error
        if error.errno == errno.EFBIG:
            raise BackupPlaceUnfit(f"{directory} takes no file so large", remedy=_SPLIT) from error
        raise of_local_files(error, str(directory)) from error
