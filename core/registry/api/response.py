"""An answer, received whole and within limits; or, of a blob, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import urllib3

from core.registry.api.limits import BoundedResponse

MOST_REFUSAL_BYTES = 64 << 10
MOST_BYTES = 1 << 20
MOST_MANIFEST_BYTES = 4 << 20
MOST_LIST_BYTES = 8 << 20
_PIECE_BYTES = 64 << 10
_BLOB_PIECE_BYTES = 1 << 20
_FRAMES = 4  # what the frames of small pieces may take beside what they hold
Odd = Callable[[str], Exception]


@dataclass(frozen=True)
class Answer:
    """What was answered.

    Args:
        status: The status.
        headers: The headers; names in any case.
        data: The body. Of a refusal its beginning; nothing where it is packed.
    """

    status: int
    headers: urllib3.HTTPHeaderDict
    data: bytes = b""


def received(response: urllib3.BaseHTTPResponse, most_bytes: int, odd: Odd) -> Answer:
    """Read an answer to its end, and give the line back.

    Args:
        response: The answer, of which only the head was read.
        most_bytes: How large the body may be.
        odd: Makes the error for an answer that is none, of what is wrong with it.
    """
    is_refusal = response.status >= 300
    packed = packing_of(response)
    if packed and not is_refusal:
        response.close()
        raise odd(packed)
    limit_bytes = min(most_bytes, MOST_REFUSAL_BYTES) if is_refusal else most_bytes
    _limit(response, limit_bytes)
    try:
        data = _read(response, limit_bytes)
    except BaseException:
        response.close()
        raise
    if len(data) > limit_bytes:
        response.close()
        if not is_refusal:
            raise odd(f"more than the {_in_words(limit_bytes)} that it may be")
    response.release_conn()
    return Answer(response.status, response.headers, b"" if packed else data[:limit_bytes])


def pieces_of(
    response: urllib3.BaseHTTPResponse, most_bytes: int | None, odd: Odd
) -> Iterator[bytes]:
    """Yield the body of an answer as it comes, and give the line back.

    Args:
        response: The answer, of which only the head was read.
        most_bytes: How large the body may be; None if nobody knows.
        odd: Makes the error for an answer that is none, of what is wrong with it.
    """
    read_bytes = 0
    try:
        packed = packing_of(response)
        if packed:
            raise odd(packed)
        while piece := response.read(_BLOB_PIECE_BYTES, decode_content=False):
            read_bytes += len(piece)
            if most_bytes is not None and read_bytes > most_bytes:
                raise odd(f"more than the {most_bytes} bytes that the blob has")
            yield piece
    except BaseException:
        response.close()  # a line in the middle of an answer is of no use to others
        raise
    response.release_conn()


def packing_of(response: urllib3.BaseHTTPResponse) -> str:
    """Return in words how a body is packed, which nobody asked for; empty if it is not."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return ""
    return f"a packed body (Content-Encoding: {encoding[:40]}), which was not asked for"


def _limit(response: urllib3.BaseHTTPResponse, most_bytes: int) -> None:
    below = getattr(response, "_original_response", None)
    if isinstance(below, BoundedResponse):
        below.limit(_FRAMES * most_bytes + (1 << 20))


def _read(response: urllib3.BaseHTTPResponse, most_bytes: int) -> bytes:
    pieces, size = [], 0
    while size <= most_bytes and (piece := response.read1(_PIECE_BYTES, decode_content=False)):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def _in_words(size_bytes: int) -> str:
    mebibytes = size_bytes >> 20
    return f"{mebibytes} MiB" if mebibytes else f"{size_bytes >> 10} KiB"
