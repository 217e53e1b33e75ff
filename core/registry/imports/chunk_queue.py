"""The bounded belt between the thread that reads a layer and the one that uploads it.

Its length is the bound on memory: a reader that is ahead waits. Either side may break down at any
time; the other is told at its next step instead of waiting for ever.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import Future

from core.errors import Cancelled
from core.threads import put_unless

LENGTH = 8
_POLL_S = 0.2
Piece = bytes | Future[bytes] | None


class ChunkQueue:
    """Pieces of one layer in order; a piece may still be in the making.

    Args:
        stop: Set when the run is cancelled.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._queue: queue.Queue[Piece] = queue.Queue(LENGTH)
        self._stop = stop
        self._broken = threading.Event()
        self.is_whole = False
        """Whether the end was put on it: what is still there is all that is missing."""

    def put(self, piece: Piece) -> bool:
        """Put a piece on the belt, None for the end; False when nobody takes pieces any more.

        Raises:
            Cancelled: the run is cancelled.
        """
        taken = put_unless(self._queue, piece, self._is_over)
        self.is_whole = self.is_whole or (taken and piece is None)
        return taken

    def _is_over(self) -> bool:
        if self._broken.is_set():
            return True
        if self._stop.is_set():
            raise Cancelled("the import was ended")
        return False

    def break_down(self) -> None:
        """Tell the other side that this one has ended before its time."""
        self._broken.set()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the finished pieces.

        Raises:
            Cancelled: the run is cancelled, or the reader broke down.
        """
        while True:
            if self._stop.is_set() or self._broken.is_set():
                raise Cancelled("the upload was ended")
            try:
                piece = self._queue.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if piece is None:
                return
            yield piece if isinstance(piece, bytes) else piece.result()
