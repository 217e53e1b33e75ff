"""What another thread produces: in order, with its errors, and left behind when it hangs."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from core.errors import Cancelled
from core.threads import out_of_thread
from tests.support.waiting import HANG_S


def go_on() -> None:
    """Never end it."""


def test_pieces_come_in_order() -> None:
    assert list(range(100)) == list(out_of_thread(lambda: range(100), go_on))


def test_an_error_comes_after_what_was_produced_before() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    pieces = out_of_thread(failing, go_on)
    assert 1 == next(pieces)
    with pytest.raises(ValueError, match="no more"):
        next(pieces)


def test_one_that_hangs_is_left_behind() -> None:
    release, asked = threading.Event(), 0

    def hanging() -> Iterator[int]:
        release.wait(HANG_S)
        yield 1

    def ended() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise Cancelled("ended")

    with pytest.raises(Cancelled):
        list(out_of_thread(hanging, ended, poll_s=0.01))
    assert 3 == asked
    release.set()


def test_who_stops_taking_lets_the_thread_end() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    pieces = out_of_thread(endless, go_on)
    assert 1 == next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert closed.wait(HANG_S)
