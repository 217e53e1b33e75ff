"""Lab tests are dealt out by their measured times."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lab.packing import guess, packed, read_seconds, write_seconds


def queues_of(order: list[str], queues: int) -> list[list[str]]:
    """Cut an order as xdist's `worksteal` does."""
    left, cut = list(order), []
    for remaining in range(queues, 0, -1):
        size = len(left) // remaining
        cut.append(left[:size])
        del left[:size]
    return cut


def test_the_longest_tests_begin_side_by_side() -> None:
    tests = ["a", "b", "c", "d", "e", "f"]
    order = packed(tests, [1, 300, 2, 200, 3, 250], 3)
    assert ["b", "f", "d"] == [queue[0] for queue in queues_of(order, 3)]


@settings(deadline=None)
@given(st.lists(st.floats(0, 400), max_size=60), st.integers(1, 6))
def test_no_queue_is_much_longer_than_another(seconds: list[float], queues: int) -> None:
    tests = [str(number) for number in range(len(seconds))]
    times = dict(zip(tests, seconds, strict=True))
    order = packed(tests, seconds, queues)
    assert sorted(tests) == sorted(order)
    cut = queues_of(order, queues)
    assert max(map(len, cut)) - min(map(len, cut)) <= 1
    for queue in cut:
        taken = [times[test] for test in queue]
        assert taken == sorted(taken, reverse=True)


def test_times_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "seconds.json"
    assert {} == read_seconds(path)
    write_seconds({"b": 2.4, "a": 10.6}, path)
    assert {"a": 11, "b": 2} == read_seconds(path)
    assert 6.5 == guess(read_seconds(path))
