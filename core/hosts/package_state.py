"""The state of a host's package manager, as `facts.sh` tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PackageState:
    """What stands in the way of installing packages.

    Args:
        error: Why its database cannot be read.
        broken: Packages that are not wholly installed, each with its state before it.
        to_reinstall: Packages that must be installed again before anything else.
        unmet: What apt says of dependencies that are not there.
        held: Packages that are to stay as they are.
        there: Packages of Docker's kind that are installed.
        locked_by: The program that is at work on it.
    """

    error: str = ""
    broken: tuple[str, ...] = ()
    to_reinstall: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    there: tuple[str, ...] = ()
    locked_by: str = ""


NO_STATE = PackageState()


def package_state_in(values: Mapping[str, str]) -> PackageState:
    """Return the state of the package manager.

    Args:
        values: What `facts.sh` printed.
    """
    return PackageState(
        error=values.get("packages_error", "").strip(),
        broken=_listed(values, "broken"),
        to_reinstall=_names(values, "to_reinstall"),
        unmet=_listed(values, "unmet"),
        held=_names(values, "held"),
        there=_names(values, "there"),
        locked_by=values.get("packages_locked", ""),
    )


def _listed(values: Mapping[str, str], what: str) -> tuple[str, ...]:
    found = values.get(f"packages_{what}", "").split(";")
    return tuple(each.strip() for each in found if each.strip())


def _names(values: Mapping[str, str], what: str) -> tuple[str, ...]:
    """Return names of packages without their architecture."""
    return tuple(dict.fromkeys(each.partition(":")[0] for each in _listed(values, what)))
