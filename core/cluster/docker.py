"""Docker's part of `daemon.json`, and the CA: for machines that Airferry does not set up itself."""

from __future__ import annotations

from collections.abc import Mapping

from core.config import Config, Mode
from core.hosts.docker.daemon_json import with_insecure


def docker_files(config: Config, ca: str) -> Mapping[str, str]:
    """Return Docker's files by their path; none where Docker needs none.

    There is no `registry-mirrors`: Docker takes a mirror for Docker Hub's images only.

    Args:
        config: The site.
        ca: The text of the registry's CA; empty where there is none.
    """
    registry = config.name_prefix.partition("/")[0]
    if config.mode is Mode.NONE:
        return {}
    if config.mode is Mode.DU or config.registry_insecure:
        named = [registry] if config.mode is Mode.CUSTOM else []
        return {"docker/daemon.json": with_insecure("", named, registry)}
    return {"docker/ca.crt": ca} if ca else {}
