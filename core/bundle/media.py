"""Sticks and other media that are mounted here, found without touching what is on them.

The kernel's own lists are read (mountinfo, sysfs), never the media: one that was pulled or hangs
would hold up whoever asks it. What lies on one is asked in a thread of its own, which is given up
after a while and not asked again before it has answered.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.bundle.discovery import Ignored, find_bundles, gaps_in
from core.bundle.model import BundleFile
from core.errors import AirferryError, BundleError
from core.printable import printable
from core.threads import LateAnswers

ROOTS = (Path("/media"), Path("/run/media"), Path("/mnt"))
"""Where desktops, and people, mount media."""
VARIABLE = "AIRFERRY_MEDIA"
_DEPTH = 2  # /run/media/USER/LABEL
_NO_MEDIA = frozenset(
    {"autofs", "proc", "sysfs", "devtmpfs", "devpts", "nsfs", "cgroup", "cgroup2"}
)
_OCTAL = re.compile(r"\\([0-7]{3})")
_HEX = re.compile(r"\\x([0-9a-f]{2})")
_PASSED_OVER = frozenset({"System Volume Information", "lost+found"})
MAX_FOLDERS = 50
ANSWER_S = 4.0
SILENT = "does not answer"
"""What is said of a stick that did not answer in time."""


@dataclass(frozen=True)
class Stick:
    """A medium that is mounted.

    Args:
        path: Where.
        device: What the system calls it: `/dev/sdb1`.
        label: The name that its file system has; empty where it has none.
        read_only: Nothing can be written to it.
    """

    path: Path
    device: str = ""
    label: str = ""
    read_only: bool = False


@dataclass(frozen=True)
class OnStick:
    """What lies on a stick.

    Args:
        stick: The stick.
        files: Its bundles: in its top directory, and in the folders there.
        ignored: The other files of its top directory.
        gaps: Which parts are seen to be missing, by the path of a bundle.
        free_bytes: The room on it.
        error: Why it cannot be looked at.
        remedy: What to do about that.
    """

    stick: Stick
    files: tuple[BundleFile, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    gaps: Mapping[Path, str] = field(default_factory=dict)
    free_bytes: int = 0
    error: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class _Mount:
    number: str
    root: str
    path: Path
    kind: str
    source: str
    read_only: bool


@dataclass
class Media:
    """The media of this machine.

    Args:
        mountinfo: The kernel's list of mounts.
        sys: Where sysfs is mounted.
        labels: The directory of links from the names of file systems to devices.
        roots: What is mounted below these directories is a medium, whatever it is.
        answer_s: How long a stick may take to tell what is on it, in seconds.
        anywhere: What can be taken out of this machine is a medium wherever it is mounted.
    """

    mountinfo: Path = Path("/proc/self/mountinfo")
    sys: Path = Path("/sys")
    labels: Path = Path("/dev/disk/by-label")
    roots: tuple[Path, ...] = ROOTS
    answer_s: float = ANSWER_S
    anywhere: bool = True
    _answers: LateAnswers[OnStick] = field(default_factory=LateAnswers)

    def sticks(self) -> list[Stick]:
        """Return what is mounted, in the order of the mount points. Touches no medium."""
        mounts = list(self._mounts())
        system = {self._disk(mount.number) for mount in mounts if mount.path == Path("/")} - {None}
        labels = self._labels()
        found: dict[tuple[str, str], Stick] = {}
        for mount in mounts:
            disk = self._disk(mount.number)
            removable = self.anywhere and disk is not None and _is_removable(disk)
            is_stick = mount.root == "/" and removable
            if not self._is_below_roots(mount.path) and (disk in system or not is_stick):
                continue
            label = labels.get(Path(mount.source).name, "")
            stick = Stick(mount.path, mount.source, label, mount.read_only)
            found.setdefault((mount.number, mount.root), stick)
        return sorted(found.values(), key=lambda stick: stick.path)

    def look(self, stick: Stick, within_s: float | None = None) -> OnStick:
        """Return what lies on a stick; one that does not answer in time says so.

        Args:
            stick: The stick.
            within_s: How long it may take, in seconds, where that is not `answer_s`.
        """
        try:
            limit_s = self.answer_s if within_s is None else within_s
            return self._answers.wait(stick, lambda: _looked(stick), limit_s)
        except TimeoutError:
            return OnStick(
                stick,
                error=SILENT,
                remedy="Pull it out and put it in again; if that does not help, take another one.",
            )

    def _mounts(self) -> Iterator[_Mount]:
        """Yield what is mounted; of several mounts on one place the last, which covers the rest."""
        try:
            lines = self.mountinfo.read_bytes().splitlines()
        except OSError:
            return
        mounts = [mount for line in lines if (mount := _parsed(line)) is not None]
        yield from {mount.path: mount for mount in mounts if mount.kind not in _NO_MEDIA}.values()

    def _disk(self, number: str) -> Path | None:
        """Return the directory of a device's whole disk in sysfs."""
        link = self.sys / "dev" / "block" / number
        if not link.exists():
            return None
        device = link.resolve()
        return device.parent if (device / "partition").exists() else device

    def _is_below_roots(self, path: Path) -> bool:
        return any(
            path == root or (root in path.parents and len(path.relative_to(root).parts) <= _DEPTH)
            for root in self.roots
        )

    def _labels(self) -> dict[str, str]:
        """Return the name of the file system on each device."""
        try:
            links = list(self.labels.iterdir())
        except OSError:
            return {}
        return {
            link.resolve().name: _HEX.sub(lambda m: chr(int(m[1], 16)), link.name) for link in links
        }


