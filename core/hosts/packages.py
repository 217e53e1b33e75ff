"""The offline Docker bundle (`dockerRepo`): what kind it is, and installing it on a host."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from core.errors import PackagesError
from core.hosts.connection import HostLink, quoted

SCRIPT = (Path(__file__).parent / "install_docker.sh").read_text(encoding="utf-8")
MAKE_DIRECTORY = "mktemp -d /var/tmp/airferry-docker.XXXXXX"  # removed by the script
INSTALL_TIMEOUT_S = 600.0
_PACKED = {".gz": "z", ".tgz": "z", ".xz": "J", ".bz2": "j"}


@dataclass(frozen=True)
class DockerRepo:
    """One offline bundle, told by its content."""

    path: Path
    size_bytes: int
    kind: str
    packages: int

    @property
    def summary(self) -> str:
        """One line for a screen."""
        return f"{self.kind}, {self.packages} packages, {self.size_bytes / 1e6:.0f} MB"


def open_docker_repo(path: Path | None) -> DockerRepo:
    """Look into an offline Docker bundle.

    Raises:
        PackagesError: it is missing, unreadable, or holds nothing that can be installed.
    """
    if path is None:
        raise PackagesError(
            "Docker is not installed and the config names no dockerRepo",
            remedy="Set dockerRepo in the config to the offline Docker bundle.",
        )
    try:
        with tarfile.open(path) as tar:
            names = [PurePosixPath(name) for name in tar.getnames()]
        size_bytes = path.stat().st_size
    except (OSError, tarfile.TarError, EOFError) as error:
        raise PackagesError(
            f"{path}: cannot be read: {error}", remedy="Copy the file again and compare its size."
        ) from error
    debs = sum(name.suffix == ".deb" for name in names)
    if not debs:
        kinds = sorted({name.suffix for name in names if name.suffix})
        raise PackagesError(
            f"{path}: holds no .deb package (but: {', '.join(kinds[:5]) or 'nothing'}); "
            "this version installs from .deb packages only"
        )
    indexed = any(name.name in ("Packages", "Packages.gz") for name in names)
    kind = "apt repository" if indexed else "bare .deb packages"
    return DockerRepo(path, size_bytes, kind, debs)


async def install_docker(link: HostLink, repo: DockerRepo, told: Callable[[int], None]) -> None:
    """Send the bundle to a host, install Docker from it and start it.

    Args:
        link: The host.
        repo: The bundle.
        told: Told the bytes sent so far.

    Raises:
        HostError: a command failed or the line was lost; what was sent is removed.
    """
    target = (await link.run_root(MAKE_DIRECTORY)).out.strip()
    flag = _PACKED.get(repo.path.suffix, "")
    unpack = link.as_root(quoted("tar", f"-x{flag}f", "-", "-C", target))
    await link.send_files([repo.path], unpack, told)
    command = link.as_root(quoted("sh", "-s", "--", target))
    await link.run(command, stdin=SCRIPT, timeout_s=INSTALL_TIMEOUT_S)


async def docker_answers(link: HostLink) -> str:
    """Return the version of the running engine, or an empty string."""
    command = "docker version --format '{{.Server.Version}}' 2>/dev/null"
    done = await link.run_root(command, check=False)
    return done.out.strip() if done.status == 0 else ""
