"""The engine, reading its bundle no faster than a stick: `python -m tests.bench.throttled`.

Arguments: BUNDLE RATE RECORD, the rate in bytes a second; the request comes on standard input as
for `core.engine`. No machine has a slow device without set-up, so this takes the place of `open`
(`io.open`, thus `Path.open`, too) for the one bundle: what reads it gets a raw file whose `read`
and `readinto` wait at a token bucket. So it does not matter what in Airferry reads, as long as that
is how it opens; a reader that goes around it is found out, because RECORD also says how many bytes
went by. The bucket holds one read ahead only: like a stick, whose time is gone when nobody reads.
RECORD is JSON: when the last byte was read, on the monotonic clock, and the number of bytes.
"""

from __future__ import annotations

import builtins
import io
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast
from unittest.mock import patch

from core.engine.process import main
from tests.bench.measure import Reading

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

AHEAD_BYTES = 1 << 20


class Bucket:
    """Lets bytes by at a rate, whichever threads read.

    Args:
        rate: Bytes a second.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._due_s = 0.0
        self.reading = Reading(0.0, 0)

    def take(self, count: int) -> None:
        """Wait until the device would have delivered these bytes."""
        if not count:
            return
        with self._lock:
            earliest = time.monotonic() - AHEAD_BYTES / self._rate
            self._due_s = max(self._due_s, earliest) + count / self._rate
            time.sleep(max(0.0, self._due_s - time.monotonic()))
            self.reading = Reading(time.monotonic(), self.reading.read_bytes + count)


class SlowFile(io.FileIO):
    """A raw file behind a bucket."""

    def __init__(self, path: Path, bucket: Bucket) -> None:
        super().__init__(path, "rb")
        self._bucket = bucket

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size)
        self._bucket.take(len(data))
        return data

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = super().readinto(buffer) or 0
        self._bucket.take(count)
        return count


def opener(bundle: Path, bucket: Bucket) -> Callable[..., object]:
    """Return what takes the place of `open`."""
    real_open = cast("Callable[..., object]", io.open)

    def slow_open(
        file: str | bytes | os.PathLike[str] | int,
        mode: str = "r",
        buffering: int = -1,
        *rest: object,
        **named: object,
    ) -> object:
        if mode != "rb" or isinstance(file, int | bytes) or Path(file) != bundle:
            return real_open(file, mode, buffering, *rest, **named)
        raw = SlowFile(bundle, bucket)
        return raw if buffering == 0 else io.BufferedReader(raw)

    return slow_open


def serve(bundle: Path, rate: float, record: Path) -> int:
    """Run the engine on a slow bundle; return its exit code."""
    bucket = Bucket(rate)
    slow_open = opener(bundle, bucket)
    with patch.object(io, "open", slow_open), patch.object(builtins, "open", slow_open):
        code = main()
    record.write_text(json.dumps(asdict(bucket.reading)), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])))
