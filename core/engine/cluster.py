"""The files for the cluster, for commands and screens: written anew, looked at, taken along."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from core.bundle.catalogue import Catalogue
from core.bundle.discovery import find_bundles
from core.cluster.place import (
    EXPORT_NAME,
    README_NAME,
    TABLE_NAME,
    about,
    cluster_directory,
    read_files,
    write_files,
)
from core.config import Config, ensure_state_dir
from core.engine.lock import engine_lock, note_work
from core.errors import BundleError, UsageError
from core.secrets import NO_REGISTRY_LOGIN, RegistryLogin

LOCK_PATIENCE_S = 1.0

__all__ = [
    "TABLE_NAME",
    "about",
    "cluster_directory",
    "export_cluster_files",
    "has_cluster_files",
    "read_files",
    "unread_bundles",
    "write_cluster_files",
]


def has_cluster_files(config: Config) -> bool:
    """Whether a run has written them already."""
    return (cluster_directory(config) / README_NAME).is_file()


def write_cluster_files(config: Config, login: RegistryLogin = NO_REGISTRY_LOGIN) -> Path:
    """Write them anew where they are kept, and return that directory. Blocks.

    Args:
        config: The site.
        login: The login to its registry that was typed.

    Raises:
        BusyError: a run is at work, which writes them itself.
        LocalFilesError: they cannot be written.
    """
    from core.registry.local.server import registry_client  # the screens only read what is there
    from core.steps.cluster import files_of_site

    state_dir, directory = ensure_state_dir(config), cluster_directory(config)
    with engine_lock(state_dir, LOCK_PATIENCE_S), closing(registry_client(config, login)) as client:
        note_work(state_dir, "the writing of the files for the cluster")
        write_files(directory, files_of_site(config, client))
    return directory


def export_cluster_files(config: Config, place: Path) -> Path:
    """Copy them to a place, a stick say, and return the directory that they have there.

    They are on the disk when this returns, because the stick is pulled at once.

    Args:
        config: The site.
        place: A directory; they get one of their own in it, which is replaced.

    Raises:
        UsageError: there is no such directory, or there are no files yet.
        LocalFilesError: they cannot be written.
    """
    files = read_files(cluster_directory(config))
    if not files:
        raise UsageError(
            "there are no files for the cluster yet", remedy="Run: airferry cluster-files"
        )
    if not place.is_dir():
        raise UsageError(
            f"no such directory: {place}", remedy="Name one that is there. Is the stick in?"
        )
    target = place / EXPORT_NAME
    write_files(target, files, durable=True)
    return target


def unread_bundles(config: Config) -> list[str]:
    """Return the names of bundles in imagesDir of which nothing is known yet."""
    catalogue = Catalogue(config.state_dir)
    try:
        found, _ = find_bundles(config.images_dir)
    except BundleError:
        return []
    return [file.name for file in found if catalogue.find(file) is None]
