"""Running blocking work in a thread from asyncio, without ever leaving it behind."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T], stop: threading.Event | None = None) -> T:
    """Run `work` in a thread of its own and wait for it.

    When the waiting task is cancelled, `stop` is set and the thread is waited for: a cancelled step
    must not go on changing things behind the runner's back.

    Args:
        work: What to do; it looks at `stop` if it can take long.
        stop: Set to ask it to end.
    """
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


def _settle(done: asyncio.Future[T], outcome: T | None, error: BaseException | None) -> None:
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(outcome)  # type: ignore[arg-type]
