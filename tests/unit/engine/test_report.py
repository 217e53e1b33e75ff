"""The report: the same numbers as data and in words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from core.engine.causes import Cause, causes_of
from core.engine.journal import Journal, JournalReader, RunRow, State, TaskRow
from core.engine.report import (
    clock,
    report_record,
    report_text,
    sign,
    targets_of,
    unfinished_hosts,
)
from core.words import size

RUN = RunRow(7, "install", "du", State.DONE, "/c.yaml", {}, 1, 0.0, 65.0, "")
DU = TaskRow("du", "bundle.import:x.tar", "import", State.DONE, 2, started=0.0, ended=31.0)
DU.bytes_done = DU.bytes_total = 2_000_000_000
DU.message = "3 images; 5 layers sent"
THERE = TaskRow("a", "connect", "connect", State.PRESENT, started=0.0, ended=1.0)
WARM = TaskRow("a", "images.warm", "images", State.PRESENT, started=1.0, ended=1.0)
FAILED = TaskRow(
    "b",
    "connect",
    "connect",
    State.FAILED,
    message="b refuses",
    error_code="E-SSH-LOGIN",
    error="b refuses",
    remedy="Mend the key.",
    started=0.0,
    ended=2.5,
)
BLOCKED = TaskRow("b", "images.warm", "images", State.BLOCKED, message="not tried")
TASKS = [DU, THERE, WARM, FAILED, BLOCKED]


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1499, "1 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_000_000, "1.0 MB"),
        (1_250_000, "1.2 MB"),
        (999_940_000, "999.9 MB"),
        (999_960_000, "1.0 GB"),
        (1_300_000_000, "1.3 GB"),
        (999_960_000_000, "1.0 TB"),
        (5_000_000_000_000_000, "5000.0 TB"),
    ],
)
def test_sizes(size_bytes: int, text: str) -> None:
    assert text == size(size_bytes)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (0.9, "0:00"),
        (31, "0:31"),
        (60, "1:00"),
        (3599, "59:59"),
        (3600, "1:00:00"),
        (3723.9, "1:02:03"),
        (360_000, "100:00:00"),
    ],
)
def test_clock(seconds: float, text: str) -> None:
    assert text == clock(seconds)


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ("done present", State.DONE),
        ("present present", State.DONE),
        ("done failed blocked", State.FAILED),
        ("blocked blocked", State.BLOCKED),
        ("done cancelled", State.CANCELLED),
        ("done running waiting", State.RUNNING),
        ("done interrupted waiting", State.INTERRUPTED),
        ("present missing", State.MISSING),
        ("waiting waiting", State.WAITING),
        ("done waiting", State.RUNNING),
    ],
)
def test_how_a_target_fares(states: str, state: State) -> None:
    tasks = [
        TaskRow("a", str(number), "t", State(word)) for number, word in enumerate(states.split())
    ]
    (target,) = targets_of(tasks)
    assert state is target.state


@pytest.mark.parametrize(
    ("states", "current"),
    [
        ("done failed waiting", 1),
        ("done running waiting", 1),
        ("done waiting", 1),
        ("done done", 1),
        ("running failed", 1),
        ("cancelled waiting", 0),
        ("waiting waiting", 0),
    ],
)
def test_the_task_that_says_most(states: str, current: int) -> None:
    tasks = [
        TaskRow("a", str(number), "t", State(word)) for number, word in enumerate(states.split())
    ]
    assert tasks[current] is targets_of(tasks)[0].current


def test_targets_are_in_the_order_of_the_plan() -> None:
    found = targets_of([THERE, DU, WARM, FAILED])
    assert ["a", "du", "b"] == [target.name for target in found]
    assert [(THERE, WARM), (DU,), (FAILED,)] == [target.tasks for target in found]
    assert (1.0, 2_000_000_000) == (found[0].seconds, found[1].bytes_done)


def test_as_data() -> None:
    record = report_record(RUN, State.FAILED, TASKS)
    assert {
        "run": 7,
        "kind": "install",
        "mode": "du",
        "state": "failed",
        "started": "1970-01-01T00:00:00+00:00",
        "seconds": 65.0,
        "paused": False,
        "seconds_worked": 65.0,
        "message": "",
        "left_out": 0,
        "causes": [
            {
                "code": "E-SSH-LOGIN",
                "remedy": "Mend the key.",
                "targets": ("b",),
                "what": "b refuses",
            }
        ],
        "warnings": [],
    } == {key: value for key, value in record.items() if key != "targets"}
    targets = json.loads(json.dumps(record))["targets"]
    assert [("du", "done"), ("a", "done"), ("b", "failed")] == [
        (target["name"], target["state"]) for target in targets
    ]
    assert {
        "id": "bundle.import:x.tar",
        "state": "done",
        "seconds": 31.0,
        "attempt": 2,
        "bytes": 2_000_000_000,
        "message": "3 images; 5 layers sent",
        "error": None,
        "warnings": [],
    } == targets[0]["steps"][0]
    assert {"code": "E-SSH-LOGIN", "what": "b refuses", "remedy": "Mend the key."} == (
        targets[2]["steps"][0]["error"]
    )


def test_bytes_that_a_dry_run_would_move() -> None:
    missing = TaskRow("a", "images.warm", "images", State.MISSING, bytes_total=9)
    record = report_record(RUN, State.DONE, [missing])
    assert 9 == json.loads(json.dumps(record))["targets"][0]["steps"][0]["bytes"]


def test_in_words() -> None:
    assert [
        "# Run 7: install, mode du: failed, 1:05",
        "",
        "2 of 3 targets are ready.",
        "",
        "= du: done",
        "    = bundle.import:x.tar done            0:31  2.0 GB  3 images; 5 layers sent",
        "= a: done",
        "    - connect            ok              0:01",
        "    - images.warm        nothing to do   0:00",
        "x b: failed",
        "    x connect            failed          0:02",
        "    x images.warm        blocked         0:00  not tried",
        "    x b refuses [E-SSH-LOGIN]",
        "",
        "## Run 7: install, mode du: failed, 1:05",
        "",
        "2 of 3 targets are ready.",
        "",
        "x 1 host: b [E-SSH-LOGIN]",
        "    refuses",
        "    Mend the key.",
    ] == [line.rstrip() for line in report_text(RUN, State.FAILED, TASKS).splitlines()]


def test_failures_that_have_one_cause_are_told_once() -> None:
    """In the order in which they come; a host with two failures of a kind stands there once."""
    away = [replace(FAILED, target=name, error_code="E-SSH-ROUTE") for name in ("c", "a", "c")]
    other = replace(FAILED, target="d", error_code="E-SSH-ROUTE", remedy="Another one.")
    assert [
        Cause("E-SSH-LOGIN", "Mend the key.", ("b",), "b refuses"),
        Cause("E-SSH-ROUTE", "Mend the key.", ("c", "a"), "b refuses"),
        Cause("E-SSH-ROUTE", "Another one.", ("d",), "b refuses"),
    ] == causes_of([DU, FAILED, *away, BLOCKED, other])


def test_a_run_that_ended_with_an_error_of_its_own_says_which() -> None:
    text = report_text(replace(RUN, message="internal error: x"), State.FAILED, [DU])
    assert "internal error: x" == text.splitlines()[4]


@pytest.mark.parametrize(
    ("kind", "tasks", "verdict"),
    [
        ("install", [THERE, WARM], "Nothing had to be done: everything is there already."),
        ("install", TASKS, "2 of 3 targets are ready."),
        ("plan", [replace(WARM, state=State.MISSING), DU], "1 of 2 targets lack something."),
        ("check", [THERE, FAILED], "1 of 2 hosts can take part."),
        ("verify", [WARM, FAILED], "1 of 2 targets have everything."),
        ("install", [], "0 of 0 targets are ready."),
        ("registry-verify", [THERE], "What the registry has stored is whole."),
        ("registry-verify", [FAILED], "The registry is not whole."),
        ("registry-repair", [WARM], "The registry is whole."),
        ("registry-gc", [WARM], "The registry is cleared up."),
        ("registry-keep", [WARM], "The registry is cleared up."),
    ],
)
def test_verdicts(kind: str, tasks: list[TaskRow], verdict: str) -> None:
    assert verdict == report_text(replace(RUN, kind=kind), State.DONE, tasks).splitlines()[2]


def test_every_state_has_a_sign() -> None:
    states = [State.WAITING, State.RUNNING, State.PRESENT, State.DONE, State.MISSING, State.FAILED]
    assert [*".>-=+x"] == [sign(state) for state in states]
    assert all(1 == len(sign(state)) for state in State)


def test_hosts_that_are_not_ready(tmp_path: Path) -> None:
    """The newest run in which a host took part decides; looking does not count."""
    journal = Journal(tmp_path)

    def run(kind: str, **states: State) -> None:
        number = journal.begin(kind, "du", "/c.yaml", {}, 1)
        journal.add_tasks(
            number, [TaskRow(name, "connect", "t", state) for name, state in states.items()]
        )

    run("install", a=State.FAILED, b=State.FAILED, c=State.DONE, d=State.BLOCKED, du=State.FAILED)
    run("configure-hosts", b=State.PRESENT)
    run("check", c=State.FAILED)
    run("configure-hosts", e=State.CANCELLED)
    assert ["a", "d", "e"] == unfinished_hosts(JournalReader(tmp_path), ["du", *"abcde"])
    assert ["d"] == unfinished_hosts(JournalReader(tmp_path), ["c", "d"])
    journal.close()
