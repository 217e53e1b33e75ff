"""What preflight has to say of a host's daemon.json: would Docker start with it, as it is to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.errors import DockerSettingsRefused
from core.hosts.docker.daemon_json import extended
from core.hosts.docker.settings import read_settings, why_refused
from core.hosts.preflight import Finding

if TYPE_CHECKING:
    from core.hosts.ssh.connection import HostConnection


async def settings_findings(link: HostConnection, wanted: Sequence[str] | None) -> list[Finding]:
    """Return what stands in the way of the settings that a host's Docker is to have.

    Args:
        link: The host; its Docker is installed.
        wanted: The registries that are to be added; None where the file stays as it is.

    Raises:
        HostError: the host cannot be asked.
    """
    settings = await read_settings(link)
    why = "" if settings.data is None else await why_refused(link, settings, settings.data)
    if why and not settings.runs:
        what = f"has a Docker that does not start with its {settings.path}: {why}"
        return [Finding(True, what, f"Mend {settings.path} on the host.")]
    if why:
        needs = wanted is not None
        what = f"runs a Docker that will not start again with its {settings.path}: {why}"
        remedy = f"Mend {settings.path} on the host before Docker or the host is restarted."
        return [Finding(needs, what, remedy)]
    if wanted is None:
        return []
    try:
        await extended(link, wanted)
    except DockerSettingsRefused as error:
        return [Finding(True, error.what.removeprefix(f"{link.host.name}: "), error.remedy)]
    return []
