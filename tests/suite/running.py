"""Phases at work: each under a keeper in a session of its own, what it prints in a file."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.suite.keeper import Result
from tests.suite.phases import ROOT, Phase


@dataclass
class Outcome:
    """What became of a phase."""

    name: str
    status: int = 0
    wall_s: float = 0.0
    processor_s: float = 0.0
    left: list[str] = field(default_factory=list)
    printed: str = ""
    ended: bool = False
    """Whether it came to its end; no if it was interrupted."""
    overdue: bool = False
    """Whether it was interrupted because it took longer than it may."""

    @property
    def failed(self) -> bool:
        """Whether the suite fails for it."""
        return bool(self.status or self.left) or not self.ended


class Running:
    """A phase that was started.

    Args:
        phase: Which one.
        environ: Its variables.
        place: A directory for what it prints, and for its keeper's results.
    """

    def __init__(self, phase: Phase, environ: Mapping[str, str], place: Path) -> None:
        self.outcome = Outcome(phase.name)
        self._environ = environ
        self._place = place
        self._commands = list(phase.commands)
        self._deadline = time.monotonic() + phase.limit_s
        self._interrupted = False
        self._process = self._start()

    def poll(self) -> bool:
        """Go on with the next command if one has ended; whether all have."""
        status = self._process.poll()
        if status is None:
            if time.monotonic() > self._deadline and not self._interrupted:
                self.outcome.overdue = True
                self._note_processes()
                self.interrupt()
            return False
        self._take(status)
        if self._commands and not self.outcome.status and not self._interrupted:
            self._process = self._start()
            return False
        self.outcome.ended = not self._interrupted
        return True

    def last_words(self) -> str:
        """Return the last line that it has printed so far."""
        lines = self._output.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def interrupt(self) -> None:
        """Have it clear up and end."""
        self._interrupted = True
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def _note_processes(self) -> None:
        """Keep what runs on this machine: by it one sees what is waited for."""
        with self._output.open("ab") as output:
            output.write(b"\nno end; these are at work:\n")
            output.flush()
            columns = "pid,ppid,stat,etimes,wchan:20,args"
            subprocess.run(["ps", "-ewwo", columns], stdout=output, check=False, timeout=60)

    def _start(self) -> subprocess.Popen[bytes]:
        command = self._commands.pop(0)
        self._result.unlink(missing_ok=True)
        with self._output.open("ab") as output:
            output.write(f"$ {shlex.join(_short(word) for word in command)}\n".encode())
            output.flush()
            return subprocess.Popen(
                [sys.executable, "-m", "tests.suite.keeper", self._result, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=ROOT,
                env=dict(self._environ),
            )

    def _take(self, status: int) -> None:
        outcome = self.outcome
        try:
            result = Result(**json.loads(self._result.read_bytes()))
        except FileNotFoundError:  # its keeper was killed
            result = Result(status, 0.0, 0.0, [])
        outcome.status = outcome.status or result.status or status
        outcome.wall_s += result.wall_s
        outcome.processor_s += result.processor_s
        outcome.left += result.left
        outcome.printed = self._output.read_text(encoding="utf-8", errors="replace")

    @property
    def _output(self) -> Path:
        return self._place / f"{self.outcome.name}.txt"

    @property
    def _result(self) -> Path:
        return self._place / f"{self.outcome.name}.json"


def _short(word: str) -> str:
    return os.path.relpath(word, ROOT) if word.startswith(f"{ROOT}/") else word
