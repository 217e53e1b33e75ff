"""Running blocking work in a thread from asyncio, without ever leaving it behind."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


async def in_thread(work: Callable[[], T], stop: threading.Event | None = None) -> T:
    """Run `work` in a thread of its own and wait for it.

    When the waiting task is cancelled, `stop` is set and the thread is waited for: a cancelled step
    must not go on changing things behind the runner's back.

    Args:
        work: What to do; it looks at `stop` if it can take long.
        stop: Set to ask it to end.
    """
    import asyncio  # 20 ms, and reading bundles needs the rest of this module only

    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def main() -> None:
        try:
            outcome = work()
        except BaseException as error:  # noqa: BLE001 - handed to the waiting task as it is
            loop.call_soon_threadsafe(_settle, done, None, error)
        else:
            loop.call_soon_threadsafe(_settle, done, outcome, None)

    threading.Thread(target=main, name="airferry-work", daemon=True).start()
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        if stop is not None:
            stop.set()
        await asyncio.wait([done])
        if done.done() and not done.cancelled():
            done.exception()
        raise


def put_unless(
    pieces: queue.Queue[T], piece: T, is_over: Callable[[], bool], poll_s: float = 0.2
) -> bool:
    """Put a piece into a bounded queue, waiting for room; False if nobody takes pieces any more.

    Args:
        pieces: The queue.
        piece: What to put.
        is_over: Asked again and again whether that is so; may raise.
        poll_s: How often, in seconds.
    """
    while not is_over():
        try:
            pieces.put(piece, timeout=poll_s)
        except queue.Full:
            continue
        return True
    return False


def out_of_thread(
    produce: Callable[[], Iterable[T]], go_on: Callable[[], None], poll_s: float = 0.2
) -> Iterator[T]:
    """Yield what another thread produces, which is left behind where it does not come to an end.

    Args:
        produce: Called in that thread; only reads, because nobody may wait for it.
        go_on: Called again and again, also while nothing comes; raises to end it.
        poll_s: How often, in seconds.
    """
    pieces: queue.Queue[tuple[list[T], BaseException | None]] = queue.Queue(4)
    over = threading.Event()

    def main() -> None:
        try:
            for piece in produce():
                if not put_unless(pieces, ([piece], None), over.is_set):
                    return
            put_unless(pieces, ([], None), over.is_set)
        except BaseException as error:  # noqa: BLE001 - handed to the other thread as it is
            put_unless(pieces, ([], error), over.is_set)

    threading.Thread(target=main, name="airferry-read", daemon=True).start()
    try:
        while True:
            go_on()
            try:
                produced, error = pieces.get(timeout=poll_s)
            except queue.Empty:
                continue
            if error is not None:
                raise error
            if not produced:
                return
            yield produced[0]
    finally:
        over.set()


class LateAnswers(Generic[T]):
    """Questions that may never be answered (a pulled stick): asked in threads that can be given up.

    What did not answer in time is not asked again before it has; its late answer is the next one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[Hashable, Future[T]] = {}

    def wait(self, key: Hashable, work: Callable[[], T], within_s: float) -> T:
        """Return what `work` returns.

        Args:
            key: Who is asked.
            work: The question; only looks, because nobody may wait for its end.
            within_s: How long to wait, in seconds.

        Raises:
            TimeoutError: it takes longer.
        """
        with self._lock:
            answer = self._asked.get(key)
            if answer is None:
                answer = self._asked[key] = Future()
                threading.Thread(
                    target=_answer, args=(answer, work), name="airferry-ask", daemon=True
                ).start()
        try:
            return answer.result(within_s)
        finally:
            with self._lock:
                if answer.done() and self._asked.get(key) is answer:
                    del self._asked[key]


def _answer(answer: Future[T], work: Callable[[], T]) -> None:
    try:
        answer.set_result(work())
    except BaseException as error:  # noqa: BLE001 - handed to who asked as it is
        answer.set_exception(error)


def _settle(done: asyncio.Future[T], outcome: T | None, error: BaseException | None) -> None:
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(outcome)  # type: ignore[arg-type]
