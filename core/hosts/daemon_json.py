"""`/etc/docker/daemon.json`: merged, never overwritten, the first old one kept beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from core.errors import DockerFailed
from core.hosts.connection import HostLink, quoted

PATH = "/etc/docker/daemon.json"
LOOPBACK = ("127.0.0.0/8", "::1/128")


def with_insecure(text: str, registries: Iterable[str], where: str) -> str:
    """Return the file's text with registries added to `insecure-registries`.

    Whoever sets that key replaces the engine's default of loopback from Docker 29.10 on, so
    loopback is always written with it.

    Raises:
        DockerFailed: the present text is not what Docker reads; nothing is changed then.
    """
    try:
        settings: Any = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise DockerFailed(f"{where}: {PATH} is not JSON: {error}") from error
    if not isinstance(settings, dict):
        raise DockerFailed(f"{where}: {PATH} is not a JSON object")
    present = settings.get("insecure-registries") or []
    if not isinstance(present, list):
        raise DockerFailed(f"{where}: {PATH}: insecure-registries is not a list")
    wanted = [*present, *(name for name in (*LOOPBACK, *registries) if name not in present)]
    if wanted == present:
        return text
    return json.dumps({**settings, "insecure-registries": wanted}, indent=2) + "\n"


async def read_daemon_json(link: HostLink) -> str:
    """Return the file's text; empty where there is none."""
    return (await link.run_root(f"cat {PATH} 2>/dev/null || true")).out


async def write_daemon_json(link: HostLink, text: str) -> None:
    """Write the file atomically, keep the first old one as `.airferry-orig`, reload the engine."""
    script = (
        "set -eu\nmkdir -p /etc/docker\n"
        f"if [ -e {PATH} ] && [ ! -e {PATH}.airferry-orig ]; then\n"
        f"  cp -p {PATH} {PATH}.airferry-orig\nfi\n"
        f"printf %s {quoted(text)} >{PATH}.airferry-new\n"
        f"mv {PATH}.airferry-new {PATH}\nsync {PATH}\nsystemctl reload docker\n"
    )
    await link.run_root(script)
