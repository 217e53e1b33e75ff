"""`configure-hosts`: the hosts' part of `install`; the registry has the images already."""

from __future__ import annotations

from core.engine.jobs.install import Install


class ConfigureHosts(Install):
    """Docker and images onto every host."""

    imports = False
