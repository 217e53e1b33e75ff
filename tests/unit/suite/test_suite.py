"""The suite: what it counts, what it answers for, and that nothing outlives it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.environment import ROOMS, SUITE, Environment
from tests.suite.__main__ import Suite
from tests.suite.load import busy_processes
from tests.suite.phases import PHASES, ROOT, SUITES, Phase, stages_of
from tests.suite.running import Outcome, Running
from tests.suite.summary import counts, failures, machine_busy_s, table
from tests.support.processes import running
from tests.support.waiting import HANG_S, until

PASSED = "........ [100%]\n2771 passed in 120.37s (0:02:00)\n"
FAILED = """\
=========================== short test summary info ============================
FAILED tests/unit/test_a.py::test_b[x y] - assert 1 == 2
ERROR tests/unit/test_c.py::test_d - OSError
SKIPPED [1] tests/unit/test_e.py:1: no
2 failed, 3 passed, 1 skipped, 1 error, 1 xfailed in 0.51s
"""


def run(tmp_path: Path, *commands: str) -> Outcome:
    """Run shell commands as a phase, to their end."""
    phase = Phase("some", tuple(("/bin/sh", "-c", command) for command in commands))
    running = Running(phase, os.environ, tmp_path)
    wait(running)
    return running.outcome


def wait(running: Running) -> None:
    until(running.poll, "the end of a phase")


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (PASSED, (2771, 0, 0, 0)),
        (FAILED, (3, 3, 1, 1)),
        (PASSED + FAILED, (2774, 3, 1, 1)),
        ("===== 1 failed, 571 passed, 2 warnings in 239.25s (0:03:59) =====\n", (571, 1, 0, 0)),
        ("All checks passed!\n3 passed by\n", (0, 0, 0, 0)),
    ],
)
def test_tests_are_counted(printed: str, expected: tuple[int, ...]) -> None:
    assert expected == tuple(counts(printed).values())


def test_what_failed_is_named() -> None:
    assert [
        "FAILED tests/unit/test_a.py::test_b[x y] - assert 1 == 2",
        "ERROR tests/unit/test_c.py::test_d - OSError",
        "left running: sleep 9",
    ] == failures(Outcome("fast", 1, printed=FAILED, left=["sleep 9"], ended=True))
    assert ["core/a.py:1: error"] == failures(Outcome("static", 1, printed="core/a.py:1: error"))
    assert [] == failures(Outcome("fast", 0, printed=PASSED, ended=True))


def test_one_table_tells_it_all() -> None:
    outcomes = [
        Outcome("fast", 0, 120.4, 200.6, printed=PASSED, ended=True),
        Outcome("slow", 1, 9.0, 1.0, printed=FAILED, ended=True),
        Outcome("lab", 0, 3.0, 1.0),
    ]
    assert table(outcomes, 130.0, 250.4) == (
        "phase  wall s  processor s  passed  failed  errors  skipped\n"
        "fast    120.4        200.6    2771                           ok\n"
        "slow      9.0          1.0       3       3       1        1  FAILED\n"
        "lab       3.0          1.0                                   interrupted\n"
        "all     130.0        202.6    2774       3       1        1\n"
        "processor seconds of the whole machine, whoever used them: 250"
    )


def test_a_machines_work_is_what_is_not_idle() -> None:
    assert 1.75 == machine_busy_s("cpu  100 20 30 9000 800 5 20 77 0 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n")
    before = machine_busy_s()
    assert 0 < before <= machine_busy_s()


def test_commands_run_in_turn_and_the_first_that_fails_is_the_last(tmp_path: Path) -> None:
    done = run(tmp_path, "echo one", "echo two; exit 3", "echo three")
    assert (3, True, True) == (done.status, done.failed, done.ended)
    assert ["$ /bin/sh -c 'echo one'", "one", "$ /bin/sh -c 'echo two; exit 3'", "two"] == (
        done.printed.splitlines()
    )


def test_time_of_processes_that_left_their_parents_counts(tmp_path: Path) -> None:
    """As services do, which outlive the program that starts them."""
    busy = f"{sys.executable} -c 'import time\nwhile time.process_time() < 0.5: pass'"
    done = run(
        tmp_path,
        f"(({busy}; touch {tmp_path}/over) &); until [ -e {tmp_path}/over ]; do sleep 0.1; done",
    )
    assert (0, []) == (done.status, done.left)
    assert 0.5 <= done.processor_s


def test_what_is_left_running_is_ended_and_told(tmp_path: Path) -> None:
    asleep = "until grep -aq ^sleep /proc/$!/cmdline; do sleep 0.01; done"  # no shell any more
    done = run(tmp_path, f"(sleep 1000 & echo $! >{tmp_path}/pid; {asleep})")
    assert (["sleep 1000"], True) == (done.left, done.failed)
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_phase_is_interrupted_as_by_ctrl_c(tmp_path: Path) -> None:
    """And nothing of it is left, even where it has a child that does not care."""
    deaf = "(trap '' INT TERM; exec sleep 1000) &"
    up = f"until grep -aq ^sleep /proc/$!/cmdline; do sleep 0.01; done; touch {tmp_path}/up;"
    waits = f"trap 'echo clearing; exit 5' INT; {deaf} {up} wait"
    phase = Phase("some", (("/bin/sh", "-c", waits),))
    running = Running(phase, os.environ, tmp_path)
    until((tmp_path / "up").exists, "the start of a phase")
    running.interrupt()
    wait(running)
    assert (5, False, True) == (
        running.outcome.status,
        running.outcome.ended,
        running.outcome.failed,
    )
    assert "clearing" in running.outcome.printed
    assert ["sleep 1000"] == running.outcome.left


def test_a_phase_that_hangs_is_interrupted_and_told(tmp_path: Path) -> None:
    waits = f"trap 'echo clearing; exit 5' INT; touch {tmp_path}/up; sleep 1000 & wait"
    running = Running(Phase("some", (("/bin/sh", "-c", waits),), limit_s=0), os.environ, tmp_path)
    until((tmp_path / "up").exists, "the start of a phase")
    wait(running)
    outcome = running.outcome
    assert (5, False, True, True) == (
        outcome.status,
        outcome.ended,
        outcome.overdue,
        outcome.failed,
    )
    assert "clearing" == running.last_words()
    assert "sleep 1000" in outcome.printed, "what was at work is told"
    assert "NO END" in table([outcome], 1.0, 1.0)


def test_long_phases_give_signs_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that the place is known where a suite hung that somebody else has ended."""
    said: list[str] = []

    def stop_it() -> bool:
        said.append(capsys.readouterr().out)
        return "some is at work: 12 of 92" in said[-1]

    monkeypatch.setattr("tests.suite.__main__.WORD_S", 0.0)
    command = f"echo 12 of 92; until [ -e {tmp_path}/end ]; do sleep 0.05; done"
    environment = Environment({**os.environ, SUITE: "of-a-test"})
    suite = Suite(environment, tmp_path)
    thread = threading.Thread(
        target=suite.run,
        args=([((Phase("some", (("/bin/sh", "-c", command),)),),)],),
        kwargs={"keep_going": False},
    )
    thread.start()
    try:
        until(stop_it, "a sign of life")
    finally:
        (tmp_path / "end").touch()
        thread.join(HANG_S)
        environment.remove()
    assert [False] == [outcome.failed for outcome in suite.outcomes]


