"""The tunnels: each host's loopback port leads to the registry on the DU.

They belong to the DU's side, because hosts reach it over NAT and proxies if at all, and they
outlive every run, so one service keeps them all. What it shall keep stands in `wanted.json`, which
steps change; how it fares stands in `status.json`, which only the service writes.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config import HostConfig, SshConfig
from core.files import write_atomically
from core.hosts.tunnel.answers import answer_on, header_in
from core.hosts.tunnel.keys import ServiceKeys

if TYPE_CHECKING:
    from core.hosts.ssh.connection import HostConnection


@dataclass(frozen=True)
class Tunnel:
    """One tunnel that shall be kept.

    Args:
        host: The host.
        ssh: What the way to it follows from.
        host_port: The port on the host.
        registry_port: The port on the DU that it leads to.
        own_key: The service logs in with its own key, because it cannot do what the run did.
        own_jumps: The jump hosts of which the same is true, as the config calls them.
    """

    host: HostConfig
    ssh: SshConfig
    host_port: int
    registry_port: int
    own_key: bool = False
    own_jumps: tuple[str, ...] = ()


@dataclass(frozen=True)
class TunnelStatus:
    """How one tunnel fares. Times in seconds since the epoch; 0 for never.

    The last error is kept when the tunnel is open again: it tells what the line is like.
    """

    name: str
    up_since: float = 0.0
    reconnects: int = 0
    last_error: str = ""
    last_error_at: float = 0.0
    error_code: str = ""


class TunnelStore:
    """The two files of the tunnel service.

    Args:
        state_dir: The state directory.
    """

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self._directory = state_dir / "tunnels"
        self.keys = ServiceKeys(self._directory)
        self._version: tuple[int, ...] = ()
        self._wanted: dict[str, Tunnel] = {}

    @property
    def site(self) -> str:
        """What the site's tunnels are told by on hosts; empty before it has had a registry."""
        try:
            return (self.state_dir / "site-id").read_text(encoding="ascii").strip()[:16]
        except (OSError, ValueError):
            return ""

    def wanted(self) -> dict[str, Tunnel]:
        """Return the tunnels that shall be kept, by host name.

        The file is parsed only when it is another than last time: hundreds of hosts ask for it.
        """
        path = self._directory / "wanted.json"
        try:
            found = path.stat()
            version = (found.st_ino, found.st_mtime_ns, found.st_size)
            if version != self._version:
                records = json.loads(path.read_bytes())
                self._wanted = {record["host"]["name"]: _tunnel(record) for record in records}
                self._version = version
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return {}  # damaged on the disk: every run wants its tunnels again
        return dict(self._wanted)

    def want(self, tunnel: Tunnel) -> None:
        """Have a tunnel kept from now on."""
        self._change(lambda wanted: wanted.__setitem__(tunnel.host.name, tunnel))

    def forget(self, host_name: str) -> None:
        """Have a tunnel closed."""
        self._change(lambda wanted: wanted.pop(host_name, None))

    def statuses(self) -> dict[str, TunnelStatus]:
        """Return what the service last said of each tunnel."""
        try:
            records = json.loads((self._directory / "status.json").read_bytes())
            return {record["name"]: TunnelStatus(**record) for record in records}
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return {}

    def write_statuses(self, statuses: dict[str, TunnelStatus]) -> None:
        """Write down how all tunnels fare (the service only)."""
        self._write("status.json", [asdict(status) for status in statuses.values()])

    def _change(self, change: Callable[[dict[str, Tunnel]], object]) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            wanted = self.wanted()
            change(wanted)
            self._write("wanted.json", [asdict(tunnel) for tunnel in wanted.values()])

    def _write(self, name: str, records: list[dict[str, object]]) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self._directory / name, json.dumps(records, default=str))


def _tunnel(record: dict[str, Any]) -> Tunnel:
    host, ssh = record.pop("host"), record.pop("ssh")
    own_jumps = tuple(record.pop("own_jumps"))
    return Tunnel(
        HostConfig(**_typed(host, "key")),
        SshConfig(**_typed(ssh, "key", "known_hosts", "config_file")),
        own_jumps=own_jumps,
        **record,
    )


def _typed(record: dict[str, Any], *paths: str) -> dict[str, Any]:
    """Return a record out of JSON, with paths and tuples as they were."""
    read: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in record.items()
    }
    return {**read, **{key: Path(str(read[key])) for key in paths if read[key]}}


async def registry_behind(link: HostConnection, port: int, header: str) -> str | None:
    """Ask, from the host's own loopback, what answers on a port.

    Args:
        link: The host.
        port: The port on the host.
        header: Name of the response header that is wanted.

    Returns:
        The header's value, an empty string if something else answers, None if nothing does.
    """
    answer = await answer_on(link, port)
    return header_in(answer, header) if answer else None
