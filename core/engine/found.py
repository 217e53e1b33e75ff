"""What the config's values lead to, for the screens: asked before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.hosts.docker_install.inventory import DockerOffer


def docker_in(paths: tuple[Path, ...]) -> list[DockerOffer]:
    """Return what is in dockerRepo; files are read, so call it in a thread.

    Args:
        paths: Files, directories, or directories of files.
    """
    from core.hosts.docker_install.inventory import held_in  # not for the first paint

    return held_in(paths)
