"""Which failures a typed secret may mend, and who asks for one: hosts, or the site's registry."""

from __future__ import annotations

from collections.abc import Iterable

from core.engine.journal import TaskRow
from core.errors import (
    HostLoginRefused,
    HostSudoRefused,
    RegistryDenied,
    RegistryLoginNeeded,
    RegistryLoginRefused,
)

PASSWORD, SUDO, PASSPHRASE = "password", "sudo", "passphrase"
REGISTRY = "registry"
"""The login to the site's registry: of the whole site, whichever target met its refusal."""
_REGISTRY_CODES = frozenset(
    {RegistryLoginNeeded.code, RegistryLoginRefused.code, RegistryDenied.code}
)


def secret_asked_for(code: str, error: str, remedy: str) -> str:
    """Return the secret that a failure may pass with; empty for none.

    It is named as Login does, or REGISTRY.
    """
    if code in _REGISTRY_CODES:
        return REGISTRY
    # preflight tells all that is wrong with a host in one error, sudo's remedy among the others
    if code == HostSudoRefused.code or HostSudoRefused.remedy_text in remedy:
        return SUDO
    if code != HostLoginRefused.code:
        return ""
    return PASSPHRASE if "has a passphrase" in error else PASSWORD


def asking_hosts(tasks: Iterable[TaskRow]) -> dict[str, str]:
    """Return the targets that a typed secret may mend, each with the one that it asks for."""
    asking: dict[str, str] = {}
    for task in tasks:
        wanted = secret_asked_for(task.error_code, task.error, task.remedy)
        if wanted:
            asking.setdefault(task.target, wanted)
    return asking
