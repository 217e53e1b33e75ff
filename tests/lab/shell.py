"""Programs started and conditions waited for, always with a bound on the time."""

import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.lab.errors import LabError

TAIL_LINES = 6
# Guards against hanging, and says nothing of how long things may take: machines are slow or busy.
GUARD_S = 600.0


def run(
    *argv: str | Path,
    check: bool = True,
    input: str | None = None,  # noqa: A002 - the name that subprocess.run gives it
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_s: float = GUARD_S,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and keep what it wrote.

    Args:
        argv: The program and its arguments.
        check: Raise when the program fails.
        input: Text for its standard input; without it the input is empty.
        env: The whole environment, when not this process's own.
        cwd: The directory to run it in, when not this process's own.
        timeout_s: Seconds after which it is ended.

    Returns:
        The finished process, with output as text.

    Raises:
        LabError: It failed (with `check`), took too long, or does not exist.
    """
    words = [str(word) for word in argv]
    try:
        process = subprocess.run(
            words,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            env=env,
            cwd=cwd,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(words)}: no end after {timeout_s:.0f} s") from error
    except OSError as error:
        raise LabError(f"{words[0]}: {error.strerror}") from error
    if check and process.returncode != 0:
        said = (process.stderr.strip() or process.stdout.strip()).splitlines()[-TAIL_LINES:]
        raise LabError(f"{' '.join(words)}: exit {process.returncode}: {' | '.join(said)}")
    return process


def until(
    condition: Callable[[], bool], what: str, timeout_s: float = GUARD_S, every_s: float = 0.2
) -> None:
    """Wait for a condition, looking often rather than sleeping long.

    Args:
        condition: Looked at until it is true.
        what: Names the condition in the error.
        timeout_s: Seconds after which to give up.
        every_s: Seconds between two looks.

    Raises:
        LabError: The condition did not come true in time.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {timeout_s:.0f} s")
        time.sleep(every_s)
