"""What answers instead of a host's Docker: told as that, with the host's name, and bounded.

The host is an SSH server on this machine, whose `docker system dial-stdio` says what no engine can
be made to say.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncssh
import pytest

from core.errors import AirferryError, DockerGone, HostLineLost, HostOddAnswer
from core.hosts.docker import bounds
from core.hosts.docker.engine import HostEngine, host_engine
from tests.support.hostshell import nothing, shell_that
from tests.support.pulling import NobodyTold
from tests.support.sshservers import ADDRESS, link_to, new_key, public, ssh_server

VERSION = json.dumps({"ApiVersion": "1.41"})
Process = asyncssh.SSHServerProcess[bytes]
DIGITS, DEEP = "9" * 5000, "[" * 100_000
SHAPES = {
    "number": "5",
    "null": "null",
    "numbers": "[1, 2]",
    "an id of 5000 digits": '{"Id": ' + DIGITS + "}",
    "names that are a number": '[{"Id": "a", "RepoTags": 7}]',
    "texts for objects": '{"RootFS": 1, "Config": "x", "DriverStatus": [1], "Descriptor": []}',
    "lists for texts": '{"RootFS": {"Layers": 1}, "Descriptor": {}, "DriverStatus": 3}',
    "deep": DEEP,
    "page": "<html>",
    "nothing": "",
    "binary": "\x00\xff\x1b[2J",
}
QUESTIONS: dict[str, Callable[[HostEngine], Awaitable[object]]] = {
    "facts": lambda engine: engine.facts(),
    "images": lambda engine: engine.images(),
    "layers": lambda engine: engine.diff_ids("a:1"),
    "can run": lambda engine: engine.can_run("a:1"),
    "digest": lambda engine: engine.registry_digest("a:1"),
    "pull": lambda engine: engine.pull("a:1", NobodyTold()),
}


def head(*lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()


def whole(body: str) -> bytes:
    data = body.encode()
    return head("Content-Type: application/json", f"Content-Length: {len(data)}") + data


def in_chunks(*bodies: str) -> bytes:
    data = [body.encode() for body in bodies]
    chunks = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in data)
    return head("Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n"


@asynccontextmanager
async def engine_behind(
    answer: Callable[[Process], Awaitable[None]], directory: Path
) -> AsyncIterator[HostEngine]:
    """An engine that tells its version, and then answers as it is told to."""

    async def handle(process: Process) -> None:
        while True:
            with suppress(asyncssh.BreakReceived):
                request = b""
                while not request.endswith(b"\r\n\r\n"):
                    line = await process.stdin.readline()
                    if not line:
                        process.exit(0)
                        return
                    request += line
            if b"/version" in request.splitlines()[0]:
                process.stdout.write(whole(VERSION))
            else:
                await answer(process)

    key = new_key()
    options = {"process_factory": shell_that(handle, nothing, binary=True), "encoding": None}
    async with ssh_server([key], **options) as port:
        link = link_to(port, directory, f"[{ADDRESS}]:{port} {public(key)}\n", user="root")
        try:
            async with host_engine(link) as engine:
                yield engine
        finally:
            await link.close()


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
@pytest.mark.parametrize("body", SHAPES.values(), ids=SHAPES)
async def test_answers_of_another_shape(
    body: str, ask: Callable[[HostEngine], Awaitable[object]], tmp_path: Path
) -> None:
    """None is a fault of ours; what of it may pass for an answer is one."""

    async def answer(process: Process) -> None:
        process.stdout.write(whole(body) if ask is not QUESTIONS["pull"] else in_chunks(body))

    async with engine_behind(answer, tmp_path) as engine:
        with suppress(AirferryError):
            await ask(engine)


async def test_the_host_is_named(tmp_path: Path) -> None:
    async def answer(process: Process) -> None:
        process.stdout.write(whole(DEEP))

    async with engine_behind(answer, tmp_path) as engine:
        with pytest.raises(HostOddAnswer, match=r"worker-01: Docker's answer is not what was"):
            await engine.images()


async def endlessly(process: Process, first: bytes, then: bytes) -> None:
    process.stdout.write(first)
    with suppress(BrokenPipeError, asyncssh.Error):
        while not process.is_closing():
            process.stdout.write(then)
            await process.stdout.drain()


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (head("Content-Type: application/json"), b"x" * 50_000),
        (head("Content-Type: application/json"), b"[1,\n" * 10_000),
        (b"HTTP/1.1 200 OK\r\n", b"X-Header: x\r\n" * 1000),
        (b"", b"y\n" * 10_000),
    ],
    ids=["one line", "many lines", "headers", "no HTTP"],
)
async def test_an_answer_without_an_end(
    first: bytes, then: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MOST_BYTES", 1 << 20)
    async with engine_behind(lambda p: endlessly(p, first, then), tmp_path) as engine:
        with pytest.raises((HostOddAnswer, HostLineLost, DockerGone), match="worker-01: "):
            await engine.images()
