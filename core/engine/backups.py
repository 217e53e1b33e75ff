"""What the screens want to know of a backup before it is restored."""

from __future__ import annotations

from pathlib import Path

from core.bundle.discovery import bundle_file
from core.errors import AirferryError
from core.registry.backup.archive import record_of


def needs_of(path: Path) -> tuple[str, ...]:
    """Return the names of the earlier backups without which one is not whole.

    Empty where there are none, and where it cannot be read, which the restore says.

    Args:
        path: The backup, or the first of its files.
    """
    try:
        return record_of(bundle_file(path)).needs
    except (AirferryError, OSError):
        return ()
