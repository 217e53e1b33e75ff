"""Answers that are read within limits, whatever the other side sends.

The standard library waits for each byte anew, takes any number of interim answers, and a chunk of a
negative size for all that will ever come. Here the head of an answer has a size, and all of it a
time: so long and then as long as a very slow line needs for what did come.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SPARE_S = 60.0
SLOWEST_BYTES_S = 4 << 10
MOST_HEAD_BYTES = 512 << 10
_MOST_INTERIM = 20
_MOST_TRAILERS = 100
_MOST_LINE_BYTES = 64 << 10
_CONTINUED = range(100, 200)
_SWITCHED = 101


class TooSlow(OSError):
    """An answer goes on coming, but so slowly that it is no use to wait for its end."""


class NoHttp(http.client.HTTPException):
    """What came is not HTTP, or more of it than anybody means."""


class BoundedResponse(http.client.HTTPResponse):
    """An answer that is given up when it takes too long or does not come to its point."""

    def __init__(
        self,
        sock: socket.socket,
        debuglevel: int = 0,
        method: str | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self._bytes = _Bounded(self.fp.detach())
        self.fp = io.BufferedReader(self._bytes)

    def begin(self) -> None:
        """Read status and headers."""
        super().begin()
        self._bytes.most_bytes = 0

    def limit(self, most_bytes: int) -> None:
        """Let no more than so many bytes come from now on, whatever they are."""
        self._bytes.most_bytes = self._bytes.read_bytes + most_bytes

    def _read_status(self) -> tuple[str, int, str]:
        """Read the status line, past the interim answers before it."""
        for _ in range(_MOST_INTERIM):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status not in _CONTINUED or status == _SWITCHED:
                return version, status, reason
            http.client.parse_headers(self.fp)
        raise NoHttp("one interim answer after another")

    def _read_next_chunk_size(self) -> int:
        line = self.fp.readline(_MOST_LINE_BYTES)
        digits = line.partition(b";")[0].strip()
        if not digits or digits.strip(b"0123456789abcdefABCDEF") or len(digits) > 16:
            raise NoHttp("a piece without a size") if line else http.client.IncompleteRead(b"")
        return int(digits, 16)

    def _read_and_discard_trailer(self) -> None:
        for _ in range(_MOST_TRAILERS):
            if self.fp.readline(_MOST_LINE_BYTES) in (b"\r\n", b"\n", b""):
                return
        raise NoHttp("headers behind its end, without end")


class _Bounded(io.RawIOBase):
    """The bytes of one answer, counted, and the time that was waited for them."""

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__()
        self._raw = raw
        self._waited_s = 0.0
        self.read_bytes = 0
        self.most_bytes = MOST_HEAD_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        begun_s = time.monotonic()
        count = self._raw.readinto(buffer)
        self._waited_s += time.monotonic() - begun_s
        self.read_bytes += count or 0
        if self._waited_s > SPARE_S + self.read_bytes / SLOWEST_BYTES_S:
            raise TooSlow(f"{self.read_bytes} bytes in {self._waited_s:.0f} s")
        if self.most_bytes and self.read_bytes > self.most_bytes:
            raise NoHttp(f"more than {self.most_bytes >> 10} KiB where less is enough")
        return count

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()
        super().close()
