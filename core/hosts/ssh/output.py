"""What a command on a host writes, taken up to a limit.

A host may write without end: by a program that was replaced, or by a shell that does not stop to
greet. Nothing that is read as text needs more than this, and no other host is to wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import asyncssh

from core.errors import HostLineLost, HostOddAnswer, HostTimeout
from core.hosts.ssh.shell import BEGINS
from core.printable import printable

MOST_BYTES = 1 << 20
MOST_DETAILS = 20_000
_READ_BYTES = 64 << 10
_SHOWN = 60


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    status: int
    out: str
    err: str


class Output:
    """Both streams of a process on a host, read as they come.

    Args:
        process: The process.
        where: The host, for messages.
        command: What it runs, for messages.
    """

    def __init__(self, process: asyncssh.SSHClientProcess[bytes], where: str, command: str) -> None:
        self._process = process
        self._where = where
        self._command = command
        streams = (process.stdout, "output"), (process.stderr, "error output")
        self._found = [bytearray() for _ in streams]
        self._readers = [
            asyncio.create_task(self._read(*stream, found))
            for stream, found in zip(streams, self._found, strict=True)
        ]

    @property
    def so_far(self) -> str:
        """What both have written by now."""
        return "\n".join(found.decode("utf-8", "replace") for found in self._found)

    async def _read(self, stream: asyncssh.SSHReader[bytes], kind: str, found: bytearray) -> bytes:
        while data := await self._some_of(stream):
            found += data
            if len(found) > MOST_BYTES:
                # What is sent to it is read no more: sshd ends it.
                self._process.channel.abort()
                begin = bytes(found[: 2 * _SHOWN]).decode("utf-8", "replace")
                begin = printable(begin.rpartition(BEGINS)[2][:_SHOWN])
                raise HostOddAnswer(
                    f"{self._where}: more than {MOST_BYTES >> 20} MiB of {kind} from "
                    f"{self._command[:_SHOWN]}; it begins with {begin!r}"
                )
        return bytes(found)

    async def _some_of(self, stream: asyncssh.SSHReader[bytes]) -> bytes:
        try:
            return await stream.read(_READ_BYTES)
        except (asyncssh.Error, OSError):
            raise
        except Exception as error:  # what breaks asyncssh in its own task comes out here
            raise HostLineLost(f"{self._where}: the line was lost: {error}") from error

    async def end(self) -> tuple[str, str]:
        """Wait until the process has ended; return its output and its error output.

        Raises:
            HostOddAnswer: it wrote more than anybody asked for.
        """
        out, err = await asyncio.gather(*self._readers)
        await self._process.wait_closed()
        return out.decode("utf-8", "replace"), err.decode("utf-8", "replace")

    async def stop(self) -> None:
        """Read no more."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)


@asynccontextmanager
async def output_of(
    process: asyncssh.SSHClientProcess[bytes], where: str, command: str
) -> AsyncIterator[Output]:
    """Read what a process writes while something else is done with it.

    Args:
        process: The process.
        where: The host, for messages.
        command: What it runs, for messages.
    """
    output = Output(process, where, command)
    try:
        yield output
    finally:
        await output.stop()


async def run_to_end(
    process: asyncssh.SSHClientProcess[bytes],
    stdin: str,
    where: str,
    command: str,
    timeout_s: float,
) -> Finished:
    """Give a process its input, and wait for its end.

    Args:
        process: The process.
        stdin: What it reads.
        where: The host, for messages.
        command: What it runs, for messages.
        timeout_s: Seconds it may take.

    Raises:
        HostOddAnswer: it wrote more than anybody asked for.
        HostTimeout: it did not end; its details are what it wrote.
        asyncssh.Error: the connection was lost.
    """
    said = ""
    try:
        async with asyncio.timeout(timeout_s), output_of(process, where, command) as output:
            try:
                with suppress(BrokenPipeError):  # it has ended without reading
                    process.stdin.write(stdin.encode())
                    process.stdin.write_eof()
                out, err = await output.end()
            finally:
                said = output.so_far
    except TimeoutError as error:
        raise HostTimeout(
            f"{where}: no end after {timeout_s:.0f} s of: {command}", details=said[-MOST_DETAILS:]
        ) from error
    finally:
        process.channel.abort()  # a host that reads nothing would never let it be closed
    return Finished(-1 if process.exit_status is None else process.exit_status, out, err)
