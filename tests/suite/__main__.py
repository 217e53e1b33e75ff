"""`python -m tests.suite [NAME...]`: suites and phases, and one summary of all.

Without a name it is `check`. Exit status 1 if anything failed or was left running, 130 if the suite
was interrupted; whatever it started has ended by then, and its directories are gone.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from tests.environment import Environment
from tests.suite.load import busy_processes
from tests.suite.phases import PHASES, SUITES, Lane, Stage, cores, stages_of
from tests.suite.running import Outcome, Running
from tests.suite.summary import ending, failures, machine_busy_s, table

POLL_S = 0.1
WORD_S = 300.0
"""How often those at work give a sign of life."""


class Interrupted(BaseException):
    """Somebody wants the suite to end."""


class Suite:
    """Stages run one after the other; the first that fails is the last, unless told otherwise.

    Args:
        environment: What all phases get.
        place: A directory for what they print.
    """

    def __init__(self, environment: Environment, place: Path) -> None:
        self._environment = environment
        self._place = place
        self._running: list[Running] = []
        self._next: dict[str, Lane] = {}
        self.outcomes: list[Outcome] = []

    def run(self, stages: Sequence[Stage], *, keep_going: bool) -> None:
        """Run all stages, or up to the first that fails."""
        for stage in stages:
            for lane in stage:
                self._begin(lane)
            self._wait(keep_going=keep_going)
            if not keep_going and any(outcome.failed for outcome in self.outcomes):
                return

    def end(self) -> None:
        """End what is still running, and wait until it has cleared up."""
        for running in self._running:
            running.interrupt()
        self._next.clear()
        self._wait()

    def _begin(self, lane: Lane) -> None:
        """Start the first phase of a lane; the others follow when it has ended."""
        phase, *others = lane
        print(f"{phase.name} ...", flush=True)
        self._running.append(Running(phase, self._variables(phase.downloads), self._place))
        self._next[phase.name] = tuple(others)

    def _variables(self, downloads: bool) -> dict[str, str]:
        variables = self._environment.variables()
        return {**variables, **self._environment.for_downloads()} if downloads else variables

    def _wait(self, *, keep_going: bool = False) -> None:
        word_at = time.monotonic() + WORD_S
        while self._running:
            if time.monotonic() > word_at:
                word_at += WORD_S
                for running in self._running:
                    print(f"{running.outcome.name} is at work: {running.last_words()}", flush=True)
            for running in [one for one in self._running if one.poll()]:
                self._running.remove(running)
                self._tell(running.outcome)
                others = self._next.pop(running.outcome.name, ())
                if others and (keep_going or not running.outcome.failed):
                    self._begin(others)
            time.sleep(POLL_S)

    def _tell(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        if outcome.failed:
            print(outcome.printed, end="", flush=True)
        print(f"{outcome.name}: {ending(outcome)}, {outcome.wall_s:.1f} s", flush=True)


def main(argv: Sequence[str]) -> int:
    """Run what is named; the exit status."""
    options = _parsed(argv)
    _listen()
    os.umask(0o022)
    started, busy_s = time.monotonic(), machine_busy_s()
    with _environment() as environment, tempfile.TemporaryDirectory() as place:
        suite = Suite(environment, Path(place))
        load = busy_processes(cores()) if options.loaded else nullcontext()
        try:
            with load:
                suite.run(stages_of(options.names or ["check"]), keep_going=options.keep_going)
            interrupted = False
        except Interrupted:
            suite.end()
            interrupted = True
    print(table(suite.outcomes, time.monotonic() - started, machine_busy_s() - busy_s))
    for outcome in suite.outcomes:
        for line in failures(outcome):
            print(f"{outcome.name}: {line}")
    if interrupted:
        return 130
    return 1 if any(outcome.failed for outcome in suite.outcomes) else 0


@contextmanager
def _environment() -> Iterator[Environment]:
    made = Environment(os.environ)
    try:
        yield made
    finally:
        made.remove()


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.suite", description=f"Suites: {', '.join(SUITES)}."
    )
    parser.add_argument("names", nargs="*", type=_known, metavar="NAME", help=", ".join(PHASES))
    parser.add_argument("--keep-going", action="store_true", help="go on after a failed stage")
    parser.add_argument(
        "--loaded", action="store_true", help="with as many busy processes as cores beside it"
    )
    return parser.parse_args(argv)


def _known(name: str) -> str:
    if name not in SUITES and name not in PHASES:
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join([*SUITES, *PHASES])}")
    return name


def _listen() -> None:
    """Be ended in good order; under nohup, not by the terminal that goes away."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)

    def interrupt(_number: int, _frame: object) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise Interrupted

    for number in numbers:
        signal.signal(number, interrupt)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
