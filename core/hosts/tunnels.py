"""The tunnels: each host's loopback port leads to the registry on the DU.

They belong to the DU's side, because hosts reach it over NAT and proxies if at all, and they
outlive every run, so one service keeps them all. What it shall keep stands in `wanted.json`, which
steps change; how it fares stands in `status.json`, which only the service writes.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from core.config import HostConfig, SshConfig
from core.errors import AirferryError, HostForwardingForbidden, HostPortTaken
from core.files import write_atomically
from core.hosts.connection import HostLink, translated, trust_of

FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 8.0
_LOOK_S = 0.5
CONNECTS_AT_ONCE = 16
ANSWER_TIMEOUT_S = 10


@dataclass(frozen=True)
class Tunnel:
    """One tunnel that shall be kept: how to reach the host, and the two ports."""

    host: HostConfig
    known_hosts: Path | None
    host_port: int
    registry_port: int


@dataclass(frozen=True)
class TunnelStatus:
    """How one tunnel fares. Times in seconds since the epoch; 0 for never."""

    name: str
    up_since: float = 0.0
    reconnects: int = 0
    last_error: str = ""


class TunnelBook:
    """The two files of the tunnel service.

    Args:
        state_dir: The state directory.
    """

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self._directory = state_dir / "tunnels"

    def wanted(self) -> dict[str, Tunnel]:
        """Return the tunnels that shall be kept, by host name."""
        try:
            records = json.loads((self._directory / "wanted.json").read_bytes())
            return {record["host"]["name"]: _tunnel(record) for record in records}
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return {}  # damaged on the disk: every run wants its tunnels again

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


def _tunnel(record: dict[str, object]) -> Tunnel:
    match record:
        case {
            "host": dict(host),
            "known_hosts": known,
            "host_port": int(p),
            "registry_port": int(r),
        }:
            key = Path(host["key"]) if host.get("key") else None
            known_hosts = Path(str(known)) if known else None
            return Tunnel(HostConfig(**{**host, "key": key}), known_hosts, p, r)
        case _:
            raise ValueError("wanted.json is damaged")


class TunnelKeeper:
    """Keeps every wanted tunnel open; runs until it is cancelled.

    Args:
        book: The files.
    """

    def __init__(self, book: TunnelBook) -> None:
        self._book = book
        self._statuses: dict[str, TunnelStatus] = {}
        self._gate = asyncio.Semaphore(CONNECTS_AT_ONCE)

    async def run(self) -> None:
        """Follow `wanted.json`: open what is new, close what has gone, keep the rest."""
        kept: dict[str, tuple[Tunnel, asyncio.Task[None]]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                wanted = self._book.wanted()
                for name, (tunnel, task) in list(kept.items()):
                    if wanted.get(name) != tunnel:
                        task.cancel()
                        await asyncio.wait([task])
                        del kept[name]
                        self._statuses.pop(name, None)
                        self._publish()
                for name, tunnel in wanted.items():
                    if name not in kept:
                        self._note(TunnelStatus(name))
                        kept[name] = tunnel, group.create_task(self._keep(tunnel))
                await asyncio.sleep(_LOOK_S)

    async def _keep(self, tunnel: Tunnel) -> None:
        pause_s = FIRST_RETRY_S
        while True:
            try:
                await self._hold(tunnel)
                pause_s = FIRST_RETRY_S
                error = "the line was lost"
            except AirferryError as failure:
                error = failure.what
            was = self._statuses[tunnel.host.name]
            self._note(replace(was, up_since=0.0, last_error=error))
            await asyncio.sleep(pause_s * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
            pause_s = min(pause_s * 2, LONGEST_RETRY_S)

    async def _hold(self, tunnel: Tunnel) -> None:
        """Open one tunnel and stay until its connection ends."""
        ssh = SshConfig(known_hosts=tunnel.known_hosts)
        trust = trust_of(ssh, self._book.state_dir)
        link = HostLink(tunnel.host, ssh, trust, self._gate)
        try:
            await _listen(link, tunnel)
            status = self._statuses[tunnel.host.name]
            again = 1 if status.last_error or status.reconnects else 0
            self._note(replace(status, up_since=time.time(), reconnects=status.reconnects + again))
            connection = await link.connection()
            await connection.wait_closed()
        finally:
            await link.close()

    def _note(self, status: TunnelStatus) -> None:
        self._statuses[status.name] = status
        self._publish()

    def _publish(self) -> None:
        self._book.write_statuses(self._statuses)


async def _listen(link: HostLink, tunnel: Tunnel) -> None:
    """Make the host's sshd listen; evict the leftover of a line of ours that was cut."""
    connection = await link.connection()
    session = (await link.run("echo $PPID")).out.strip()
    note = f"/run/airferry-tunnel-{tunnel.host_port}.pid"
    try:
        await _forward(link, tunnel)
    except HostForwardingForbidden:
        if not await _evict(link, note):
            raise await _why_refused(link, tunnel) from None
        await _forward(link, tunnel)
    if connection.is_closed() or not session.isdigit():
        return
    await link.run_root(f"echo {session} >{note}")


async def _forward(link: HostLink, tunnel: Tunnel) -> None:
    connection = await link.connection()
    with translated(link.host):
        await connection.forward_remote_port(
            "127.0.0.1", tunnel.host_port, "127.0.0.1", tunnel.registry_port
        )


async def _evict(link: HostLink, note: str) -> bool:
    """End the sshd session that an earlier tunnel of ours left behind; False if there is none."""
    script = (
        f"pid=$(cat {note} 2>/dev/null) || exit 1\n"
        'case $(cat "/proc/$pid/comm" 2>/dev/null) in\nsshd*) ;;\n*) exit 1 ;;\nesac\n'
        f'kill "$pid" && rm -f {note}\n'
        'n=0; while [ -d "/proc/$pid" ] && [ $n -lt 50 ]; do sleep 0.1; n=$((n+1)); done\n'
    )
    return (await link.run_root(script, check=False)).status == 0


async def _why_refused(link: HostLink, tunnel: Tunnel) -> AirferryError:
    try:
        async with link.port(tunnel.host_port):
            return HostPortTaken(
                f"{link.host.name}: port {tunnel.host_port} is taken by another program"
            )
    except ConnectionRefusedError:
        return HostForwardingForbidden(f"{link.host.name}: sshd refuses the tunnel's forwarding")
    except AirferryError as error:
        return error


async def registry_behind(link: HostLink, port: int, header: str) -> str | None:
    """Ask, from the host's own loopback, what answers on a port.

    Args:
        link: The host.
        port: The port on the host.
        header: Name of the response header that is wanted.

    Returns:
        The header's value, an empty string if something else answers, None if nothing does.
    """
    try:
        async with link.port(port) as (reader, writer):
            writer.write(b"GET /v2/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
            answer = b""
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                while b"\r\n\r\n" not in answer and (more := await reader.read(4096)):
                    answer += more
    except (ConnectionRefusedError, TimeoutError):
        return None
    for line in answer.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == header.lower():
            return value.strip()
    return "" if answer else None
