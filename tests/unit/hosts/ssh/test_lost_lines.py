"""A line that is lost in the middle of something is a lost line: no answer, and no refusal.

The sshd is asyncssh's own: no other can be made to hang up at a chosen request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from core.config import HostConfig, SshConfig
from core.errors import HostCommandFailed, HostForwardingForbidden, HostLineLost
from core.hosts.ssh.connection import ConnectionPool, HostConnection
from core.hosts.ssh.host_keys import Trust
from core.hosts.tunnel.store import registry_behind
from tests.support.hostshell import shell_that

HalfAnAnswer = Callable[[asyncssh.SSHReader[bytes], asyncssh.SSHWriter[bytes]], Awaitable[None]]
ANSWERS, OPENS = 5001, 5002


class Sshd(asyncssh.SSHServer):
    """An sshd whose lines are cut when the first thing is asked of them.

    Args:
        cuts: Whether they are; else what is asked is refused, or left without an answer's end.
    """

    def __init__(self, *, cuts: bool) -> None:
        self._cuts = cuts

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._line = conn

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002
        return False

    def server_requested(self, listen_host: str, listen_port: int) -> bool:  # noqa: ARG002
        self.cut()
        return False

    def connection_requested(
        self,
        dest_host: str,  # noqa: ARG002
        dest_port: int,
        orig_host: str,  # noqa: ARG002
        orig_port: int,  # noqa: ARG002
    ) -> bool | HalfAnAnswer:
        if self._cuts and dest_port == ANSWERS:
            return self._half_an_answer
        self.cut()
        return False

    async def _half_an_answer(
        self, reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]
    ) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\n")
        self.cut()

    def cut(self) -> None:
        if self._cuts:
            self._line.abort()


@asynccontextmanager
async def line_to_host(tmp_path: Path, *, cuts: bool = True) -> AsyncIterator[HostConnection]:
    server = Sshd(cuts=cuts)

    async def command(process: asyncssh.SSHServerProcess[bytes]) -> None:
        process.stdout.write(b"half")
        server.cut()
        if not cuts:
            process.exit(3)

    played = command if cuts else shell_that(command, binary=True)

    host_key = asyncssh.generate_private_key("ssh-ed25519")
    acceptor = await asyncssh.listen(
        *("127.0.0.1", 0),
        server_factory=lambda: server,
        server_host_keys=[host_key],
        process_factory=played,
        encoding=None,
    )
    known = tmp_path / "known_hosts"
    public = host_key.export_public_key().decode()
    known.write_text(f"[127.0.0.1]:{acceptor.get_port()} {public}")
    ssh = SshConfig(config_file=tmp_path / "none", known_hosts=known)
    links = ConnectionPool(ssh, Trust((known,), known))
    link = links.link(HostConfig("a", "127.0.0.1", port=acceptor.get_port()))
    try:
        yield link
    finally:
        await link.close()
        acceptor.close()
        await acceptor.wait_closed()


async def listening(link: HostConnection) -> None:
    async with link.reverse_port(1):
        pass


ASKED: dict[str, Callable[[HostConnection], Awaitable[object]]] = {
    "a command": lambda link: link.run("uname"),
    "a command that may fail": lambda link: link.run("uname", check=False),
    "a script of root's": lambda link: link.run_root("uname", check=False),
    "a forward": listening,
    "an answer": lambda link: registry_behind(link, ANSWERS, "x"),
    "a channel": lambda link: registry_behind(link, OPENS, "x"),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED.keys())
async def test_a_line_that_is_cut_meanwhile(
    tmp_path: Path, asked: Callable[[HostConnection], Awaitable[object]]
) -> None:
    async with line_to_host(tmp_path) as link:
        with pytest.raises(HostLineLost, match=r"a \(.*\): the line was lost"):
            await asked(link)


async def test_what_is_refused_stays_refused(tmp_path: Path) -> None:
    async with line_to_host(tmp_path, cuts=False) as link:
        with pytest.raises(HostCommandFailed, match="status 3"):
            await link.run("uname")
        with pytest.raises(HostForwardingForbidden):
            await listening(link)
        assert None is await registry_behind(link, OPENS, "x")