def media_of(environ: Mapping[str, str]) -> Media:
    """Return the media of this machine.

    Args:
        environ: Where AIRFERRY_MEDIA names directories (with `:` between them), only what is
            mounted below those is a medium; none at all where it is empty.
    """
    named = environ.get(VARIABLE)
    if named is None:
        return Media()
    return Media(roots=tuple(Path(name) for name in named.split(":") if name), anywhere=False)


def _parsed(line: bytes) -> _Mount | None:
    """Take a line of mountinfo apart (proc(5)); None for one that is cut."""
    before, dash, after = line.decode("utf-8", "surrogateescape").partition(" - ")
    left, right = before.split(" "), after.split(" ")
    if not dash or len(left) < 6 or len(right) < 3:
        return None
    options = {*left[5].split(","), *right[2].split(",")}
    return _Mount(
        left[2], left[3], Path(_unescaped(left[4])), right[0], _unescaped(right[1]), "ro" in options
    )


def _unescaped(text: str) -> str:
    r"""Return a path of mountinfo, in which a blank is `\040`."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)


def _is_removable(disk: Path) -> bool:
    """Whether a disk can be taken out; those in USB cases say that they cannot."""
    try:
        removable = (disk / "removable").read_text(encoding="ascii").strip() == "1"
    except OSError:
        removable = False
    return removable or any(part.startswith("usb") for part in disk.parts)


def _looked(stick: Stick) -> OnStick:
    """List a stick. Takes as long as the stick does.

    A folder or file that cannot be read is passed over, with the reason: the others can be taken.
    """
    try:
        files, ignored = find_bundles(stick.path, pass_unreadable=True)
        folders = _folders(stick.path, files)
        names = {printable(folder.name) for folder in folders}
        ignored = [other for other in ignored if other.name not in names]
        for folder in folders:
            try:
                files += find_bundles(folder, pass_unreadable=True)[0]
            except BundleError as error:
                ignored.append(Ignored(printable(folder.name), error.what))
        free = shutil.disk_usage(stick.path).free
        return OnStick(stick, tuple(files), tuple(ignored), gaps_in(files), free)
    except AirferryError as error:
        return OnStick(stick, error=error.what, remedy=error.remedy)
    except OSError as error:
        return OnStick(stick, error=f"{stick.path}: {error.strerror}", remedy="Is it still in?")


def _folders(directory: Path, bundles: list[BundleFile]) -> list[Path]:
    """Return the folders of a stick in which bundles may lie, except for what are bundles."""
    layouts = {file.path for file in bundles}
    found = [
        path
        for path in directory.iterdir()
        if not path.name.startswith((".", "$"))
        and path.name not in _PASSED_OVER
        and path not in layouts
        and not path.is_symlink()
        and path.is_dir()
    ]
    return sorted(found)[:MAX_FOLDERS]
