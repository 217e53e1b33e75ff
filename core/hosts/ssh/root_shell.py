"""Becoming root on a host: the talk with sudo before a command of ours begins.

The password goes out when it is asked for, once; nothing else does before the command's own mark
has come. So a wrong password is not followed by a second one, and no script is ever taken for one.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

import asyncssh

from core.hosts.ssh.shell import BEGINS, GO, STARTS
from core.hosts.ssh.sudo import Refused

_READ_BYTES = 4096
_MOST_CHARS = 1 << 20
# What neither ends its line nor goes on for so long is a question.
_SILENCE_S = 1.5
_WAIT_S = 60.0
_OURS = re.compile(r"<airferry asks ([^<>]+)>\s*$")
# As sudo-rs asks: "[sudo: authenticate] Password: ".
_PLAIN = re.compile(r"\[sudo[^\]]*authenticate[^\]]*\] .*$")
_PASSWORD = re.compile(r"password|passwd|first factor", re.IGNORECASE)


async def become_root(
    process: asyncssh.SSHClientProcess[bytes], password: str = "", only_of: str = ""
) -> Refused | None:
    """Answer what is asked until the command begins.

    Args:
        process: Started with `shell.as_root`.
        password: What is answered to the first question, if it is one for a password.
        only_of: Whose password that is; empty for whosever is asked for.

    Returns:
        None when the command has begun and takes its standard input; else why it did not.
    """
    talk = _Talk(process, password, only_of)
    out = asyncio.create_task(_until(process.stdout, STARTS))
    try:
        async with asyncio.timeout(_WAIT_S):
            began = await talk.until_it_starts() and await out
    except TimeoutError:
        return talk.refused(waited_s=_WAIT_S)
    finally:
        out.cancel()
        await asyncio.gather(out, return_exceptions=True)
    if not began:
        return talk.refused()
    process.stdin.write(GO.encode())
    return None


async def _until(stream: asyncssh.SSHReader[bytes], mark: str) -> bool:
    """Read a stream up to and with a mark; False if it never came."""
    try:
        await stream.readuntil(mark.encode())
    except asyncio.IncompleteReadError:
        return False
    return True


class _Talk:
    """What is said on the way to root, and what was answered."""

    def __init__(
        self, process: asyncssh.SSHClientProcess[bytes], password: str, only_of: str
    ) -> None:
        self._process = process
        self._password = password
        self._only_of = only_of
        self._said = ""
        self._heard = 0  # characters of that which need no answer any more
        self._sent = False
        self._whose = ""
        self._more = ""
        self._silent = False

    async def until_it_starts(self) -> bool:
        """Return whether the mark came."""
        while STARTS not in self._said:
            if not await self._hear():
                return False
            question = self._question()
            if question:
                self._answer(question)
        return True

    async def _hear(self) -> bool:
        """Take in more; False at the end."""
        wait_s = _SILENCE_S if self._tail() and not self._asked_at_once() else None
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                data = await self._process.stderr.read(_READ_BYTES)
            self._silent = False
            self._said += data.decode("utf-8", "replace")
            return bool(data) and len(self._said) < _MOST_CHARS
        self._silent = True
        return True

    def _tail(self) -> str:
        """Return what stands on a line that has not ended, and needs an answer."""
        if BEGINS not in self._said:
            return ""  # the login's own noise
        return self._said[self._heard :].rpartition("\n")[2].strip()

    def _asked_at_once(self) -> bool:
        tail = self._tail()
        return bool(_OURS.search(tail) or _PLAIN.search(tail))

    def _question(self) -> str:
        tail = self._tail()
        return tail if tail and (self._silent or self._asked_at_once()) else ""

    def _answer(self, question: str) -> None:
        ours = _OURS.search(question)
        if ours and not self._sent:
            self._whose = ours[1]
        between = self._said[self._heard :].rpartition("\n")[0].strip()
        self._heard = len(self._said)
        known = ours or _PASSWORD.search(question)
        another = self._only_of and self._whose not in ("", self._only_of)
        if known and self._password and not another and not self._sent:
            self._sent = True
            with suppress(BrokenPipeError):  # it ended meanwhile: that comes next
                self._process.stdin.write(f"{self._password}\n".encode())
            return
        # Words before the second question say that the first answer was wrong.
        if not (self._sent and known and between):
            self._more = "the password a second time" if ours else question
        self._process.stdin.write_eof()

    def refused(self, waited_s: float = 0.0) -> Refused:
        """Return how it ended without root."""
        said = self._said.partition(BEGINS)[2] or self._said
        said = re.sub(r"<airferry asks [^<>]+>", "", said)
        return Refused(said, self._sent, self._whose, self._more, waited_s)
