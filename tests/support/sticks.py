"""A machine's disks and mounts as the kernel lists them, without any of them being there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from core.bundle.media import ROOTS, Media
from tests.support.waiting import HANG_S


class Machine:
    """The kernel's lists, in a directory.

    Args:
        directory: Where they are made.
    """

    def __init__(self, directory: Path) -> None:
        self.mountinfo = directory / "mountinfo"
        self._sys = directory / "sys"
        self._labels = directory / "by-label"
        (self._sys / "dev" / "block").mkdir(parents=True)
        self._labels.mkdir()
        self.mountinfo.touch()

    def media(self, *roots: Path) -> Media:
        """Return the media of this machine."""
        return Media(self.mountinfo, self._sys, self._labels, roots or ROOTS, HANG_S)

    def disk(
        self,
        name: str,
        number: str,
        *,
        removable: bool = False,
        bus: str = "pci0000:00/ata1",
        partitions: Mapping[str, str] | None = None,
    ) -> None:
        """Add a disk with the numbers of its partitions."""
        directory = self._sys / "devices" / bus / "block" / name
        directory.mkdir(parents=True)
        (directory / "removable").write_text(f"{int(removable)}\n")
        self._known(number, directory)
        for part, its_number in (partitions or {}).items():
            (directory / part).mkdir()
            (directory / part / "partition").write_text("1\n")
            self._known(its_number, directory / part)

    def _known(self, number: str, directory: Path) -> None:
        (self._sys / "dev" / "block" / number).symlink_to(directory)

    def label(self, name: str, device: str) -> None:
        """Give the file system of a device a name, written as udev does."""
        (self._labels / name).symlink_to(self._labels.parent / device)

    def mount(
        self,
        place: Path | str,
        number: str,
        source: str,
        *,
        kind: str = "vfat",
        options: str = "rw,relatime",
    ) -> None:
        """Add a mount."""
        shown = str(place).replace(" ", "\\040")
        with self.mountinfo.open("a", encoding="utf-8") as lists:
            lists.write(f"36 27 {number} / {shown} {options} shared:1 - {kind} {source} rw\n")
