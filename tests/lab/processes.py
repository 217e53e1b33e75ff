"""Processes ended by id, and only after a look that they are the ones that were meant."""

import os
import signal
from pathlib import Path

from tests.lab.errors import LabError
from tests.lab.shell import run, until

TERM_TIMEOUT_S = 60.0
KILL_TIMEOUT_S = 60.0


def recorded_pid(pid_file: Path, mark: str) -> int | None:
    """Return the process that a pid file names, if it is the one that wrote the file.

    A number may have gone to another process since, so the command line decides.

    Args:
        pid_file: Where the process left its id.
        mark: Text that stands in that process's command line and in no other.

    Returns:
        The id, or None when that process is gone.
    """
    try:
        pid = int(pid_file.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None
    return pid if is_process(pid, mark) else None


def is_process(pid: int, mark: str) -> bool:
    """Tell whether a process lives and has the mark in its command line."""
    try:
        words = Path("/proc", str(pid), "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return mark in words.decode(errors="replace")


def end(pid: int, mark: str) -> None:
    """End a process: ask first, insist later, return when it is gone.

    Args:
        pid: The process.
        mark: Text in its command line; another process with that id is left alone.

    Raises:
        LabError: It outlived both.
    """

    def gone() -> bool:
        return not is_process(pid, mark)

    for number, patience_s in (
        (signal.SIGTERM, TERM_TIMEOUT_S),
        (signal.SIGKILL, KILL_TIMEOUT_S),
    ):
        if gone():
            return
        os.kill(pid, number)
        try:
            until(gone, f"end of process {pid}", patience_s, every_s=0.05)
        except LabError:
            if number == signal.SIGKILL:
                raise


def unmount_below(directory: Path) -> None:
    """Unmount whatever is mounted at or below a directory, innermost first."""
    prefix = f"{directory}/"
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    for point in reversed(points):
        if f"{point}/".startswith(prefix):
            run("umount", point)
