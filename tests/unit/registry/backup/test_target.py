"""Where a backup can be written: FAT takes no large files, and is known by the list of mounts."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from core.errors import BackupPlaceUnfit, LocalFilesError
from core.files import file_system_type
from core.registry.backup import target as backup_place
from core.registry.backup.target import FAT_LARGEST_BYTES, errors_of, require_place

MOUNTS = """\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
22 21 0:20 / /media rw shared:2 master:1 - tmpfs tmpfs rw
23 22 8:1 / /media/MY\\040STICK rw - vfat /dev/sda1 rw,errors=remount-ro
24 21 8:2 / /mnt rw - ext4 /dev/sdb1 rw
25 24 8:3 / /mnt rw - msdos /dev/sdc1 rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/root/x", "ext4"),
        ("/media", "tmpfs"),
        ("/mediate", "ext4"),
        ("/media/MY STICK/backups", "vfat"),
        ("/mnt/a", "msdos"),  # what is mounted last lies on top
    ],
)
def test_the_kind_of_a_file_system(tmp_path: Path, path: str, kind: str) -> None:
    (tmp_path / "mounts").write_text(MOUNTS)
    assert kind == file_system_type(Path(path), tmp_path / "mounts")


def test_this_machine_has_a_list_of_mounts() -> None:
    assert file_system_type(Path("/proc")) == "proc"


def on_fat(path: Path) -> str:
    return "vfat" if path else ""


def test_fat_takes_no_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No machine of ours has a stick; which file system it is comes from the test."""
    monkeypatch.setattr(backup_place, "file_system_type", on_fat)
    require_place(tmp_path, FAT_LARGEST_BYTES, 0)
    require_place(tmp_path, 2 * FAT_LARGEST_BYTES, 4_000_000_000)
    for part_bytes in (0, 5_000_000_000):
        with pytest.raises(BackupPlaceUnfit, match="is FAT") as caught:
            require_place(tmp_path, 2 * FAT_LARGEST_BYTES, part_bytes)
        assert "--split 4000000000" in caught.value.remedy


def test_too_many_parts(tmp_path: Path) -> None:
    with pytest.raises(BackupPlaceUnfit, match="more than 999 parts"):
        require_place(tmp_path, 1000, 1)


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, BackupPlaceUnfit, "is full"),
        (errno.EDQUOT, BackupPlaceUnfit, "is full"),
        (errno.EFBIG, BackupPlaceUnfit, "takes no file so large"),
        (errno.EIO, LocalFilesError, "Input/output error"),
    ],
)
def test_errors_in_writing(number: int, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words), errors_of(Path("/media/stick")):
        raise OSError(number, "Input/output error")
