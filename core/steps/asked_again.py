"""Asking the registry ourselves, where a host's Docker was told no.

While a line is being cut, or a registry and what stands before it are restarted, others answer for
it: a proxy's page "not found", a front that asks for another login. The registry's own word counts.
"""

from __future__ import annotations

from core.bundle.reference import Reference
from core.errors import (
    DockerFailed,
    DockerLineLost,
    PullFailed,
    RegistryDenied,
    RegistryError,
    RegistryLoginNeeded,
    RegistryLoginRefused,
)
from core.registry.api.client import RegistryClient
from core.steps.work import Work


async def really_refused(work: Work, reference: Reference, refusal: DockerFailed) -> DockerFailed:
    """Return what a refusal that a host's Docker was told really is.

    Args:
        work: The run.
        reference: The image that it was refused.
        refusal: What it was told.

    Returns:
        The refusal itself where the registry says the same; else an error that can pass.
    """

    def ask(client: RegistryClient) -> str | None:
        client.site_id()  # a proxy without its registry says of everything that it is not there
        return client.manifest_digest(reference.site_repository, reference.tag)

    try:
        found = await work.ask_registry(ask)
    except (RegistryLoginNeeded, RegistryLoginRefused, RegistryDenied):
        return refusal
    except RegistryError as error:
        kind = DockerLineLost if error.transient else PullFailed
        return kind(f"{refusal.what}; and from here: {error.what}")
    if found is None:
        return refusal
    return PullFailed(f"{refusal.what}; yet the registry gives it when it is asked from here")
