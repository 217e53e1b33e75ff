"""What a run says last: each cause once, with the first hosts, within a screen of 24 lines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from core.engine.causes import Cause, causes_of, warnings_of
from core.engine.journal import Journal, JournalReader, RunRow, State, TaskRow
from core.engine.report import report_record, report_text
from core.engine.summary import LINES, WIDTH, summary_lines
from core.errors import AirferryError, HostLoginRefused, HostUnfit, HostUnreachable
from core.warnings import AGENT, CLOCK, LEFT_OVER, PLATFORM, Warned
from tests.unit.engine.test_report import RUN, THERE

SLOW = CLOCK.of(off="25 years behind")
FAST = CLOCK.of(off="6 minutes ahead")
NODELET = AGENT.of(agent="nodelet")


def host(name: str, *warnings: Warned) -> TaskRow:
    return TaskRow(name, "preflight", "preflight", State.PRESENT, warnings=warnings)


def hosts(number: int, *warnings: Warned, first: int = 1) -> list[TaskRow]:
    return [host(f"worker-{n:03}", *warnings) for n in range(first, first + number)]


def failed(name: str, error: AirferryError) -> TaskRow:
    row = TaskRow(name, "connect", "connect", State.FAILED)
    row.error_code, row.error, row.remedy = error.code, f"{name}: {error.what}", error.remedy
    return row


def test_warnings_are_grouped_by_cause() -> None:
    found = warnings_of([host("a", SLOW, NODELET), host("b", FAST), host("c")])
    assert [
        Cause("W-CLOCK", CLOCK.remedy, ("a", "b"), "has a clock that is 25 years behind"),
        Cause("W-AGENT", AGENT.remedy, ("a",), NODELET.what),
    ] == found


def test_of_one_target_different_things_stay_apart_and_the_same_is_told_once() -> None:
    arm, ppc = (PLATFORM.of(platform="linux/amd64", images=i) for i in ("a:1", "b:1"))
    rows = [host("a", arm, ppc), replace(host("a", arm), step="images.warm"), host("b", arm)]
    assert [(("a", "b"), arm.what), (("a",), ppc.what)] == [
        (cause.targets, cause.what) for cause in warnings_of(rows)
    ]


def test_the_site_s_own_warnings_come_first() -> None:
    run = replace(RUN, warnings=(LEFT_OVER.of(differences="mode du now"),))
    assert [("W-LEFT-OVER", ("du",)), ("W-CLOCK", ("a",))] == [
        (cause.code, cause.targets) for cause in warnings_of([host("a", SLOW)], run)
    ]


def test_twelve_clocks_are_one_cause() -> None:
    rows = [replace(THERE, target="fine"), *hosts(12, SLOW)]
    assert [
        "## Run 7: install, mode du: done, 1:05",
        "",
        "13 of 13 targets are ready.",
        "",
        "! the clock is wrong on 12 hosts: worker-001, worker-002, worker-003 and 9",
        "    more [W-CLOCK]",
        "    worker-001: has a clock that is 25 years behind",
        "    Set the host's clock (chrony, NTP).",
    ] == summary_lines(
        "## Run 7: install, mode du: done, 1:05",
        "13 of 13 targets are ready.",
        causes_of(rows),
        warnings_of(rows),
    )


def test_one_host_is_named_once() -> None:
    (_, _, _, _, head, what, _) = summary_lines("h", "v", [], warnings_of([host("a", SLOW)]))
    assert "! the clock is wrong on a [W-CLOCK]" == head
    assert "    has a clock that is 25 years behind" == what


def test_two_hundred_failing_hosts_end_with_what_to_do() -> None:
    """The last that stands on the terminal: all causes, the widest first, within a screen."""
    rows = [
        *(failed(f"worker-{n:03}", HostUnreachable("no route to host")) for n in range(1, 151)),
        *(failed(f"worker-{n:03}", HostLoginRefused("refuses root")) for n in range(151, 180)),
        *(failed(f"worker-{n:03}", HostUnfit("runs openrc")) for n in range(180, 201)),
        *hosts(150, SLOW),
        *hosts(3, NODELET, first=40),
    ]
    told = report_text(replace(RUN, kind="check"), State.FAILED, rows).splitlines()
    last = told[-(LINES - 1) :]
    assert all(len(line) <= WIDTH for line in last)
    start = last.index("## Run 7: check, mode du: failed, 1:05")
    assert "0 of 200 hosts can take part." == last[start + 2]
    assert [
        "x 150 hosts: worker-001, worker-002, worker-003 and 147 more [E-SSH-ROUTE]",
        "x 29 hosts: worker-151, worker-152, worker-153 and 26 more [E-SSH-LOGIN]",
        "x 21 hosts: worker-180, worker-181, worker-182 and 18 more [E-HOST-UNFIT]",
        "! the clock is wrong on 150 hosts: worker-001, worker-002, worker-003 and 147",
        "! a node agent may rewrite daemon.json on 3 hosts: worker-040, worker-041,",
    ] == [line for line in last[start:] if line.startswith(("x", "!"))]
    assert "    worker-001: no route to host" in last
    assert "    Set the host's clock (chrony, NTP)." in last


def test_more_causes_than_fit_keep_their_first_lines() -> None:
    causes = [
        Cause(f"E-{n}", "Do this. " * 20, tuple(f"h{i}" for i in range(20 - n)), "what")
        for n in range(12)
    ]
    told = summary_lines("h", "v", causes, [])
    assert 12 == len([line for line in told if line.startswith("x ")])
    assert len(told) < LINES
    assert "airferry report" in told[-1]


def test_a_remedy_is_never_cut() -> None:
    remedy = "Mend it. " * 30
    told = summary_lines("h", "v", [Cause("E-X", remedy, ("a",), "word " * 200)], [])
    assert remedy.split() == " ".join(told[7:]).split()


def test_the_report_has_warnings_beside_their_step_and_by_cause() -> None:
    record = json.loads(json.dumps(report_record(RUN, State.DONE, [host("a", SLOW)])))
    said = {"code": "W-CLOCK", "what": SLOW.what, "remedy": SLOW.remedy}
    assert [said] == record["targets"][0]["steps"][0]["warnings"]
    assert [{**said, "targets": ["a"]}] == record["warnings"]
    assert "    ! has a clock that is 25 years behind [W-CLOCK]" in report_text(
        RUN, State.DONE, [host("a", SLOW)]
    )


def test_a_short_report_without_a_fault_needs_no_summary() -> None:
    assert "##" not in report_text(RUN, State.DONE, [THERE])
    many = [replace(THERE, target=f"h{n}") for n in range(200)]
    assert (
        "Nothing had to be done: everything is there already."
        == (report_text(RUN, State.DONE, many).splitlines()[-1])
    )


@pytest.fixture
def run_with_warnings(tmp_path: Path) -> RunRow:
    journal = Journal(tmp_path)
    run = journal.begin("check", "du", "/c.yaml", {}, 1)
    rows = [host("a", SLOW, NODELET), host("b")]
    journal.add_tasks(run, rows)
    journal.save(run, rows, [])
    journal.warn(run, LEFT_OVER.of(differences="x"))
    journal.end(run, State.DONE, "")
    journal.close()
    found = JournalReader(tmp_path).run(run)
    assert found
    return found


def test_warnings_go_through_the_journal(run_with_warnings: RunRow, tmp_path: Path) -> None:
    found = JournalReader(tmp_path).tasks(run_with_warnings.id)
    assert [(SLOW, NODELET), ()] == [task.warnings for task in found]
    assert dict(SLOW.parameters) == found[0].warnings[0].parameters
    assert (LEFT_OVER.of(differences="x"),) == run_with_warnings.warnings
