"""The lab tests on several labs side by side: `python -m tests.lab.suite [--labs N] [PYTEST...]`.

Most of a lab test is waiting for hosts, so there are more labs than processors. All that was
started is removed at the end, also when the run is interrupted.
"""

import argparse
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.lab.conftest import MEASURE_VARIABLE
from tests.lab.paths import NUMBER_VARIABLE, lab_number

LABS = 4
INTERRUPTED = 130


def run_tests(labs: int, measure: bool, arguments: list[str]) -> int:
    """Run the tests, each worker on a lab of its own, and remove the labs.

    Args:
        labs: How many labs.
        measure: Keep how long each test took, by which later runs deal them out.
        arguments: More of pytest's arguments.

    Returns:
        pytest's exit status; a lab that cannot be removed is a failure as well.
    """
    parallel = ["-n", str(labs), "--dist", "worksteal"]
    environment = {**os.environ, **({MEASURE_VARIABLE: "1"} if measure else {})}
    command = [sys.executable, "-m", "pytest", "-q", *parallel, "tests/lab", *arguments]
    # In a session of its own: an interrupt reaches it once, from here.
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        status = process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait()
        status = INTERRUPTED
    finally:
        numbers = range(lab_number(), lab_number() + labs)
        with ThreadPoolExecutor(labs) as pool:
            removed = list(pool.map(_remove, numbers))
    return status or max(removed)


def _remove(number: int) -> int:
    environment = {**os.environ, NUMBER_VARIABLE: str(number)}
    command = [sys.executable, "-m", "tests.lab", "down"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout, done.stderr, sep="", file=sys.stderr)
    return done.returncode


def main(argv: list[str]) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.suite", description=__doc__)
    parser.add_argument("--labs", type=int, default=LABS, help=f"side by side (default {LABS})")
    parser.add_argument("--measure", action="store_true", help="keep the tests' times")
    options, rest = parser.parse_known_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return run_tests(options.labs, options.measure, rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
