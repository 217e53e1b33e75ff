"""What Airferry brought to a host: noted there, so that a clean-up takes away that and no more.

Several sites may share a host: each note says which site's it is.

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


async def note_brought(link: HostConnection, names: Iterable[tuple[str, str]], site: str) -> None:
    """Note names that are about to be given to images on a host.

    Args:
        link: The host.
        names: Each with the ID of the image that it is to stand for.
        site: Whose they are.

    Raises:
        HostError: it cannot be noted.
    """
    lines = [f"{image_id} {name} {site}" for name, image_id in names]
    for start in range(0, len(lines), _AT_ONCE):
        await link.run_root(_NOTE, *lines[start : start + _AT_ONCE])


async def note_shared(link: HostConnection, names: Iterable[tuple[str, str]], site: str) -> None:
    """Note those names of a site, too, that another site has brought: both need them.

    Args:
        link: The host.
        names: The site's names, each with its image's ID.
        site: Which site.

    Raises:
        HostError: it cannot be noted.
    """
    notes = await _notes(link)
    others = {note[:2] for note in notes if note[2] != site}
    ours = {note[:2] for note in notes if note[2] == site}
    shared = [pair for pair in names if pair in others - ours]
    if shared:
        await note_brought(link, shared, site)


async def noted(link: HostConnection, path: str) -> str:
    """Return the text of a file that only root may read; empty where there is none."""
    return (await link.run_root(f"cat {path} 2>/dev/null || true")).out


async def brought(link: HostConnection, site: str) -> list[tuple[str, str]]:
    """Return the names that a site alone gave to images there, each with the image's ID then."""
    notes = await _notes(link)
    others = {note[:2] for note in notes if note[2] != site}
    return [note[:2] for note in notes if note[2] == site and note[:2] not in others]


async def other_sites(link: HostConnection, site: str) -> list[str]:
    """Return the other sites that have brought something to a host."""
    return sorted({note[2] for note in await _notes(link)} - {site})


async def forget_brought(link: HostConnection, site: str) -> None:
    """Remove a site's notes, and their directory if nothing else is in it."""
    await link.run_root(_FORGET, site)


async def _notes(link: HostConnection) -> list[tuple[str, str, str]]:
    """Return all notes: a name, its image's ID, and whose it is."""
    lines = (line.split(" ") for line in (await noted(link, _NOTES)).splitlines())
    return [(words[1], words[0], words[2]) for words in lines if len(words) == 3]


_FORGET = rf"""
grep -v " $1\$" {_NOTES} >{_NOTES}.new 2>/dev/null
if [ -s {_NOTES}.new ]; then mv {_NOTES}.new {_NOTES}; else rm -f {_NOTES}.new {_NOTES}; fi
rmdir {DIRECTORY} 2>/dev/null || true
"""
