"""Programs beside a test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def running(
    command: Sequence[str | Path],
    **options: Any,  # noqa: ANN401 - those of Popen
) -> Iterator[subprocess.Popen[Any]]:
    """Run a program while a test goes on, and kill it where it has not ended by then.

    `Popen` itself would wait for it, also where an assertion has failed that the program was to be
    ended after: for ever.

    Args:
        command: The program and its arguments.
        options: As for `subprocess.Popen`.
    """
    process = subprocess.Popen(command, **options)
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
