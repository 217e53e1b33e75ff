"""What is measured of one run of a program, and of the registry that serves it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """A program that was to be measured failed."""


@dataclass(frozen=True)
class Figure:
    """One measurement; None is what was not, or cannot be, measured.

    Args:
        wall_s: From its start to its end.
        cpu_s: The program's processor time, user and system.
        peak_bytes: The most memory that it had.
        registry_cpu_s: The registry's processor time meanwhile.
        stored_bytes: What was in the registry afterwards.
        ended_at_s: When it ended, on the monotonic clock.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int
    registry_cpu_s: float | None = None
    stored_bytes: int | None = None
    ended_at_s: float = 0.0


@dataclass(frozen=True)
class Reading:
    """How a bundle was read: when its last byte was, on the monotonic clock, and how many were."""

    last_byte_at_s: float
    read_bytes: int


def measured(command: list[str], stdin: str = "") -> Figure:
    """Run a program to its end.

    The kernel counts the memory that its parent had when it was started as its own, so who calls
    this must be small.

    Raises:
        BenchError: it failed.
    """
    begun = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        if process.stdin is not None:
            process.stdin.write(stdin)
            process.stdin.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    except BaseException:
        process.kill()
        process.wait()
        raise
    ended = time.monotonic()
    if process.returncode:
        raise BenchError(f"{' '.join(command[:4])}: exit {process.returncode}")
    cpu_s = usage.ru_utime + usage.ru_stime
    return Figure(ended - begun, cpu_s, usage.ru_maxrss << 10, ended_at_s=ended)


class Registry(Protocol):
    """A registry that runs on this machine."""

    @property
    def pid(self) -> int:
        """Its process."""

    @property
    def directory(self) -> Path:
        """Where it stores."""


def into(registry: Registry, work: Callable[[], Figure]) -> Figure:
    """Measure work and the registry's part in it."""
    before = processor_s(registry.pid)
    figure = work()
    spent = processor_s(registry.pid) - before
    stored = sum(path.stat().st_size for path in registry.directory.rglob("*") if path.is_file())
    return replace(figure, registry_cpu_s=spent, stored_bytes=stored)


def total(figures: Iterable[Figure]) -> Figure:
    """Return the figure of several programs that ran one after the other."""
    found = list(figures)
    return Figure(
        sum(figure.wall_s for figure in found),
        sum(figure.cpu_s for figure in found),
        max(figure.peak_bytes for figure in found),
    )


def processor_s(pid: int) -> float:
    """Return the processor time of a process and of those children that it has waited for."""
    line = Path("/proc", str(pid), "stat").read_text(encoding="utf-8")
    fields = line.rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15]) / TICKS_A_SECOND


def peak_bytes(pid: int) -> int:
    """Return the most memory that a running process had."""
    lines = Path("/proc", str(pid), "status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))
