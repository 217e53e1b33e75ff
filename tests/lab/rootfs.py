"""The root file system of a lab host: a small Debian with systemd and sshd, and no Docker.

Making it takes most of a minute, so it is kept as a tar in the cache. Its package database is
kept beside it, because that decides which packages Docker needs on such a host.
"""

import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab import apt
from tests.lab.engine import Engine
from tests.lab.errors import LabError
from tests.lab.needs import release_fields
from tests.lab.paths import make_private
from tests.lab.processes import unmount_below
from tests.lab.shell import run

# Counted up when what is below changes, so that an old cache is not taken for a new one.
RECIPE = 2
IMAGE = f"airferry-lab-host:{RECIPE}"
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "iproute2",
    "iptables",
    "sudo",
    "ca-certificates",
    # For logins as sites have them: shells that quote otherwise, another way to be root.
    "csh",
    "tcsh",
    "opendoas",
)
INIT = Path("/sbin/lab-init")

# A runtime shows a container its cgroups read-only; a host that is to run containers needs them
# writable. A closed site has no way out, whatever this machine forwards for others, and no names:
# asking nobody fails at once, asking a name server that is not there takes 20 seconds.
INIT_SCRIPT = """\
#!/bin/sh
awk '$3 ~ /^cgroup2?$/ { print $2 }' /proc/mounts | while read -r point; do
    mount -o remount,bind,rw "$point" || echo "lab-init: $point stays read-only"
done
ip route del default
echo '# a closed site: no name server' > /etc/resolv.conf
exec /sbin/init
"""


@dataclass(frozen=True)
class RootFileSystem:
    """The cached tar and the package database that belongs to it."""

    tar: Path
    package_status: Path


def ensure(cache: Path) -> RootFileSystem:
    """Return the root file system, made now if the cache has none.

    Args:
        cache: The lab's cache directory.

    Raises:
        LabError: debootstrap failed.
    """
    made = RootFileSystem(
        cache / f"rootfs-{RECIPE}-{platform.machine()}.tar",
        cache / f"rootfs-{RECIPE}-{platform.machine()}.status",
    )
    if not made.tar.is_file():
        with _scratch(make_private(cache)) as scratch:
            tree = scratch / "root"
            run(
                *("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
                *(_codename(), tree, _mirror()),
            )
            _tidy(tree)
            shutil.copyfile(tree / "var/lib/dpkg/status", made.package_status)
            partial = scratch / "root.tar"
            run("tar", "--numeric-owner", "-C", tree, "-cf", partial, ".")
            partial.rename(made.tar)
    return made


def import_tar(engine: Engine, tar: Path, image: str) -> None:
    """Make a host's root file system an image, unless the engine has it.

    Args:
        engine: A running engine.
        tar: The root file system.
        image: The image's name.
    """
    if engine.cli("image", "inspect", image, check=False).returncode != 0:
        engine.cli("import", "--change", f'CMD ["{INIT}"]', tar, image)


@contextmanager
def _scratch(cache: Path) -> Iterator[Path]:
    scratch = Path(tempfile.mkdtemp(prefix="making-", dir=cache))
    try:
        yield scratch
    finally:
        unmount_below(scratch)
        shutil.rmtree(scratch)


def _codename() -> str:
    codename = release_fields().get("VERSION_CODENAME")
    if not codename:
        raise LabError("/etc/os-release does not name the Debian release")
    return codename


def _mirror() -> str:
    """Return the mirror from which this machine takes its own Debian."""
    codename = _codename()
    found = apt.mirror(codename)
    if found is None:
        apt.update()
        found = apt.mirror(codename)
    if found is None:
        raise LabError(f"apt has no source of Debian {codename} main")
    return found


def _tidy(tree: Path) -> None:
    """Take out what a fresh host would not share with others, and put its start in."""
    for pattern in ("etc/ssh/ssh_host_*", "var/cache/apt/archives/*.deb", "var/lib/apt/lists/*"):
        for path in tree.glob(pattern):
            if path.is_file():
                path.unlink()
    init = tree / INIT.relative_to("/")
    init.write_text(INIT_SCRIPT, encoding="utf-8")
    init.chmod(0o755)
