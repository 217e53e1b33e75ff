"""Whether Docker can be installed beside what a host's package manager has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.hosts.package_fit import NO_PACKAGES, Packages, package_findings
from core.hosts.package_state import NO_STATE, PackageState, package_state_in

DEBIAN = Packages(("docker.io", "containerd", "runc", "iptables"), "deb", True)
BARE = replace(DEBIAN, by_repository=False)
DOCKER_INC = Packages(("docker-ce", "docker-ce-cli", "containerd.io"), "rpm", True)
MOBY = Packages(("moby-engine", "moby-cli", "moby-containerd"), "deb", True)
WELL = PackageState(there=("runc", "containerd"))

FATAL = [
    (PackageState(error="parsing file '/var/lib/dpkg/status'"), BARE, "cannot be read: parsing"),
    (PackageState(to_reinstall=("thing",)), DEBIAN, "must be installed again before"),
    (PackageState(unmet=("a : Depends: b",)), DEBIAN, "a : Depends: b"),
    (PackageState(held=("vim", "docker.io")), DEBIAN, "apt-mark unhold docker.io"),
    (PackageState(there=("docker-ce", "containerd.io")), DEBIAN, "has containerd.io and docker-ce"),
    (PackageState(there=("containerd.io",)), BARE, "has containerd.io, which cannot be there"),
    (PackageState(there=("containerd.io",)), MOBY, "has containerd.io, which cannot be there"),
    (PackageState(there=("podman-docker",)), DEBIAN, "has podman-docker"),
    (PackageState(there=("podman-docker", "runc")), DOCKER_INC, "dnf remove podman-docker runc"),
]
WARNED = [
    (PackageState(broken=("half-configured thing",)), DEBIAN, "W-PKG-BROKEN"),
    (PackageState(to_reinstall=("x",), broken=("half-installed x",)), BARE, "W-PKG-BROKEN"),
    (PackageState(held=("runc",), there=("runc",)), DEBIAN, "W-PKG-HELD"),
    (PackageState(held=("docker.io",)), BARE, "W-PKG-HELD"),
    (PackageState(locked_by="apt-get, process 7"), DEBIAN, "W-PKG-LOCKED"),
]


@pytest.mark.parametrize(("state", "packages", "words"), FATAL)
def test_what_keeps_packages_out(state: PackageState, packages: Packages, words: str) -> None:
    found = list(package_findings(state, packages))
    assert [True] == [finding.fatal for finding in found]
    assert words in f"{found[0].what} {found[0].remedy}"


@pytest.mark.parametrize(("state", "packages", "code"), WARNED)
def test_what_is_only_told(state: PackageState, packages: Packages, code: str) -> None:
    found = list(package_findings(state, packages))
    assert [(False, code)] == [(finding.fatal, finding.warning.code) for finding in found]


@pytest.mark.parametrize(
    ("state", "packages"),
    [
        (WELL, DEBIAN),
        (replace(WELL, held=("vim",)), DEBIAN),
        (PackageState(there=("docker-ce-cli",)), DOCKER_INC),
        (PackageState(there=("podman", "docker-registry")), DEBIAN),
        (PackageState(there=("docker-engine",)), replace(DEBIAN, replaces=True)),
        (PackageState(unmet=("a : Depends: b",)), BARE),
        (PackageState(error="x", there=("docker-ce",)), NO_PACKAGES),
        (PackageState(error="x"), Packages(("docker",), "static")),
    ],
)
def test_nothing_to_say(state: PackageState, packages: Packages) -> None:
    assert [] == list(package_findings(state, packages))


def test_the_state_is_read() -> None:
    """As facts.sh printed it on a Debian 12 host of the lab; the architecture is left out."""
    assert PackageState(
        broken=("half-configured thing",),
        held=("docker.io", "runc"),
        there=("containerd",),
        unmet=("thing : Depends: not-there but it is not installable",),
        locked_by="perl, process 99",
    ) == package_state_in(
        {
            "packages_broken": "half-configured thing",
            "packages_held": "docker.io; runc:amd64; runc:i386",
            "packages_there": "containerd",
            "packages_unmet": "thing : Depends: not-there but it is not installable",
            "packages_locked": "perl, process 99",
        }
    )
    assert NO_STATE == package_state_in({})
