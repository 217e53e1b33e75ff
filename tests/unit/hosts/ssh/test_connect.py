"""Connecting by short attempts."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from core.hosts.ssh import connect as dial_module
from core.hosts.ssh.connect import dial
from tests.support.waiting import HANG_S, until_true


@pytest.fixture
def full() -> Iterator[socket.socket]:
    """A listener whose queue is full: the kernel drops the SYNs of who comes now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        filler = [socket.socket() for _ in range(4)]
        for line in filler:
            line.setblocking(False)
            line.connect_ex(listener.getsockname())
        yield listener
        for line in filler:
            line.close()


async def test_a_port_that_listens() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        await dial("localhost", server.getsockname()[1], 5) as line,
    ):
        assert server.getsockname() == line.getpeername()


async def test_a_port_where_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await dial("127.0.0.1", port, 5)


async def test_a_name_that_nobody_knows() -> None:
    with pytest.raises(socket.gaierror):
        await dial("no-such-host.invalid", 22, 5)


async def test_silence_ends_after_the_time_allowed(
    full: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial_module, "ATTEMPT_S", 0.05)
    with pytest.raises(TimeoutError):
        await dial("127.0.0.1", full.getsockname()[1], 0.3)


async def test_a_line_that_is_restored_is_found_by_a_new_attempt(
    full: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial_module, "ATTEMPT_S", 0.1)
    attempts, once = [], dial_module._once

    async def counted(family: int, place: tuple[object, ...]) -> socket.socket:
        attempts.append(place)
        return await once(family, place)

    monkeypatch.setattr(dial_module, "_once", counted)
    dialling = asyncio.create_task(dial("127.0.0.1", full.getsockname()[1], HANG_S))
    await until_true(lambda: len(attempts) > 2, "it was tried, and tried again")
    assert not dialling.done()
    full.setblocking(False)

    def there() -> bool:
        with suppress(BlockingIOError):
            full.accept()[0].close()
        return dialling.done()

    await until_true(there, "the restored line is found")
    (await dialling).close()
