"""Whether a host's package manager can install Docker as it is now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.hosts.finding import Finding
from core.hosts.package_state import PackageState
from core.warnings import PACKAGES_BROKEN, PACKAGES_HELD, PACKAGES_LOCKED
from core.words import some_of

# Packages that hold the same files: by each of a row, which others are in its way.
_DISTRIBUTION = ("docker.io", "docker-cli", "containerd", "runc")
_DOCKER_INC = ("docker-ce", "docker-ce-cli", "containerd.io", "docker-ee", "docker-ee-cli")
_MOBY = ("moby-engine", "moby-cli", "moby-containerd", "moby-runc")
_OLD = ("docker-engine", "lxc-docker")
_ENGINES = ("docker.io", "docker-ce", "docker-ee", "moby-engine", *_OLD)
_CLIENTS = (*_ENGINES, "docker-cli", "docker-ce-cli", "docker-ee-cli", "moby-cli", "podman-docker")
_CONTAINERDS = ("containerd", "containerd.io", "moby-containerd")
_RUNCS = ("runc", "containerd.io", "moby-runc")
_FAMILIES = (_DISTRIBUTION, _DOCKER_INC, _MOBY, _OLD, ("podman-docker",))
_REMOVE = {"deb": "apt-get remove", "rpm": "dnf remove"}


@dataclass(frozen=True)
class Packages:
    """Packages by which Docker is to be installed.

    Args:
        names: All of them.
        family: What they are installed by: deb, rpm or static; empty where none are.
        by_repository: A package manager chooses among them, so that the state of all others
            counts; else each is installed as it is.
        replaces: An engine that is there is replaced, with its packages.
    """

    names: tuple[str, ...] = ()
    family: str = ""
    by_repository: bool = False
    replaces: bool = False


NO_PACKAGES = Packages()


def package_findings(state: PackageState, packages: Packages) -> Iterator[Finding]:
    """Yield what would keep packages from being installed, or should be known before.

    Args:
        state: Of the host's package manager.
        packages: Those that are to come.
    """
    if packages.family not in _REMOVE:
        return
    if state.error:
        yield Finding(
            True,
            f"has a package database that cannot be read: {state.error}",
            "Mend it on the host (of dpkg there are copies in /var/backups; of rpm: rpm "
            "--rebuilddb).",
        )
        return
    yield from _not_whole(state, packages)
    yield from _held(state, packages)
    if not packages.replaces:
        yield from _in_the_way(state, packages)
    if state.locked_by:
        yield Finding.warned(PACKAGES_LOCKED.of(holder=state.locked_by))


def _not_whole(state: PackageState, packages: Packages) -> Iterator[Finding]:
    if state.to_reinstall and packages.by_repository:
        yield Finding(
            True,
            f"has packages that must be installed again before any other: "
            f"{some_of(state.to_reinstall)}",
            "Install them again on the host, or remove them: dpkg --remove "
            "--force-remove-reinstreq PACKAGE",
        )
    elif state.broken:
        yield Finding.warned(PACKAGES_BROKEN.of(packages=some_of(state.broken)))
    if state.unmet and packages.by_repository:
        yield Finding(
            True,
            f"has packages whose dependencies are not there: {some_of(state.unmet, 2)}",
            "Mend them on the host: apt-get --fix-broken install",
        )


def _held(state: PackageState, packages: Packages) -> Iterator[Finding]:
    held = [name for name in state.held if name in packages.names]
    new = [name for name in held if name not in state.there]
    if new and packages.by_repository:
        yield Finding(
            True,
            f"holds packages back that are to be installed: {some_of(new)}",
            f"Let them go: apt-mark unhold {' '.join(new)}",
        )
    elif held:
        yield Finding.warned(PACKAGES_HELD.of(packages=" ".join(held)))


def _in_the_way(state: PackageState, packages: Packages) -> Iterator[Finding]:
    """Yield the packages of another maker that hold the same files."""
    found = sorted(
        {
            there
            for there in state.there
            for alike in (_CLIENTS, _CONTAINERDS, _RUNCS)
            if there in alike
            and there not in packages.names
            and any(name in alike and _maker(name) != _maker(there) for name in packages.names)
        }
    )
    if found:
        ours = some_of([name for name in packages.names if _maker(name)])
        yield Finding(
            True,
            f"has {' and '.join(found)}, which cannot be there together with {ours} of dockerRepo",
            f"If nothing there needs it: {_REMOVE[packages.family]} {' '.join(found)}. Or set "
            "dockerRepo to packages of the same maker.",
        )


def _maker(name: str) -> int:
    """Return which of the makers of Docker packages a package is of; 0 for others."""
    return next((n for n, family in enumerate(_FAMILIES, 1) if name in family), 0)
