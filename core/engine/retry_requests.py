"""What is asked of a run at work: hosts that failed, to be tried again without waiting for its end.

The journal has one writer, the engine; so who asks leaves an empty file for each host, named after
it, and the engine takes them up twice a second.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, unquote

PREFIX = "asked-"


class RetryRequests:
    """The requests to one run.

    Args:
        state_dir: The state directory.
        run: The run.
    """

    def __init__(self, state_dir: Path, run: int) -> None:
        self._state_dir = state_dir
        self._path = state_dir / f"{PREFIX}{run}"

    def ask(self, hosts: Iterable[str]) -> bool:
        """Ask for hosts to be tried again; False if the run takes no requests (any more).

        Raises:
            OSError: it cannot be written down.
        """
        try:
            for host in hosts:
                (self._path / quote(host, safe="")).touch()
        except FileNotFoundError:
            return False
        return True

    def take(self) -> list[str]:
        """Return the hosts that were asked for since the last time."""
        try:
            found = sorted(self._path.iterdir())
        except OSError:
            return []  # somebody took the directory away: the run goes on without requests
        for path in found:
            path.unlink(missing_ok=True)
        return [unquote(path.name) for path in found]

    def open(self) -> None:
        """Begin to take requests; what was asked of earlier runs is forgotten."""
        for left in self._state_dir.glob(f"{PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)
        self._path.mkdir(mode=0o700)

    def close(self) -> None:
        """Take no more requests."""
        shutil.rmtree(self._path, ignore_errors=True)