@pytest.mark.parametrize(
    ("keep_going", "expected"),
    [(False, {"a", "c", "d"}), (True, {"a", "b", "c", "d", "e"})],
    ids=["stops", "keeps-going"],
)
def test_lanes_run_side_by_side_and_their_phases_in_turn(
    tmp_path: Path, keep_going: bool, expected: set[str]
) -> None:
    """The first of a lane waits for the last of the other: one after the other they would hang."""

    def phase(name: str, command: str) -> Phase:
        return Phase(name, (("/bin/sh", "-c", command),))

    waits = f"until [ -e {tmp_path}/d ]; do sleep 0.05; done; exit 1"
    lanes = (
        (phase("a", waits), phase("b", "true")),
        (phase("c", "true"), phase("d", f"touch {tmp_path}/d")),
    )
    environment = Environment({**os.environ, SUITE: "of-a-test"})
    try:
        suite = Suite(environment, tmp_path)
        suite.run([lanes, ((phase("e", "true"),),)], keep_going=keep_going)
    finally:
        environment.remove()
    assert expected == {outcome.name for outcome in suite.outcomes}
    assert {"a"} == {outcome.name for outcome in suite.outcomes if outcome.failed}


def test_an_interrupted_suite_leaves_nothing(tmp_path: Path) -> None:
    with running(
        [sys.executable, "-m", "tests.suite", "fuzz"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as suite:
        room = f"airferry-tests-{suite.pid}-*"
        until(lambda: bool(list(ROOMS.glob(f"{room}/tmp/airferry-fuzz-*"))), "a damaged bundle")
        suite.terminate()
        said, _ = suite.communicate(timeout=HANG_S)
    assert (130, True) == (suite.returncode, "interrupted" in said)
    assert [] == [*tmp_path.iterdir(), *ROOMS.glob(f"airferry-tests-{suite.pid}-*")]


def test_the_load_ends_with_the_suite() -> None:
    with busy_processes(2) as pids:
        assert [False, False] == [gone(pid) for pid in pids]
    assert [True, True] == [gone(pid) for pid in pids]


def test_names_of_suites_and_phases() -> None:
    assert [*SUITES["check"], ((PHASES["fuzz"],),)] == stages_of(["check", "fuzz"])
    in_all = {phase.name for stage in SUITES["all"] for lane in stage for phase in lane}
    assert set(PHASES) == in_all


def test_an_unknown_name_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.suite", "fats"], capture_output=True, text=True, check=False
    )
    assert (2, True) == (done.returncode, "fats is none of check, all, " in done.stderr)
