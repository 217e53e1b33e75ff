"""The program on a real pseudo-terminal: every byte that it sends is kept, and its screen known."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path

import pyte

COLUMNS, LINES = 80, 24
PATIENCE_S = 20.0


class RealTerminal:
    """A terminal with the screens of a site in it, driven by a fake engine (see fake_engine).

    Args:
        config: The site.
        environ: What differs from this process's environment.
        arguments: More of the command line.
        size: Its columns and lines, as the kernel knows them; 0, 0 for a serial console.
    """

    def __init__(
        self,
        config: Path,
        environ: Mapping[str, str],
        *arguments: str,
        size: tuple[int, int] = (COLUMNS, LINES),
    ) -> None:
        self.sent = b""
        self.status: int | None = None
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        argv = [sys.executable, "-m", "tests.tui.real_terminal", "--config", str(config)]
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
            os.execve(sys.executable, [*argv, *arguments], {**os.environ, **environ})  # noqa: S606

    @property
    def text(self) -> str:
        """What stands on the screen."""
        return "\n".join(self._screen.display)

    def sees(self, *words: str, gone: str = "\0") -> None:
        """Read until all words are on the screen, and one is no longer."""
        deadline = time.monotonic() + PATIENCE_S
        while gone in self.text or not all(word in self.text for word in words):
            assert self._read(deadline), f"{words} did not come; the screen shows:\n{self.text}"

    def press(self, keys: bytes) -> None:
        """Send keys."""
        os.write(self._descriptor, keys)

    def wait(self) -> int:
        """Read until the program has ended; its exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read(deadline):
            pass
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def close(self) -> None:
        """End the program if it has not ended, by its own id."""
        if self.status is None:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        os.close(self._descriptor)

    def _read(self, deadline: float) -> bool:
        """Read what comes; False at the end or when it took too long."""
        ready, _, _ = select.select([self._descriptor], [], [], deadline - time.monotonic())
        if not ready:
            return False
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:
            return False  # the program has closed its end
        self.sent += data
        self._stream.feed(data)
        return bool(data)


def main() -> int:
    """Open the screens with a fake engine."""
    from tests.tui.fake_engine import FakeEngine
    from tui.start import open_screens

    return open_screens(sys.argv[1:], FakeEngine())


if __name__ == "__main__":
    sys.exit(main())
