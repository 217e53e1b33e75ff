"""A real terminal, 80x24, for programs that are driven by keys: tmux with a server of its own."""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.errors import LabError
from tests.lab.shell import run, until

COLUMNS, LINES = 80, 24


class Terminal:
    """One terminal with a program in it; made by `terminal`."""

    def __init__(self) -> None:
        self._server = f"airferry-{uuid.uuid4().hex[:12]}"

    def start(self, command: list[str], kind: str = "xterm-256color") -> None:
        """Start a program.

        Args:
            command: The program and its arguments.
            kind: What TERM says to it.
        """
        words = f"env TERM={kind} {shlex.join(command)}"
        size = ("-x", str(COLUMNS), "-y", str(LINES))
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, words)

    def screen(self) -> str:
        """Return what the screen shows."""
        return self._tmux("capture-pane", "-p")

    def keys(self, *names: str) -> None:
        """Press keys, by tmux's names for them."""
        self._tmux("send-keys", *names)

    def type(self, text: str) -> None:
        """Type text as it is."""
        self._tmux("send-keys", "-l", text)

    def wait_for(self, *texts: str) -> str:
        """Wait until the screen shows all texts, and return it."""
        try:
            until(lambda: all(text in self.screen() for text in texts), "the screen")
        except LabError as error:
            raise AssertionError(f"no {texts!r} on the screen:\n{self.screen()}") from error
        return self.screen()

    def close(self) -> None:
        """Close the terminal as a dropped line does: the program gets SIGHUP."""
        run("tmux", "-L", self._server, "kill-server", check=False)

    def _tmux(self, *words: str) -> str:
        return run("tmux", "-L", self._server, *words).stdout


@contextmanager
def terminal() -> Iterator[Terminal]:
    """Yield a terminal that is closed at the end."""
    made = Terminal()
    try:
        yield made
    finally:
        made.close()
