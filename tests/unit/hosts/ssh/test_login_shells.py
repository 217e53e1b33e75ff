"""Commands on a host whose login has some shell: SSH and shells are real, sshd is asyncssh's."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncssh
import pytest

from core.config import HostConfig, SshConfig
from core.errors import HostCommandFailed, HostShellRefused, HostTimeout
from core.hosts.ssh.connection import ConnectionPool, HostConnection
from core.hosts.ssh.host_keys import Trust

# What a login's shell does; the command line is its $1.
PLAIN = 'exec sh -c "$1"'
RESTRICTED = pytest.param('exec bash -r -c "$1"', marks=pytest.mark.programs)
SPLITS_AT_BLANKS = "exec env $1"
NOISY = 'printf "Welcome "; echo to it; echo warned >&2; sh -c "$1"; echo bye; exit 0'
MENU = "echo 'a menu'; echo no choice >&2; exit 0"
ENDS_AT_ONCE = "exec false"
MERGES = 'exec 2>&1; exec sh -c "$1"'
CROSSES = 'exec >&2; exec sh -c "$1"'
TURNS_INTO_ANOTHER = "exec sh"
WAITS = "exec sleep 600"


async def copy(source: asyncio.StreamReader, target: asyncssh.SSHWriter[bytes]) -> None:
    while data := await source.read(1 << 16):
        target.write(data)


async def feed(process: asyncssh.SSHServerProcess[bytes], target: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, asyncssh.Error):
        while data := await process.stdin.read(1 << 16):
            target.write(data)
            await target.drain()
        target.write_eof()


@asynccontextmanager
async def host(directory: Path, shell: str) -> AsyncIterator[HostConnection]:
    """Give the connection to a host on which root has a shell."""
    key = directory / "key"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(key))
    public = asyncssh.read_private_key(str(key)).export_public_key("openssh").decode()

    running: list[asyncio.subprocess.Process] = []

    async def serve(process: asyncssh.SSHServerProcess[bytes]) -> None:
        started = await asyncio.create_subprocess_exec(
            *("sh", "-c", shell, "login", process.command or ""),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "LC_ALL": "xx_XX"},
            start_new_session=True,
        )
        running.append(started)
        assert started.stdin
        assert started.stdout
        assert started.stderr
        feeding = asyncio.create_task(feed(process, started.stdin))
        try:
            await asyncio.gather(
                copy(started.stdout, process.stdout), copy(started.stderr, process.stderr)
            )
            process.exit(await started.wait())
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)

    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        authorized_client_keys=asyncssh.import_authorized_keys(public),
        process_factory=serve,
        encoding=None,
    )
    trust = Trust((), directory / "known_hosts", accept_new=True)
    links = ConnectionPool(SshConfig(config_file=directory / "none"), trust)
    port = server.get_port()
    link = links.link(HostConfig("a", "127.0.0.1", port=port, user="root", key=key))
    async with server:
        try:
            yield link
        finally:
            await link.close()
            for started in running:
                with suppress(ProcessLookupError):
                    os.killpg(started.pid, signal.SIGKILL)
                await started.wait()


@pytest.mark.parametrize("shell", [PLAIN, RESTRICTED, SPLITS_AT_BLANKS, NOISY])
async def test_whatever_the_shell_is(tmp_path: Path, shell: str) -> None:
    async with host(tmp_path, shell) as link:
        for _ in range(2):
            done = await link.run(
                'printf %s "$1-$LC_ALL"; echo oops >&2; exit 4', "x y", check=False
            )
            assert (4, "x y-C", "oops\n") == (done.status, done.out, done.err)
        assert "ours" == (await link.run_root("printf ours")).out
        with pytest.raises(HostCommandFailed, match="status 3 of 'exit 3'"):
            await link.run("exit 3")


async def test_noise_is_kept_apart(tmp_path: Path) -> None:
    async with host(tmp_path, NOISY) as link:
        await link.run("echo ours")
        assert "Welcome to it" == link.noise


@pytest.mark.parametrize("shell", [PLAIN, RESTRICTED, NOISY])
async def test_streams_begin_with_their_own_first_byte(tmp_path: Path, shell: str) -> None:
    data = bytes(range(256)) * 1000
    async with host(tmp_path, shell) as link:
        await link.run("true")  # which line the shell reads is known by then
        async with link.root_process("head -c 256000; echo end >&2") as process:
            process.stdin.write(data)
            assert data == await process.stdout.readexactly(len(data))
            assert b"end\n" == await process.stderr.readline()


async def test_a_thread_feeds_a_command(tmp_path: Path) -> None:
    place = tmp_path / "place"
    async with host(tmp_path, NOISY) as link:
        await link.feed_root(f"cat >'{place}'", lambda emit: emit(b"first\n" * 9))
    assert b"first\n" * 9 == place.read_bytes()


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        (MENU, "no choice; a menu"),
        (ENDS_AT_ONCE, r"without a word \(status 1\)"),
        (TURNS_INTO_ANOTHER, "runs nothing for root"),
        (MERGES, "leads its output or its errors elsewhere"),
        (CROSSES, "leads its output or its errors elsewhere"),
    ],
)
async def test_shells_that_run_nothing(tmp_path: Path, shell: str, words: str) -> None:
    async with host(tmp_path, shell) as link:
        for ask in (link.run, link.run_root):
            with pytest.raises(HostShellRefused, match=words):
                await ask("echo ours")


async def test_a_shell_that_waits(tmp_path: Path) -> None:
    async with host(tmp_path, WAITS) as link:
        with pytest.raises(HostShellRefused, match="did not begin what it was told"):
            await link.run("echo ours", timeout_s=0.2)


async def test_a_command_that_does_not_end_is_another_matter(tmp_path: Path) -> None:
    async with host(tmp_path, PLAIN) as link:
        await link.run("true")
        with pytest.raises(HostTimeout, match="of: 'exec sleep 600'"):
            await link.run("exec sleep 600", timeout_s=0.2)
