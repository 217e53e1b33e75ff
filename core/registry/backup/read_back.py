"""Reading a backup back from the medium: only what comes back as it was written counts.

It follows the writing, as far as that has reached the medium, so that both end at nearly the same
time. Each byte is hashed twice, side by side: for the blob that it is of, and for the file.
"""

from __future__ import annotations

import hashlib
import itertools
import tarfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

from core.bundle.draft import ArchiveDraft
from core.bundle.tarstream import BLOCK

_READ_BYTES = 1 << 20
_BUFFERS = 3
_POLL_S = 0.2


@dataclass(frozen=True)
class WrittenMember:
    """A member of a tar as it was written.

    Args:
        name: Its name.
        size_bytes: Its size.
        sha256: Of its content, in hex.
    """

    name: str
    size_bytes: int
    sha256: str

    @cached_property
    def header(self) -> bytes:
        """Its header in the tar."""
        header = tarfile.TarInfo(self.name)
        header.size = self.size_bytes
        return header.tobuf(tarfile.GNU_FORMAT)

    @property
    def padding_bytes(self) -> int:
        """How many zeros come after it."""
        return -self.size_bytes % BLOCK


class ReadsBackOtherwise(Exception):
    """What is on the medium is something else than what it should be.

    Args:
        member: The name of the member; empty for what is between and behind them.
    """

    def __init__(self, member: str) -> None:
        super().__init__(member)
        self.member = member


class ReadBack:
    """Reads an archive in the making, in a thread of its own, and compares.

    Args:
        draft: What is being written.
        members: Its members; each is added before the first byte of it is written.
        go_on: Called again and again in that thread; raises to end it.
    """

    def __init__(
        self, draft: ArchiveDraft, members: Sequence[WrittenMember], go_on: Callable[[], None]
    ) -> None:
        self._draft = draft
        self._members = members
        self._go_on = go_on
        self._closed = threading.Event()
        self._sums: Future[list[str]] = Future()
        self._piece = memoryview(b"")
        self.read_bytes = 0
        self._thread = threading.Thread(target=self._run, name="read-back", daemon=True)
        self._thread.start()

    @property
    def has_failed(self) -> bool:
        """Whether it has ended with an error, which `sums` raises."""
        return self._sums.done() and self._sums.exception() is not None

    def sums(self, waiting: Callable[[], None]) -> list[str]:
        """Return the SHA-256 of each file in hex, when all was read.

        Args:
            waiting: Called again and again meanwhile; raises to give it up.

        Raises:
            ReadsBackOtherwise: it is not what was written.
            OSError: it cannot be read.
        """
        while True:
            try:
                return self._sums.result(_POLL_S)
            except TimeoutError:
                if self._sums.done():
                    raise  # the medium's own
                waiting()

    def close(self) -> None:
        """End the thread, also when not all was read."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            with ThreadPoolExecutor(1, "sum") as summing:
                hashes = [hashlib.sha256()]
                self._compare(self._pieces(summing, hashes))
            self._sums.set_result([found.hexdigest() for found in hashes])
        except BaseException as error:  # noqa: BLE001 - handed to who asks for the sums as it is
            self._sums.set_exception(error)

    def _pieces(
        self, summing: ThreadPoolExecutor, hashes: list[hashlib._Hash]
    ) -> Iterator[memoryview]:
        """Yield what is on the medium; a piece is to be done with when the next one is asked for.

        It is summed up for its file beside what the taker does with it.
        """
        buffers = [memoryview(bytearray(_READ_BYTES)) for _ in range(_BUFFERS)]
        busy: list[Future[None]] = []
        for number in itertools.count():
            there = self._draft.readable(self.read_bytes, self._still)
            if not there:
                break
            if len(busy) == _BUFFERS:
                busy.pop(0).result()
            buffer = buffers[number % _BUFFERS][: min(there, _READ_BYTES)]
            file, size = self._draft.read_into(buffer, self.read_bytes)
            if not size:
                raise ReadsBackOtherwise("")
            while len(hashes) <= file:
                hashes.append(hashlib.sha256())
            busy.append(summing.submit(hashes[file].update, buffer[:size]))
            self.read_bytes += size
            yield buffer[:size]
        for job in busy:
            job.result()

    def _compare(self, pieces: Iterator[memoryview]) -> None:
        for number in itertools.count():
            header = self._take(pieces, BLOCK)
            if number == len(self._members):
                break
            member = self._members[number]
            found = hashlib.sha256()
            for piece in self._taken(pieces, member.size_bytes):
                found.update(piece)
            zeros = self._take(pieces, member.padding_bytes)
            if (header, found.hexdigest(), any(zeros)) != (member.header, member.sha256, False):
                raise ReadsBackOtherwise(member.name)
        if any(header) or any(self._take(pieces, BLOCK)) or self._piece or any(pieces):
            raise ReadsBackOtherwise("")

    def _take(self, pieces: Iterator[memoryview], size: int) -> bytes:
        return b"".join(self._taken(pieces, size))

    def _taken(self, pieces: Iterator[memoryview], size: int) -> Iterator[memoryview]:
        """Yield so many bytes, in pieces as they come.

        Raises:
            ReadsBackOtherwise: there are not so many.
        """
        while size:
            if not self._piece:
                piece = next(pieces, None)
                if piece is None:
                    raise ReadsBackOtherwise("")
                self._piece = piece
            taken, self._piece = self._piece[:size], self._piece[size:]
            size -= len(taken)
            yield taken

    def _still(self) -> None:
        if self._closed.is_set():
            raise ReadsBackOtherwise("")
        self._go_on()
