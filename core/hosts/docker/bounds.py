"""How much a host's Docker may say: an answer without an end is nothing that a Docker gives."""

from __future__ import annotations

import requests
import requests.exceptions

MOST_BYTES = 64 << 20
"""Of one answer, and of one line in a stream of them; thousands of images are told in less."""
_READ_BYTES = 64 << 10
TOO_LONG = f"more than {MOST_BYTES >> 20} MiB in one answer"


class AnswerTooLongError(requests.exceptions.RequestException):
    """An answer has no end in sight."""


class LineMeter:
    """Counts what comes since the last end of a line."""

    def __init__(self) -> None:
        self._bytes = 0

    def take(self, data: bytes) -> bool:
        """Count some bytes; return whether it is still a line that Docker might write."""
        end = data.rfind(b"\n")
        self._bytes = len(data) - end - 1 if end >= 0 else self._bytes + len(data)
        return self._bytes <= MOST_BYTES


def read_whole(response: requests.Response) -> None:
    """Read an answer to its end, and keep it there as requests itself does.

    Raises:
        AnswerTooLongError: it has no end in sight.
    """
    found = bytearray()
    for data in response.iter_content(_READ_BYTES):
        found += data
        if len(found) > MOST_BYTES:
            response.close()
            raise AnswerTooLongError(TOO_LONG)
    response._content = bytes(found)
