"""What the config's values lead to, for the screens: asked before anything is started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DockerOffer:
    """One thing that dockerRepo holds; as `core.hosts.docker_install.inventory` says it."""

    source: str
    words: str
    size_bytes: int
    usable: bool


def docker_in(paths: tuple[Path, ...]) -> list[DockerOffer]:
    """Return what is in dockerRepo; files are read, so call it in a thread.

    Args:
        paths: Files, directories, or directories of files.
    """
    from core.hosts.docker_install.inventory import (
        held_in,  # SSH takes 0.3 s to import: not for the first paint
    )

    return [DockerOffer(h.source, h.words, h.size_bytes, h.usable) for h in held_in(paths)]
