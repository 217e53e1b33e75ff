"""A program on a real pseudo-terminal: every byte that it sends is kept, and its screen known."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence

import pyte

from core.bundle.media import VARIABLE
from tests.support.waiting import HANG_S

COLUMNS, LINES = 80, 24
KEY_REPEAT_S = 0.03
SLICE_BYTES = 16
"""What a serial line takes at a time: the size of its chip's buffer."""


class Console:
    """A terminal with a program in it.

    Args:
        argv: The program and its arguments.
        environ: What differs from this process's environment; no stick is in unless it says so.
        size: Its columns and lines, as the kernel knows them; 0, 0 for a serial console.
        bytes_a_second: How fast the terminal takes what is sent to it; 0 for at once.
    """

    def __init__(
        self,
        argv: Sequence[str],
        environ: Mapping[str, str],
        *,
        size: tuple[int, int] = (COLUMNS, LINES),
        bytes_a_second: int = 0,
    ) -> None:
        self.sent = b""
        self.status: int | None = None
        self.arrivals: list[tuple[float, int]] = []
        """When something came, on the monotonic clock, and how many bytes."""
        self._bytes_a_second = bytes_a_second
        self._busy_until = 0.0
        self._screen = pyte.Screen(size[0] or COLUMNS, size[1] or LINES)
        self._stream = pyte.ByteStream(self._screen)
        self.started = time.monotonic()
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
            os.execve(argv[0], [*argv], {**os.environ, VARIABLE: "", **environ})  # noqa: S606

    @property
    def text(self) -> str:
        """What stands on the screen."""
        return "\n".join(self._screen.display)

    def sees(self, *words: str, gone: str = "\0") -> None:
        """Read until all words are on the screen, and one is no longer."""

        def there() -> bool:
            text = self.text
            return gone not in text and all(word in text for word in words)

        self.until(there, f"{words} did not come")

    def until(
        self, condition: Callable[[], bool], complaint: str, patience_s: float = HANG_S
    ) -> None:
        """Read until something holds."""
        deadline = time.monotonic() + patience_s
        while not condition():
            assert self._read(deadline), f"{complaint}; the screen shows:\n{self.text}"

    def watch(self, seconds: float) -> None:
        """Read whatever comes in some seconds."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass

    def scribble(self, text: str, line: int) -> None:
        """Have something else write into the terminal, at a line counted from 1."""
        self._stream.feed(f"\x1b[{line};1H{text}".encode())

    def press(self, keys: bytes) -> None:
        """Send keys."""
        os.write(self._descriptor, keys)

    def hold(self, keys: bytes, times: int) -> None:
        """Hold a key down, as often as a keyboard repeats it, and read nothing meanwhile."""
        for _ in range(times):
            self.press(keys)
            select.select([], [], [], KEY_REPEAT_S)

    def wait(self) -> int:
        """Read until the program has ended; its exit code."""
        self.watch(HANG_S)
        self._assert_ended()
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def hang_up(self) -> int:
        """Close the line without reading what is in it; the exit code of the program."""
        os.close(self._descriptor)
        self._descriptor = -1
        self._assert_ended()
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def close(self) -> None:
        """End the program if it has not ended, by its own id."""
        if self.status is None:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def _assert_ended(self) -> None:
        ended = select.poll()
        handle = os.pidfd_open(self.pid)
        ended.register(handle, select.POLLIN)
        found = ended.poll(HANG_S * 1000)
        os.close(handle)
        assert found, "it did not end"

    def _read(self, deadline: float) -> bool:
        """Read what comes; False at the end or when it took too long."""
        wait_s = deadline - time.monotonic()
        if wait_s <= 0:
            return False
        pause_s = self._busy_until - time.monotonic()
        if pause_s > 0:
            time.sleep(min(pause_s, wait_s))
        wait_s = max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select([self._descriptor], [], [], wait_s)
        if not ready:
            return False
        try:
            data = os.read(self._descriptor, SLICE_BYTES if self._bytes_a_second else 65536)
        except OSError:
            return False  # the program has closed its end
        now = time.monotonic()
        if self._bytes_a_second:
            self._busy_until = now + len(data) / self._bytes_a_second
        self.arrivals.append((now, len(data)))
        self.sent += data
        self._stream.feed(data)
        return bool(data)
