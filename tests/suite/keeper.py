"""Runs one command for the suite, and answers for everything that comes of it.

`python -m tests.suite.keeper RESULT COMMAND...` is the parent of all processes that the command
starts, also of those that have left their own parents, as services do. So it knows what processor
time they took together, and none of them outlives it. It ends them when it is told to end, too.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
INTERRUPT_S = 180.0
"""How long a command may take to clear up after an interrupt."""
TERMINATE_S = 10.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it took."""

    status: int
    wall_s: float
    processor_s: float
    left: list[str]
    """Commands of processes that it left running, and that were ended."""


class Interrupted(BaseException):
    """The suite wants the command to end."""


def main(argv: list[str]) -> int:
    """Run the command; its exit status, or 1 if it left something running."""
    place, command = Path(argv[0]), argv[1:]
    for number in SIGNALS:
        signal.signal(number, _interrupt)
    tell_kernel(PR_SET_PDEATHSIG, signal.SIGTERM)  # ends with the suite, even if that is killed
    tell_kernel(PR_SET_CHILD_SUBREAPER, 1)  # gets processes that lose their parent
    started = time.monotonic()
    pid = os.posix_spawn(command[0], command, os.environ)
    try:
        status = wait_for(pid)
    except Interrupted:
        status = end_command(pid)
    left = end_the_others()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall_s = time.monotonic() - started
    place.write_text(
        json.dumps(asdict(Result(status, wall_s, used.ru_utime + used.ru_stime, left)))
    )
    return status or (1 if left else 0)


def tell_kernel(option: int, value: int) -> None:
    """Set an attribute of this process."""
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def wait_for(pid: int) -> int:
    """Wait for the command, and for whatever else ends meanwhile; its exit status."""
    while True:
        ended, status = os.wait()
        if ended == pid:
            return os.waitstatus_to_exitcode(status)


def end_command(pid: int) -> int:
    """Interrupt the command as Ctrl-C would, and end it if that does not help; its exit status.

    The whole process group is told; this process takes no notice by now.
    """
    for number, patience_s in ((signal.SIGINT, INTERRUPT_S), (signal.SIGTERM, TERMINATE_S)):
        os.killpg(0, number)
        status = _wait_some(pid, patience_s)
        if status is not None:
            return status
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def end_the_others() -> list[str]:
    """End all children; the commands of those that were still running."""
    left: list[str] = []
    for number, patience_s in ((signal.SIGTERM, TERMINATE_S), (signal.SIGKILL, TERMINATE_S)):
        told: set[int] = set()
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            _collect()
            running = children()
            if not running:
                return left
            for pid in running - told:  # killing one can hand over its own children
                left += [command_of(pid)] if number == signal.SIGTERM else []
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            told |= running
            time.sleep(0.02)
    return [*left, *(f"{command_of(pid)} (cannot be ended)" for pid in children())]


def children() -> set[int]:
    """Return the processes whose parent this one is."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    return {int(pid) for pid in listed.split()}


def command_of(pid: int) -> str:
    """Return a process's command line; its number if it has none any more."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        words = []
    return os.fsdecode(b" ".join(words).strip()) or f"process {pid}"


def _collect() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _wait_some(pid: int, patience_s: float) -> int | None:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    return None


def _interrupt(_number: int, _frame: object) -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # what is being cleared up is not interrupted again
    raise Interrupted


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
