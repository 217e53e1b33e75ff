"""The commands about the DU's registry and the tunnels."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

from core.config import Config, Mode
from core.engine.report import size
from core.errors import UsageError
from core.hosts.tunnels import TunnelBook, TunnelStatus
from core.registry import STAGE, RegistryClient, RegistryServer, registry_client
from core.steps.du import tunnel_service


def registry(options: Namespace, config: Config) -> int:
    """Start, stop or look at the registry."""
    server = RegistryServer(config)
    if config.mode is Mode.CUSTOM and options.action != "list":
        raise UsageError(
            "in mode custom the registry is not Airferry's",
            remedy=f"Look after it where it runs: {config.registry_base}",
        )
    if options.action == "start":
        if not (server.status().ours and server.settings_fit()):
            server.start()
    elif options.action == "stop":
        stopped = server.stop()
        _print(options, {"stopped": stopped}, "stopped" if stopped else "it did not run")
        return 0
    elif options.action == "list":
        return _list(options, config)
    status = server.status()
    state = "runs" if status.ours else "another program answers" if status.running else "is stopped"
    text = f"registry {state} at {status.address}, storing in {status.directory}"
    _print(options, asdict(status), text)
    return 0 if status.ours else 1


def _list(options: Namespace, config: Config) -> int:
    client = registry_client(config)
    try:
        records = list(_entries(client))
    finally:
        client.close()
    text = "\n".join(f"{size(int(str(r['bytes']))):>10}  {r['name']}" for r in records)
    _print(options, records, text or "the registry is empty")
    return 0


def _entries(client: RegistryClient) -> Iterator[dict[str, object]]:
    for name in client.repositories():
        if name == STAGE:
            continue
        for tag in client.tags(name):
            manifest = client.manifest(name, tag)
            layers = manifest.get("layers")
            sizes = [int(layer["size"]) for layer in layers] if isinstance(layers, list) else []
            yield {
                "name": f"{name}:{tag}",
                "digest": client.manifest_digest(name, tag),
                "bytes": sum(sizes),
            }


def tunnels(options: Namespace, config: Config) -> int:
    """Look at the tunnels, or stop their service."""
    service = tunnel_service(config)
    if options.action == "stop":
        stopped = service.stop()
        _print(options, {"stopped": stopped}, "stopped" if stopped else "it did not run")
        return 0
    book, pid = TunnelBook(config.state_dir), service.pid()
    statuses = book.statuses() if pid else {}
    found = [statuses.get(name, TunnelStatus(name)) for name in sorted(book.wanted())]
    lines = [f"tunnel service {'runs' if pid else 'is stopped'}; {len(found)} tunnels wanted"]
    lines += [_tunnel_line(status) for status in found]
    record = {"service": pid is not None, "tunnels": [asdict(status) for status in found]}
    _print(options, record, "\n".join(lines))
    return 0 if all(status.up_since for status in found) and (pid or not found) else 1


def _tunnel_line(status: TunnelStatus) -> str:
    if status.up_since:
        since = datetime.fromtimestamp(status.up_since).astimezone()
        return f"= {status.name:<16} up since {since:%d %b %H:%M:%S}, reopened {status.reconnects}x"
    return f"x {status.name:<16} down: {status.last_error or 'not opened yet'}"


def _print(options: Namespace, record: object, text: str) -> None:
    print(json.dumps(record) if options.json else text)
