"""The belt between reader and uploader: either side may break down, neither waits for ever."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from core.errors import BundleCorrupt, Cancelled
from core.registry.imports.chunk_queue import LENGTH, ChunkQueue
from tests.support.waiting import HANG_S


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def belt(stop: threading.Event) -> ChunkQueue:
    return ChunkQueue(stop)


def finished(piece: bytes) -> Future[bytes]:
    made: Future[bytes] = Future()
    made.set_result(piece)
    return made


def test_pieces_come_in_order_when_they_are_finished(belt: ChunkQueue) -> None:
    late: Future[bytes] = Future()
    assert [True] * 4 == [belt.put(piece) for piece in (b"1", late, finished(b"3"), None)]
    pieces = iter(belt)
    assert b"1" == next(pieces)
    late.set_result(b"2")
    assert [b"2", b"3"] == list(pieces)


def test_a_reader_that_is_ahead_waits(belt: ChunkQueue) -> None:
    put: list[int] = []

    def read() -> None:
        for number in range(LENGTH * 3):
            belt.put(bytes([number]))
            put.append(number)
        belt.put(None)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(read)
        taken = 0
        for piece in belt:
            assert bytes([taken]) == piece
            taken += 1
            assert len(put) <= taken + LENGTH + 1
    assert LENGTH * 3 == taken


def test_a_reader_is_told_that_the_uploader_broke_down(belt: ChunkQueue) -> None:
    for _ in range(LENGTH):
        belt.put(b"x")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(belt.put, b"y")
        belt.break_down()
        assert not waiting.result(HANG_S)


def test_an_uploader_is_told_that_the_reader_broke_down(belt: ChunkQueue) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(list, belt)
        belt.break_down()
        with pytest.raises(Cancelled):
            waiting.result(HANG_S)


def test_a_cancel_reaches_both_sides(belt: ChunkQueue, stop: threading.Event) -> None:
    for _ in range(LENGTH):
        belt.put(b"x")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(belt.put, b"y")
        stop.set()
        with pytest.raises(Cancelled):
            waiting.result(HANG_S)
    with pytest.raises(Cancelled):
        list(belt)


def test_a_piece_that_could_not_be_made_ends_the_upload(belt: ChunkQueue) -> None:
    failed: Future[bytes] = Future()
    failed.set_exception(BundleCorrupt("no"))
    belt.put(b"1")
    belt.put(failed)
    pieces = iter(belt)
    assert b"1" == next(pieces)
    with pytest.raises(BundleCorrupt):
        next(pieces)
