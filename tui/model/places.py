"""Where files for people go that are not at this machine: to the stick, if there is one."""

from __future__ import annotations

from pathlib import Path

from core.bundle.media import Media


def place_for_files(media: Media) -> Path:
    """Return the directory that is offered: of the first stick that can be written to, else home.

    Args:
        media: Where sticks are found.
    """
    return next((stick.path for stick in media.sticks() if not stick.read_only), Path.home())
