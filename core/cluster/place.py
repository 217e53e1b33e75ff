"""Where the files for the cluster are kept, and writing them so that none is ever half there."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from core.config import Config
from core.errors import of_local_files
from core.files import write_atomically

EXPORT_NAME = "airferry-cluster-files"
README_NAME = "README.txt"
TABLE_NAME = "images.txt"
_ABOUT = (
    (README_NAME, "which file goes where: read first"),
    (TABLE_NAME, "all names, and the ones to use"),
    ("containerd/config-", "for /etc/containerd/config.toml"),
    ("containerd/certs.d/", "below /etc/containerd/certs.d"),
    ("docker/daemon.json", "for /etc/docker/daemon.json"),
    ("docker/ca.crt", "the registry's CA, for Docker"),
    ("kubeadm/cluster-", "for kubeadm init"),
    ("kubeadm/kubelet-", "the kubelet's pause image"),
)


def cluster_directory(config: Config) -> Path:
    """Return where a site's files for the cluster are kept."""
    return config.state_dir / "cluster"


def about(path: str) -> str:
    """Return in a few words what a file is for, by its path within the directory."""
    return next((words for beginning, words in _ABOUT if path.startswith(beginning)), "")


def read_files(directory: Path) -> dict[str, str]:
    """Return what is there, by path; README.txt and the table first.

    Raises:
        LocalFilesError: it cannot be read.
    """
    try:
        found = {
            str(path.relative_to(directory)): path.read_text(encoding="utf-8", errors="replace")
            for path in directory.rglob("*")
            if path.is_file()
        }
    except OSError as error:
        raise of_local_files(error, str(directory)) from error
    return dict(sorted(found.items(), key=lambda entry: ("/" in entry[0], entry[0])))


def differing(directory: Path, files: Mapping[str, str]) -> list[str]:
    """Return the paths of files that are not there as they should be, or should not be there.

    Raises:
        LocalFilesError: what is there cannot be read.
    """
    present = read_files(directory)
    return sorted(path for path in {*present, *files} if present.get(path) != files.get(path))


def write_files(directory: Path, files: Mapping[str, str], *, durable: bool = False) -> None:
    """Bring a directory to hold just these files; each is there whole, or as it was.

    Args:
        directory: Airferry's own: whatever else is in it is removed.
        files: Their texts by path.
        durable: They are on the disk when this returns: a stick may be pulled at once.

    Raises:
        LocalFilesError: they cannot be written.
    """
    try:
        for path, text in files.items():
            place = directory / path
            place.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(place, text, durable=durable)
        for found in sorted(directory.rglob("*"), reverse=True):
            if found.is_dir():
                with suppress(OSError):  # something is still in it
                    found.rmdir()
            elif str(found.relative_to(directory)) not in files:
                found.unlink()
    except OSError as error:
        raise of_local_files(error, str(directory)) from error
