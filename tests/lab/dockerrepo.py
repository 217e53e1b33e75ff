"""Docker for hosts that reach no mirror, packed the two ways in which sites bring it.

One archive is an apt repository (packages and an index), the other the bare packages. What goes
in is what `docker.io` needs on the lab's host, so apt is asked with that host's package database
in place of this machine's.
"""

import gzip
import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.lab.apt import apt_get
from tests.lab.archives import add_file, add_text, archive
from tests.lab.errors import LabError
from tests.lab.paths import make_private
from tests.lab.shell import run

RECIPE = 1
PACKAGE = "docker.io"
REPOSITORY_NAME = "docker-v-5.2.0-1549281.tar.gz"
BARE_NAME = "docker-bare-v-5.2.0.tar.gz"
BARE_DIRECTORY = "docker"


@dataclass(frozen=True)
class DockerArchives:
    """The same packages, with and without a repository's index."""

    repository: Path
    bare: Path


def ensure(cache: Path, package_status: Path) -> DockerArchives:
    """Return the archives, made now if the cache has none.

    Args:
        cache: The lab's cache directory.
        package_status: dpkg's status file of a host.

    Raises:
        LabError: apt could not find or fetch the packages.
    """
    directory = cache / f"dockerrepo-{RECIPE}"
    if not directory.is_dir():
        scratch = Path(tempfile.mkdtemp(prefix="making-", dir=make_private(cache)))
        try:
            packages = download(scratch / "apt", package_status, PACKAGE)
            made = make_private(scratch / "made")
            _pack_repository(made / REPOSITORY_NAME, packages)
            _pack_bare(made / BARE_NAME, packages)
            made.rename(directory)
        finally:
            shutil.rmtree(scratch)
    return DockerArchives(directory / REPOSITORY_NAME, directory / BARE_NAME)


def download(directory: Path, package_status: Path, *names: str) -> list[Path]:
    """Fetch what a host lacks of some packages; this machine's own cache of apt stays as it is.

    Args:
        directory: Where to put them; made here.
        package_status: dpkg's status file of the host.
        names: The packages.

    Raises:
        LabError: apt could not find or fetch them.
    """
    archives = directory / "archives"
    (archives / "partial").mkdir(parents=True)
    status = Path(shutil.copyfile(package_status, directory / "status"))
    settings = {
        "Dir::State::status": status,
        "Dir::State::extended_states": directory / "extended_states",
        "Dir::Cache::archives": archives,
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "true",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    install = ("install", "--download-only", "-y", "-q", "--no-install-recommends", *names)
    apt_get(*options, *install)
    packages = sorted(archives.glob("*.deb"))
    if not packages:
        raise LabError(f"apt fetched nothing for {' '.join(names)}")
    return packages


def index_of(packages: list[Path]) -> str:
    """Return the index of a flat apt repository, one paragraph per package."""
    paragraphs = []
    for package in packages:
        data = package.read_bytes()
        paragraphs.append(
            run("dpkg-deb", "--field", package).stdout.rstrip("\n")
            + f"\nFilename: ./{package.name}"
            + f"\nSize: {len(data)}"
            + f"\nMD5sum: {hashlib.md5(data, usedforsecurity=False).hexdigest()}"
            + f"\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
        )
    return "\n".join(paragraphs)


def _pack_repository(path: Path, packages: list[Path]) -> None:
    index = index_of(packages)
    with archive(path) as tar:
        add_text(tar, "Packages", index)
        add_text(tar, "Packages.gz", gzip.compress(index.encode(), mtime=0))
        for package in packages:
            add_file(tar, package.name, package)


def _pack_bare(path: Path, packages: list[Path]) -> None:
    with archive(path) as tar:
        for package in packages:
            add_file(tar, f"{BARE_DIRECTORY}/{package.name}", package)
