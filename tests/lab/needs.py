"""What the lab needs of the machine: root on Debian, and a few packages.

The checks come before anything is made, so that a machine on which the lab cannot work stays as
it is. Packages are installed with a guard in place, because Debian's packages start their
services and a Docker that the lab did not start is not the lab's to touch.
"""

import ipaddress
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.lab.apt import apt_get
from tests.lab.errors import NeedError
from tests.lab.network import BRIDGE, SUBNET
from tests.lab.shell import run

ARCHITECTURES = frozenset({"x86_64", "aarch64"})
SERVICE_GUARD = Path("/usr/sbin/policy-rc.d")
# Each host's systemd, logind, D-Bus, Docker and logins take some ten instances, and the kernel
# counts them for root of the whole machine: without one, a host's systemd ends at once.
INOTIFY_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_NEED = 8192

# Any one of the programs will do; the package supplies it where none is found.
PACKAGES: dict[str, tuple[str, ...]] = {
    "docker.io": ("dockerd",),
    "docker-registry": ("docker-registry", "registry"),
    "debootstrap": ("debootstrap",),
    "openssh-client": ("ssh-keygen",),
    "iptables": ("iptables",),
    "iproute2": ("ip",),
    "openssl": ("openssl",),
    "skopeo": ("skopeo",),
    "tmux": ("tmux",),
}
# What only the tests of real writers need; see `writers`.
WRITER_PACKAGES: dict[str, tuple[str, ...]] = {
    "docker.io": ("dockerd",),
    "docker-registry": ("docker-registry", "registry"),
    "containerd": ("containerd",),
    "skopeo": ("skopeo",),
    "podman": ("podman",),
    "buildah": ("buildah",),
    "zstd": ("zstd",),
    "xz-utils": ("xz",),
    "bzip2": ("bzip2",),
}
# What only the tests of Docker's other packings need; see `dockerkinds`.
PACKING_PACKAGES: dict[str, tuple[str, ...]] = {
    "rpm": ("rpmbuild",),
    "createrepo-c": ("createrepo_c",),
}
SEARCH_PATH = os.pathsep.join(
    [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
)


def check_machine(os_release: Path = Path("/etc/os-release")) -> None:
    """Say no to a machine on which the lab cannot work.

    Args:
        os_release: The file that names the distribution.

    Raises:
        NeedError: Not root, not Debian, or an unknown CPU.
    """
    if os.geteuid() != 0:
        raise NeedError("the lab needs root: it starts containers and makes a bridge")
    distribution = release_fields(os_release).get("ID", "an unknown system")
    if distribution != "debian":
        raise NeedError(f"the lab needs Debian, this machine runs {distribution}")
    if platform.machine() not in ARCHITECTURES:
        raise NeedError(
            f"the lab needs one of {', '.join(sorted(ARCHITECTURES))}, not {platform.machine()}"
        )


def raise_limits(instances: Path = INOTIFY_INSTANCES) -> bool:
    """Let this machine run as many hosts as a lab may have, until it is started again.

    Args:
        instances: The kernel's limit.

    Returns:
        Whether the limit was too low.

    Raises:
        NeedError: It cannot be raised.
    """
    try:
        if int(instances.read_text(encoding="ascii")) >= INOTIFY_NEED:
            return False
        instances.write_text(f"{INOTIFY_NEED}\n", encoding="ascii")
    except OSError as error:
        raise NeedError(
            f"{instances} is below {INOTIFY_NEED} and cannot be raised: {error.strerror}"
        ) from error
    return True


def check_addresses() -> None:
    """Refuse to start where the lab's addresses belong to something else.

    Raises:
        NeedError: Another interface has a route into the lab's subnet.
    """
    for route in json.loads(run("ip", "-j", "-4", "route", "show", "table", "all").stdout):
        target = route.get("dst", "default")
        if target == "default" or route.get("dev") == BRIDGE:
            continue
        if ipaddress.ip_network(target, strict=False).overlaps(SUBNET):
            raise NeedError(f"the lab's addresses {SUBNET} are used by {route.get('dev')}")


def release_fields(os_release: Path = Path("/etc/os-release")) -> dict[str, str]:
    """Return the fields of an os-release file; none when there is no such file."""
    if not os_release.is_file():
        return {}
    lines = os_release.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name: value.strip("\"'") for name, value in pairs}


def missing_packages(wanted: Mapping[str, tuple[str, ...]] = PACKAGES) -> list[str]:
    """Return those of the wanted packages whose programs are not on this machine."""
    return [
        package
        for package, programs in wanted.items()
        if not any(shutil.which(program, path=SEARCH_PATH) for program in programs)
    ]


def install_missing(wanted: Mapping[str, tuple[str, ...]] = PACKAGES) -> list[str]:
    """Install what is missing, starting no service.

    Args:
        wanted: Packages, each with programs of which any one shows that it is there.

    Returns:
        The packages that were installed.

    Raises:
        LabError: apt-get could not install them.
    """
    packages = missing_packages(wanted)
    if packages:
        with services_stay_off():
            apt_get("install", "-y", "-q", "--no-install-recommends", *packages)
    return packages


@contextmanager
def services_stay_off(guard: Path = SERVICE_GUARD) -> Iterator[None]:
    """Keep packages from starting services; a guard that is already there is left alone.

    Args:
        guard: The program that Debian's packages ask before they start a service.
    """
    if guard.exists():
        yield
        return
    guard.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    guard.chmod(0o755)
    try:
        yield
    finally:
        guard.unlink()
