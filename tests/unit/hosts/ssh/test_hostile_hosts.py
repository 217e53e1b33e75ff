"""Hosts that send what no host should: each is told by name, and none holds up another."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import struct
from contextlib import suppress
from pathlib import Path

import asyncssh
import pytest

from core.errors import AirferryError, HostError, HostOddAnswer
from core.hosts.facts import gather_facts
from core.hosts.ssh.connection import HostConnection
from core.hosts.ssh.output import MOST_BYTES
from core.hosts.ssh.stdin_feed import Emit
from tests.support.hostshell import shell_that
from tests.support.sshservers import (
    ADDRESS,
    HostKeys,
    Talk,
    link_to,
    new_key,
    public,
    ssh_server,
    tcp_server,
)
from tests.support.waiting import HANG_S

KEY = new_key()
MIB = 1 << 20
Process = asyncssh.SSHServerProcess[bytes]
MARKS_BYTES = 100  # what marks begin and end of an answer


async def failure_at(port: int, directory: Path, timeout_s: int = 20) -> AirferryError:
    link = link_to(port, directory, f"[{ADDRESS}]:{port} {public(KEY)}\n", timeout_s=timeout_s)
    with pytest.raises(AirferryError) as raised:
        await link.connection()
    return raised.value


def says(*pieces: bytes, hold: bool = False) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if hold:
            await reader.read()

    return talk


async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"Welcome to this host!\r\n" * 1000)
        await writer.drain()


async def endless_line(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 20_000)
        await writer.drain()


async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html>\r\n")


def packet(payload: bytes) -> bytes:
    """Return a packet as it is before keys are exchanged."""
    padding = 8 - (len(payload) + 5) % 8 + 8
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


SSH = b"SSH-2.0-OpenSSH_9.2\r\n"
NO_SSH = {
    "HTTP": (http, "HTTP/1.1 400 Bad Request"),
    "telnet": (says(b"\xff\xfd\x18\xff\xfd\x20login: "), "login:"),
    "mail": (says(b"220 mail ESMTP\r\n"), "220 mail ESMTP"),
    "a flood of lines": (endless, "Welcome to this host!"),
    "a line without an end": (endless_line, "xxxxxxxx"),
    "binary": (says(os.urandom(3000).replace(b"SSH-", b"....")), "no SSH server"),
    "escape sequences": (says(b"\x1b]0;owned\x07\x1b[2J\r\n"), "?]0;owned??[2J"),
}
ODD_SSH = {
    "SSH 1": says(b"SSH-1.5-OpenSSH_1.2\r\n"),
    "a version of another alphabet": says(b"SSH-2.0-caf\xe9\r\n", hold=True),
    "a version without an end": says(b"SSH-2.0-" + b"x" * 100_000, hold=True),
    "no packets": says(SSH, b"\xff" * 5000, hold=True),
    "an empty packet": says(SSH, packet(b"") * 10, hold=True),
    "a packet without an end": says(SSH, b"\x00\x00\x80\x00" + b"\x04" * 5000, hold=True),
    "half of what it can": says(SSH, packet(b"\x14" + b"x" * 40), hold=True),
    "lists that are none": says(
        SSH, packet(b"\x14" + bytes(16) + struct.pack(">I", 2**32 - 1) * 10), hold=True
    ),
    "a list of another alphabet": says(
        SSH, packet(b"\x14" + bytes(16) + struct.pack(">I", 3) + b"\xff\xfe\xfd"), hold=True
    ),
    "no common key exchange": says(
        SSH,
        packet(b"\x14" + bytes(16) + b"".join([struct.pack(">I", 1) + b"x"] * 10) + bytes(5)),
        hold=True,
    ),
    "a farewell": says(SSH, packet(b"\x01" + struct.pack(">II", 2, 3) + b"bye" + bytes(4))),
    "a farewell of another alphabet": says(
        SSH, packet(b"\x01" + struct.pack(">II", 2, 3) + b"\xff\xfe\xfd" + bytes(4))
    ),
    "debug messages without an end": says(
        SSH, *[packet(b"\x04" + bytes(9)) * 1000] * 20, b"\xff" * 5000
    ),
}


@pytest.mark.parametrize(("talk", "words"), NO_SSH.values(), ids=NO_SSH)
async def test_what_is_no_ssh_server(talk: Talk, words: str, tmp_path: Path) -> None:
    async with tcp_server(talk) as port:
        error = await failure_at(port, tmp_path)
    assert ("E-SSH-NONE", True, True) == (
        error.code,
        error.what.startswith(f"worker-01 ({ADDRESS})"),
        words in error.what,
    ), error.what


@pytest.mark.parametrize("talk", ODD_SSH.values(), ids=ODD_SSH)
async def test_what_speaks_ssh_as_nobody_does(talk: Talk, tmp_path: Path) -> None:
    async with tcp_server(talk) as port:
        error = await failure_at(port, tmp_path, timeout_s=2)
    assert error.code in ("E-SSH-NONE", "E-SSH-KEX", "E-SSH-ROUTE"), error.what
    assert error.what.startswith(f"worker-01 ({ADDRESS})")
    assert "cable" not in error.remedy


@pytest.mark.parametrize("seed", range(60))
async def test_bytes_by_chance(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same each time
    payload = bytes([chance.choice([1, 2, 3, 4, 20, 21, 31, 50, 80, 90])]) + chance.randbytes(
        chance.randrange(200)
    )
    pieces = [SSH, packet(payload), chance.randbytes(chance.randrange(400))]
    async with tcp_server(says(*pieces)) as port:
        error = await failure_at(port, tmp_path)
    assert isinstance(error, HostError)
    assert error.what.startswith("worker-01 ")


async def test_a_line_that_ends_at_any_moment_of_a_login(tmp_path: Path) -> None:
    """A relay before a real server, which hangs up after so many bytes of it."""
    async with ssh_server([KEY]) as behind:
        for limit in (0, 5, 21, 22, 100, 800, 1100, 1300, 2100, 2900, 3300):
            async with tcp_server(relay(behind, limit)) as port:
                error = await failure_at(port, tmp_path)
            assert error.code in ("E-SSH-ROUTE", "E-SSH-LOGIN"), error.what
            assert error.transient, "the line may come back"
            assert error.what.startswith("worker-01 ")


def relay(port: int, limit: int) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(ADDRESS, port)
        left = limit

        async def onward() -> None:
            with suppress(ConnectionError):
                while data := await reader.read(4096):
                    to_server.write(data)

        task = asyncio.create_task(onward())
        try:
            while left and (data := await from_server.read(left)):
                writer.write(data)
                left -= len(data)
            await writer.drain()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            to_server.close()

    return talk


async def test_a_server_that_says_nothing(tmp_path: Path) -> None:
    async with tcp_server(says(hold=True)) as port:
        error = await failure_at(port, tmp_path, timeout_s=1)
    assert ("E-SSH-ROUTE", True, False) == (
        error.code,
        "says nothing within 1 s" in error.what,
        "cable" in error.remedy,
    )


async def flood(process: Process, stream: str, data: bytes) -> None:
    where = process.stdout if stream == "output" else process.stderr
    with suppress(BrokenPipeError, asyncssh.Error):
        while not process.is_closing():
            where.write(data)
            await where.drain()


def flooding(stream: str, data: bytes) -> dict[str, object]:
    async def handle(process: Process) -> None:
        await flood(process, stream, data)

    return {"process_factory": shell_that(handle, binary=True), "encoding": None}


def known_link(port: int, directory: Path, name: str = "worker-01") -> HostConnection:
    home = directory / name
    home.mkdir()
    return link_to(port, home, f"[{ADDRESS}]:{port} {public(KEY)}\n", name=name, user="root")


@pytest.mark.parametrize("stream", ["output", "error output"])
@pytest.mark.parametrize("data", [b"y\n" * 10_000, b"\x00\xff" * 10_000], ids=["text", "binary"])
async def test_output_without_an_end(stream: str, data: bytes, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with ssh_server([KEY], **flooding(stream, data)) as port:
        link = known_link(port, tmp_path)
        async with asyncio.timeout(HANG_S):
            with pytest.raises(HostOddAnswer) as raised:
                await link.run("cat /etc/os-release")
        await link.close()
    assert f"worker-01: more than 1 MiB of {stream} from 'cat /etc" in raised.value.what
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KiB


async def test_a_whole_answer_may_have_a_mebibyte(tmp_path: Path) -> None:
    async def handle(process: Process) -> None:
        process.stdout.write(b"x" * most)
        process.exit(0)

    most = MOST_BYTES - MARKS_BYTES
    played = shell_that(handle, binary=True)
    async with ssh_server([KEY], process_factory=played, encoding=None) as port:
        link = known_link(port, tmp_path)
        done = await link.run("cat")
        await link.close()
    assert most == len(done.out)


def send_much(emit: Emit) -> None:
    for _ in range(64):
        emit(bytes(MIB))


async def test_a_flood_while_something_is_sent(tmp_path: Path) -> None:
    """The host reads nothing of what it is sent, and writes without end."""
    async with ssh_server([KEY], **flooding("output", b"y\n" * 10_000)) as port:
        link = known_link(port, tmp_path)
        async with asyncio.timeout(HANG_S):
            with pytest.raises(HostOddAnswer, match="worker-01: more than 1 MiB"):
                await link.feed_root("docker load", send_much)
        await link.close()


async def test_floods_hold_up_no_other_host(tmp_path: Path) -> None:
    async def handle(process: Process) -> None:
        process.stdout.write(b"fine\n")
        process.exit(0)

    async with (
        ssh_server([KEY], **flooding("output", b"y\n" * 10_000)) as bad,
        tcp_server(endless) as worse,
        ssh_server([KEY], process_factory=shell_that(handle, binary=True), encoding=None) as good,
        asyncio.timeout(HANG_S),
    ):
        links = [
            known_link(port, tmp_path, f"worker-{number}")
            for number, port in enumerate([bad, worse, good, bad, worse, good])
        ]
        results = await asyncio.gather(
            *(link.run("true") for link in links), return_exceptions=True
        )
        for link in links:
            await link.close()
    kinds = [r.code if isinstance(r, AirferryError) else getattr(r, "out", r) for r in results]
    assert ["E-HOST-ANSWER", "E-SSH-NONE", "fine\n"] * 2 == kinds


async def test_facts_of_a_host_that_greets_without_end(tmp_path: Path) -> None:
    async with ssh_server([KEY], **flooding("output", b"Welcome!\n" * 1000)) as port:
        link = known_link(port, tmp_path)
        with pytest.raises(HostOddAnswer, match="it begins with 'Welcome!"):
            await gather_facts(link, 5001)
        await link.close()


class Greeting(asyncssh.SSHServer):
    """A server that sends banners while one logs in."""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - asyncssh's signature
        for _ in range(200):
            self._connection.send_auth_banner("Welcome!\x1b[2J\n" * 1000)
        return False


async def test_banners_before_the_login(tmp_path: Path) -> None:
    keys: HostKeys = [KEY]
    async with ssh_server(keys, server_factory=Greeting) as port:
        link = known_link(port, tmp_path)
        assert (await link.server_version()).startswith("SSH-2.0-")
        await link.close()
