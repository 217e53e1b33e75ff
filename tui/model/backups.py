"""Backups of the registry: which there are, when they were made, which of them belong together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from core.engine.request import RunKind
from core.files import FAT, file_system_type, nearest_directory
from core.words import size
from tui.model.site import Site

PART_BYTES = 4_000_000_000
"""The size of a part for a stick of FAT, which takes a little more."""
_NAMES = "airferry-backup-*.tar*"
_MOMENT = re.compile(r"airferry-backup-(\d{8}-\d{6})")
_PLACE_WIDTH = 14


@dataclass(frozen=True)
class FoundBackup:
    """A backup that lies somewhere.

    Args:
        path: Its file, or the first of several.
        size_bytes: All of its files together.
        needs: The names of earlier ones without which it is not whole.
    """

    path: Path
    size_bytes: int
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name, without the number of a part."""
        return self.path.stem if self.path.suffix == ".00" else self.path.name


@dataclass(frozen=True)
class BackupPlace:
    """A directory for a backup.

    Args:
        directory: Where.
        is_fat: No file there can have 4 GiB.
        earlier: Backups of which this one may leave out the content; the newest first.
    """

    directory: Path
    is_fat: bool = False
    earlier: tuple[FoundBackup, ...] = ()


def backups_in(places: Sequence[Path]) -> list[FoundBackup]:
    """Return the backups that lie in directories, the newest first.

    Of one in several files the first is named; the others are found beside it.
    """
    found: dict[Path, int] = {}
    for place in dict.fromkeys(places):
        try:
            for path in place.glob(_NAMES):
                if path.is_file() and not path.name.endswith((".sha256", ".part")):
                    first = path.with_suffix(".00") if path.suffix[1:].isdigit() else path
                    found[first] = found.get(first, 0) + path.stat().st_size
        except OSError:
            continue
    newest_first = sorted(found.items(), key=lambda each: each[0].name, reverse=True)
    return [FoundBackup(path, size_bytes) for path, size_bytes in newest_first]


def usual_places(site: Site) -> list[Path]:
    """Return where backups may be looked for: on sticks, and where earlier ones went."""
    runs = (run for run in site.reader.runs() if run.kind == RunKind.BACKUP)
    earlier = (Path(str(where)) for run in runs if (where := run.options.get("outdir")))
    sticks = (stick.path for stick in site.media.sticks())
    return [*sticks, Path.home(), site.config.images_dir, *earlier]


def look_at_place(site: Site, directory: Path) -> BackupPlace:
    """Look where a backup is to go. Blocks."""
    try:
        is_fat = file_system_type(nearest_directory(directory)) in FAT
    except OSError:
        is_fat = False  # the run says what is wrong with it
    earlier = backups_in([directory, *usual_places(site)])
    return BackupPlace(directory, is_fat, tuple(earlier))


def look_for_backups(site: Site) -> list[FoundBackup]:
    """Return those that can be restored, with what each needs beside it. Blocks."""
    from core.engine.backups import needs_of  # HTTP takes a while to import

    return [
        FoundBackup(found.path, found.size_bytes, needs_of(found.path))
        for found in backups_in(usual_places(site))
    ]


def since_line(found: FoundBackup) -> str:
    """Return the words for a backup of what an earlier one lacks."""
    return (
        f"only what is new since {_moment(found.name)} ({size(found.size_bytes)}, "
        f"{end_of(found.path.parent)})"
    )


def restore_line(found: FoundBackup, others: Mapping[str, FoundBackup]) -> str:
    """Return the line of a backup that can be restored.

    Args:
        found: The backup.
        others: All that were found, by their names.
    """
    note = end_of(found.path.parent)
    lost = [name for name in found.needs if name not in others]
    if lost:
        note = f"lacks {_day(lost[0])}"
    elif found.needs:
        note = f"needs {_day(found.needs[0])}"
    return f"{size(found.size_bytes):>9}  {found.name}  {note}"


def with_needed(picked: Sequence[Path], found: Sequence[FoundBackup]) -> tuple[Path, ...]:
    """Return what was picked, and those earlier ones that it needs and that were found."""
    by_name = {each.name: each for each in reversed(found)}
    needed = (
        by_name[name].path
        for each in found
        if each.path in picked
        for name in each.needs
        if name in by_name
    )
    return tuple(dict.fromkeys((*picked, *needed)))


def end_of(directory: Path) -> str:
    """Return where a file lies; of a long path its end."""
    shown = str(directory)
    return shown if len(shown) <= _PLACE_WIDTH else f"..{shown[2 - _PLACE_WIDTH :]}"


def _moment(name: str) -> str:
    """Return when a backup was made, which its name says: `20 Nov 14:02`."""
    return _written(name, "%d %b %H:%M")


def _day(name: str) -> str:
    return _written(name, "%d %b")


def _written(name: str, form: str) -> str:
    match = _MOMENT.match(name)
    try:
        return f"{datetime.strptime(match[1], '%Y%m%d-%H%M%S'):{form}}" if match else name  # noqa: DTZ007 - the name is in local time
    except ValueError:
        return name
