"""What a plan will cost: time by the last runs, room by what hosts said, containers that stop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.engine.estimate import (
    Disturbed,
    Estimate,
    Rates,
    Room,
    disturbed,
    estimate,
    estimated_seconds,
    rates_of,
    tightest_room,
)
from core.engine.journal import Journal, JournalReader, LogLine, State, TaskRow
from core.telling import (
    CONTAINERS_GO_ON,
    CONTAINERS_STOP,
    RUN_PAUSED,
    RUN_RESUMED,
    room_fact,
    rooms_in,
)

MB = 1_000_000
RATES = Rates({"bundle.import": 100.0 * MB, "docker.install": 10.0 * MB, "images.warm": 20.0 * MB})


def missing(target: str, step: str, size_bytes: int, message: str = "") -> TaskRow:
    row = TaskRow(target, step, step, State.MISSING, bytes_total=size_bytes)
    row.message = message
    return row


def moved(target: str, step: str, size_bytes: int, seconds: float) -> TaskRow:
    row = TaskRow(target, step, step, State.DONE if size_bytes else State.PRESENT)
    row.bytes_done, row.started, row.ended = size_bytes, 1000.0, 1000.0 + seconds
    return row


def hosts(count: int, size_bytes: int, step: str = "images.warm") -> list[TaskRow]:
    return [missing(f"h{number}", step, size_bytes) for number in range(count)]


IMPORT = missing("du", "bundle.import:x.tar", 2000 * MB)


@pytest.mark.parametrize(
    ("tasks", "at_once", "expected"),
    [
        pytest.param([IMPORT], 4, Estimate(20, 100 * MB, "bundle.import"), id="import"),
        pytest.param([IMPORT, IMPORT], 4, Estimate(40, 100 * MB, "bundle.import"), id="two"),
        pytest.param(hosts(3, 100 * MB), 4, Estimate(5, 20 * MB, "images.warm"), id="side by side"),
        pytest.param(hosts(8, 100 * MB), 4, Estimate(10, 20 * MB, "images.warm"), id="in turns"),
        pytest.param(
            [*hosts(8, 1 * MB), missing("slow", "images.warm", 1000 * MB)],
            4,
            Estimate(50, 20 * MB, "images.warm"),
            id="no faster than the slowest",
        ),
        pytest.param(
            [IMPORT, *hosts(1, 100 * MB, "docker.install"), *hosts(1, 100 * MB)],
            4,
            Estimate(25, 100 * MB, "bundle.import"),
            id="Docker beside the import, images after it",
        ),
        pytest.param(
            [*hosts(2, 100 * MB), TaskRow("h1", "preflight", "x", State.FAILED)],
            1,
            Estimate(5, 20 * MB, "images.warm"),
            id="not those that cannot",
        ),
    ],
)
def test_the_time_of_a_plan(tasks: list[TaskRow], at_once: int, expected: Estimate) -> None:
    assert expected == estimate(RATES, tasks, at_once)


def test_steps_that_move_nothing_take_time_too() -> None:
    rates = Rates(RATES.bytes_per_s, here_s=3.0, host_s=2.0)
    idle = [TaskRow(f"h{number}", "connect", "c", State.PRESENT) for number in range(8)]
    assert Estimate(4.0) == estimate(rates, idle, 4)
    assert Estimate(23, 100 * MB, "bundle.import") == estimate(rates, [IMPORT, *idle], 4)


@pytest.mark.parametrize("tasks", [[IMPORT], hosts(1, 5), hosts(1, 5, "docker.install"), []])
def test_nobody_knows_before_the_first_run(tasks: list[TaskRow]) -> None:
    assert None is estimate(Rates({}), tasks, 4)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path)
    yield made
    made.close()


@pytest.fixture
def reader(tmp_path: Path) -> JournalReader:
    return JournalReader(tmp_path)


def a_run(journal: Journal, *tasks: TaskRow, kind: str = "install") -> int:
    run = journal.begin(kind, "du", "/c.yaml", {}, 1)
    journal.add_tasks(run, tasks)
    journal.save(run, tasks, [])
    journal.end(run, State.DONE, "")
    return run


def test_the_rates_of_the_last_runs(journal: Journal, reader: JournalReader) -> None:
    a_run(
        journal,
        moved("du", "registry.serve", 0, 2),
        moved("du", "bundle.import:a.tar", 300 * MB, 3),
        moved("du", "bundle.import:b.tar", 100 * MB, 1),
        moved("du", "bundle.import:c.tar", 10, 50),  # a few names only
        moved("h1", "connect", 0, 1),
        moved("h1", "docker.install", 60 * MB, 6),
        moved("h1", "images.warm", 100 * MB, 4),
        moved("h2", "connect", 0, 3),
        moved("h2", "images.warm", 100 * MB, 6),
    )
    a_run(journal, moved("h1", "images.warm", 900 * MB, 1), kind="verify")
    a_run(journal, moved("h1", "images.warm", 0, 1))
    assert Rates(
        {
            "bundle.import": 100.0 * MB,
            "docker.install": 10.0 * MB,
            "images.warm": 20.0 * MB,
        },
        here_s=2.0,
        host_s=2.0,
    ) == rates_of(reader)


def test_old_runs_are_forgotten(journal: Journal, reader: JournalReader) -> None:
    """The site may have got a faster line since; each kind counts by itself."""
    a_run(journal, moved("du", "bundle.import:a.tar", 100 * MB, 1))
    a_run(journal, moved("h1", "images.warm", 100 * MB, 100))
    for _ in range(3):
        a_run(journal, moved("h1", "images.warm", 100 * MB, 5))
    found = rates_of(reader).bytes_per_s
    assert {"bundle.import": 100.0 * MB, "images.warm": 20.0 * MB} == found


def test_what_failed_says_nothing(journal: Journal, reader: JournalReader) -> None:
    failed = moved("h1", "images.warm", 100 * MB, 5)
    failed.state = State.FAILED
    a_run(journal, failed)
    assert None is estimated_seconds(reader, hosts(1, 5 * MB), 4)
    a_run(journal, moved("h1", "images.warm", 100 * MB, 5))
    found = estimated_seconds(reader, hosts(1, 100 * MB), 4)
    assert Estimate(5.0, 20.0 * MB, "images.warm") == found


def test_the_time_of_pauses_does_not_count(journal: Journal, reader: JournalReader) -> None:
    """Paused for 100 s in the middle of the warming, and for 50 s around its end."""
    run = journal.begin("install", "du", "/c.yaml", {}, 1)
    warming = moved("h1", "images.warm", 100 * MB, 125)
    journal.add_tasks(run, [warming])
    times = (1001, 1101, 1105, 1155)
    log = [
        LogLine(0, at, "du", "run", "info", (RUN_PAUSED, RUN_RESUMED)[n % 2])
        for n, at in enumerate(times)
    ]
    journal.hold(run, paused=True)
    journal.hold(run, paused=False)
    while not _was_held(reader, run):
        journal.hold(run, paused=True)
        journal.hold(run, paused=False)
    journal.save(run, [warming], log)
    journal.end(run, State.DONE, "")
    assert {"images.warm": 20.0 * MB} == rates_of(reader).bytes_per_s


def _was_held(reader: JournalReader, run: int) -> bool:
    """Whether the pause took a time that can be told."""
    found = reader.run(run)
    return found is not None and found.paused_s > 0


def fact(target: str, left_bytes: int, place: str = "/var/lib/docker", when: str = "") -> LogLine:
    name, value = room_fact(left_bytes, place, when)
    text = f"system: x\n{name}: {value}\nclock: right"
    return LogLine(0, 1.0, target, "preflight", "fact", text)


def test_what_is_said_of_room_is_read_back() -> None:
    name, value = room_fact(3_100_000_000, "/var/lib/my docker (1)")
    words = ("room left", "3.1 GB in /var/lib/my docker (1) (3100000000 bytes)")
    assert words == (name, value)
    assert [("/var/lib/my docker (1)", 3_100_000_000)] == rooms_in(f"{name}: {value}")
    assert [] == rooms_in("room: 3.1 GB where Docker stores (/var/lib/docker)")


def test_the_tightest_room() -> None:
    assert Room("b", "/var/tmp", -5) == tightest_room(
        [
            fact("du", 900, "/var/lib/airferry/registry"),
            fact("a", 700),
            fact("b", 800),
            fact("b", -5, "/var/tmp", "while installing Docker"),
            LogLine(0, 1.0, "c", "x", "info", fact("c", -9).text),
        ]
    )


def test_what_was_said_last_of_a_place_is_so() -> None:
    assert Room("b", "/var/lib/docker", 50) == tightest_room(
        [fact("a", 1), fact("b", 50), fact("a", 90)]
    )


def test_nothing_is_known_of_room() -> None:
    assert None is tightest_room([LogLine(0, 1.0, "a", "x", "fact", "system: Debian")])


def test_whose_containers_are_disturbed() -> None:
    tasks = [
        missing("a", "docker.install", 5, f"Docker (x) in place of 17.03; {CONTAINERS_STOP}"),
        missing("b", "docker.install", 5, "Docker (x)"),
        missing("c", "docker.configure", 0, f"Docker does not take x ({CONTAINERS_GO_ON})"),
        TaskRow("d", "docker.install", "x", State.DONE, message=CONTAINERS_STOP),
    ]
    assert Disturbed(("a",), ("c",)) == disturbed(tasks)
