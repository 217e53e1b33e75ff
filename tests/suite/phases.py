"""What there is to run: each phase a command, and what may run side by side."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


def cores() -> int:
    """Return how many processes can be at work at once here."""
    return len(os.sched_getaffinity(0))


ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
ROOMS = ("tests/unit", "tests/tui")
FUZZ_S = 15
LIMIT_S = 1800.0
LAB_LIMIT_S = 3000.0
"""What hangs is ended, and told, before somebody ends the whole suite without a word."""
PARALLEL = ("-n", "auto", "--dist", "worksteal")
# Half of a fast test is waiting: for a screen to settle, for a time that is to pass.
WAITING = ("-n", str(2 * cores()), "--dist", "worksteal")


@dataclass(frozen=True)
class Phase:
    """One part of the suite.

    Args:
        name: What it is called in the summary, and on the command line.
        commands: What is run, one after the other; the first that fails ends the phase.
        downloads: It may reach package archives, as this machine does.
        limit_s: Seconds after which it is interrupted; several times what it takes on a busy
            machine.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    downloads: bool = False
    limit_s: float = LIMIT_S


def of_pytest(name: str, marks: str, *arguments: str) -> Phase:
    """Return a phase of those unit and screen tests that carry some marks."""
    command = (program("pytest"), "-q", *arguments, "-m", marks, *ROOMS)
    return Phase(name, (command,))


def program(name: str) -> str:
    """Return a program of the virtual environment."""
    return str(BIN / name)


PYTHON = program("python")
SET_UP = Phase("set-up", ((PYTHON, "-m", "tests.lab", "packages"),), downloads=True)
STATIC = Phase(
    "static",
    (
        (program("ruff"), "format", "--check", "."),
        (program("ruff"), "check", "."),
        (program("mypy"),),
        (program("lint-imports"),),
    ),
)
FAST = of_pytest("fast", "not programs and not slow", *WAITING)
PROGRAMS = of_pytest("programs", "programs and not slow", *PARALLEL)
SLOW = of_pytest("slow", "slow", *PARALLEL)
FUZZ = Phase("fuzz", ((PYTHON, "-m", "tests.fuzz", "--seconds", str(FUZZ_S)),))
PACKAGE = Phase("package", ((program("pytest"), "-q", "tests/package"),), downloads=True)
LAB = Phase("lab", ((PYTHON, "-m", "tests.lab.suite"),), downloads=True, limit_s=LAB_LIMIT_S)

Lane = tuple[Phase, ...]
"""Phases that run one after the other."""
Stage = tuple[Lane, ...]
"""Lanes that run side by side."""
SUITES: dict[str, tuple[Stage, ...]] = {
    "check": (((STATIC,),), ((FAST,),)),
    # The lab waits for hosts more than for this machine; what needs no hosts runs beside it.
    "all": (
        ((SET_UP,),),
        ((STATIC,),),
        ((FAST,),),
        ((LAB,), (PACKAGE, FUZZ, PROGRAMS, SLOW)),
    ),
}
PHASES = {phase.name: phase for phase in (SET_UP, STATIC, FAST, PROGRAMS, PACKAGE, SLOW, FUZZ, LAB)}


def stages_of(names: Iterable[str]) -> list[Stage]:
    """Return what is to be run for names of suites and phases, in their order."""
    stages: list[Stage] = []
    for name in names:
        stages += SUITES[name] if name in SUITES else (((PHASES[name],),),)
    return stages
