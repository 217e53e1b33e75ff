"""How a fake host plays the shell to which Airferry speaks (core/hosts/ssh/shell.py).

A fake, because what is played here no shell can be made to do: answers without an end, engines that
are none, lines that are cut at a byte.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from core.hosts.ssh.shell import BEGINS, STARTS

Handle = Callable[[Any], Awaitable[None]]


class _Script:
    """A process that runs a script: its end is marked."""

    def __init__(self, process: Any, text: Callable[[str], Any]) -> None:  # noqa: ANN401
        self._process = process
        self._text = text

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - all else is the process's
        return getattr(self._process, name)

    def exit(self, status: int) -> None:
        """End it."""
        self._process.stdout.write(self._text(f"<airferry ends {status}>\n"))
        self._process.exit(status)


async def nothing(process: Any) -> None:  # noqa: ANN401
    """End well, without a word."""
    process.exit(0)


def shell_that(
    stream: Handle, script: Handle | None = None, *, binary: bool, starts: bool = True
) -> Handle:
    """Return what plays a login's shell: the marks, and between them what is given.

    Args:
        stream: Plays what root runs with streams of its own, such as `docker system dial-stdio`.
        script: Plays a script; the same if None.
        binary: The server's streams are bytes.
        starts: What root runs is begun; no where sudo refuses.
    """

    def text(words: str) -> Any:  # noqa: ANN401
        return words.encode() if binary else words

    async def play(process: Any) -> None:  # noqa: ANN401
        while True:
            line = await process.stdin.readline()
            words = line.decode() if binary else line
            is_root = words.startswith("exec ") and words.endswith('"$SSH_CONNECTION"\n')
            if words and not is_root:
                continue
            for out in (process.stdout, process.stderr):
                out.write(text(BEGINS + STARTS if is_root and starts else BEGINS))
            if is_root and not starts:
                await stream(process)
            elif is_root:
                await process.stdin.readline()  # the line for which it waits after its mark
                await stream(process)
            else:
                await (script or stream)(_Script(process, text))
            return

    return play
