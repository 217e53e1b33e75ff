"""What Airferry brought to a host: noted there, so that a clean-up takes away that and no more.

A name is noted before it is given: a run that is cut off leaves a note too many, never one too
few, and a note counts only while the name stands for the image that was brought.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.hosts.ssh.connection import HostConnection

DIRECTORY = "/var/lib/airferry-host"
_NOTES = f"{DIRECTORY}/images"
_NOTE = f"""
set -eu
umask 077
mkdir -p {DIRECTORY}
touch {_NOTES}
{{ cat {_NOTES}; printf '%s\\n' "$@"; }} | sort -u >{_NOTES}.new
mv {_NOTES}.new {_NOTES}
"""
_AT_ONCE = 500  # names in one command line


async def note_brought(link: HostConnection, names: Iterable[tuple[str, str]]) -> None:
    """Note names that are about to be given to images on a host.

    Args:
        link: The host.
        names: Each with the ID of the image that it is to stand for.

    Raises:
        HostError: it cannot be noted.
    """
    lines = [f"{image_id} {name}" for name, image_id in names]
    for start in range(0, len(lines), _AT_ONCE):
        await link.run_root(_NOTE, *lines[start : start + _AT_ONCE])


async def noted(link: HostConnection, path: str) -> str:
    """Return the text of a file that only root may read; empty where there is none."""
    return (await link.run_root(f"cat {path} 2>/dev/null || true")).out


async def brought(link: HostConnection) -> list[tuple[str, str]]:
    """Return the names that were given to images on a host, each with the image's ID then."""
    lines = (line.partition(" ") for line in (await noted(link, _NOTES)).splitlines())
    return [(name, image_id) for image_id, _, name in lines if name]


async def forget_brought(link: HostConnection) -> None:
    """Remove the notes, and their directory if nothing else is in it."""
    await link.run_root(f"rm -f {_NOTES}; rmdir {DIRECTORY} 2>/dev/null || true")
