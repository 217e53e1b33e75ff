"""SSH servers on loopback, well-behaved and hostile, and the program's connections to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh

from core.config import HostConfig, SshConfig
from core.hosts.ssh.connection import ConnectionPool, HostConnection
from core.hosts.ssh.host_keys import Trust
from core.secrets import Login, Secrets

ADDRESS = "127.0.0.1"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HostKeys = Sequence[asyncssh.SSHKey | tuple[asyncssh.SSHKey, asyncssh.SSHCertificate]]


def new_key(kind: str = "ssh-ed25519") -> asyncssh.SSHKey:
    """Return a new private key."""
    return asyncssh.generate_private_key(kind)


def public(key: asyncssh.SSHKey) -> str:
    """Return a key as it stands in a known_hosts file, after the host's name."""
    return key.export_public_key("openssh").decode().strip()


class Welcoming(asyncssh.SSHServer):
    """A server that lets everybody in, or nobody."""

    def __init__(self, lets_in: bool = True) -> None:
        self._lets_in = lets_in

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - asyncssh's signature
        return not self._lets_in


@asynccontextmanager
async def ssh_server(keys: HostKeys, **options: object) -> AsyncIterator[int]:
    """Run an SSH server and give its port.

    Args:
        keys: Its host keys, with a certificate where it has one.
        **options: Of `asyncssh.listen`.
    """
    connections: list[asyncssh.SSHServerConnection] = []
    factory: Callable[[], asyncssh.SSHServer] = options.pop("server_factory", Welcoming)  # type: ignore[assignment]

    def noted() -> asyncssh.SSHServer:
        owner = factory()
        made = owner.connection_made

        def connection_made(conn: asyncssh.SSHServerConnection) -> None:
            connections.append(conn)
            made(conn)

        owner.connection_made = connection_made  # type: ignore[method-assign]
        return owner

    server = await asyncssh.listen(
        ADDRESS, 0, server_host_keys=list(keys), server_factory=noted, **options
    )
    try:
        yield server.get_port()
    finally:
        await close_links()
        server.close()
        await server.wait_closed()
        for connection in connections:
            connection.abort()
            await connection.wait_closed()


_made: list[HostConnection] = []


async def close_links() -> None:
    """Close all connections of `link_to`, with those to hosts on the way."""
    while _made:
        link = _made.pop()
        await link.close()
        await link._links.close()
    await asyncio.sleep(0)  # an aborted transport is closed in the loop's next round


@asynccontextmanager
async def tcp_server(talk: Talk) -> AsyncIterator[int]:
    """Run a server that talks as it is told to, and give its port."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(accept, ADDRESS, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await close_links()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def link_to(
    port: int,
    directory: Path,
    known: str | bytes = "",
    *,
    name: str = "worker-01",
    address: str = ADDRESS,
    user: str = "tech",
    login: Login | None = None,
    accept_new: bool = False,
    openssh: str = "",
    jump: str = "",
    timeout_s: int = 20,
) -> HostConnection:
    """Return a connection to a server on this machine, not yet made.

    Args:
        port: The server's.
        directory: Where the files of this login are made.
        known: What stands in the only known_hosts file.
        name: The host's.
        address: The host's.
        user: Who logs in.
        login: What was typed.
        accept_new: Keys never seen before are accepted.
        openssh: The OpenSSH config.
        jump: The host on the way.
        timeout_s: Seconds that a login may take.
    """
    files = directory / "known", directory / "notes"
    files[0].write_bytes(known.encode() if isinstance(known, str) else known)
    config = directory / "config"
    config.write_text(openssh)
    key = directory / "id"
    new_key().write_private_key(str(key))
    ssh = SshConfig(config_file=config, connect_timeout_s=timeout_s, key=key)
    trust = Trust((files[0], files[1]), files[1], accept_new)
    pool = ConnectionPool(ssh, trust, Secrets(login or Login()))
    _made.append(pool.link(HostConfig(name, address, port, user=user, key=key, jump=jump)))
    return _made[-1]
