"""The bare limit, and what each part of an import takes alone; nothing of Airferry is in it.

`python -m tests.bench.limit limit BUNDLE` reads, hashes, compresses and hashes what comes out, on
all cores and without a network: what no import can do without. `... parts BUNDLE ADDRESS` does the
parts one by one on one thread, then sends the result to the registry there in one plain upload.
Both print JSON.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import resource
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from isal import isal_zlib

from tests.bench.measure import Figure, into
from tests.support.registry import RunningRegistry

CHUNK_BYTES = 1 << 20
LEVEL = 1
IN_FLIGHT = 16
Result = TypeVar("Result")


@dataclass
class Parts:
    """Processor time of each part alone, in seconds, and the bytes that the two levels make."""

    read_s: float = 0.0
    hash_plain_s: float = 0.0
    crc_s: float = 0.0
    deflate_s: float = 0.0
    hash_packed_s: float = 0.0
    send_s: float = 0.0
    registry_s: float = 0.0
    fastest_s: float = 0.0
    plain_bytes: int = 0
    packed_bytes: int = 0
    fastest_bytes: int = 0


def bare_limit(bundle: Path) -> Figure:
    """Measure the limit in a process of its own, without the start of that process."""
    return Figure(**_told("limit", bundle))


def parts_alone(bundle: Path, registry: RunningRegistry) -> Parts:
    """Measure the parts in a process of its own."""
    found: dict[str, Any] = {}

    def work() -> Figure:
        found.update(_told("parts", bundle, registry.address))
        return Figure(0, 0, 0)

    spent = into(registry, work).registry_cpu_s
    return Parts(**{**found, "registry_s": spent})


def _told(*arguments: str | Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.limit", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _deflate(chunk: bytes, level: int = LEVEL) -> bytes:
    packer = isal_zlib.compressobj(level, isal_zlib.DEFLATED, -15)
    packed: bytes = packer.compress(chunk) + packer.flush(isal_zlib.Z_SYNC_FLUSH)
    return packed


def _limit(bundle: Path) -> dict[str, float]:
    begun, cpu_begun = time.monotonic(), time.process_time()
    plain_hash, packed_hash = hashlib.sha256(), hashlib.sha256()
    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(os.cpu_count()) as pool, bundle.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK_BYTES):
            waiting.append(pool.submit(_deflate, chunk))
            plain_hash.update(chunk)
            if len(waiting) > IN_FLIGHT:
                packed_hash.update(waiting.popleft().result())
        for piece in waiting:
            packed_hash.update(piece.result())
    return {
        "wall_s": time.monotonic() - begun,
        "cpu_s": time.process_time() - cpu_begun,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
    }


def _parts(bundle: Path, address: str) -> Parts:
    parts, pieces = Parts(), []
    plain_hash, packed_hash = hashlib.sha256(), hashlib.sha256()

    def timed(part: str, work: Callable[[], Result]) -> Result:
        begun = time.thread_time()
        result = work()
        setattr(parts, part, getattr(parts, part) + time.thread_time() - begun)
        return result

    def each(chunk: bytes) -> None:
        timed("hash_plain_s", lambda: plain_hash.update(chunk))
        timed("crc_s", lambda: isal_zlib.crc32(chunk))
        packed = timed("deflate_s", lambda: _deflate(chunk))
        timed("hash_packed_s", lambda: packed_hash.update(packed))
        parts.fastest_bytes += len(timed("fastest_s", lambda: _deflate(chunk, 0)))
        parts.plain_bytes += len(chunk)
        parts.packed_bytes += len(packed)
        pieces.append(packed)

    with bundle.open("rb", buffering=0) as file:
        while chunk := timed("read_s", lambda: file.read(CHUNK_BYTES)):
            each(chunk)
    digest = f"sha256:{packed_hash.hexdigest()}"
    timed("send_s", lambda: _send(iter(pieces), parts.packed_bytes, digest, address))
    return parts


def _send(pieces: Iterator[bytes], size_bytes: int, digest: str, address: str) -> None:
    """Put a blob into the registry in one request that says its length."""
    connection = http.client.HTTPConnection(address)
    connection.request("POST", "/v2/bench/blobs/uploads/")
    answer = connection.getresponse()
    answer.read()
    location = answer.headers["Location"].partition(address)[2]
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size_bytes)}
    connection.request("PUT", f"{location}&digest={digest}", pieces, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != http.HTTPStatus.CREATED:
        raise SystemExit(f"the registry answered {answer.status} to a plain upload")


if __name__ == "__main__":
    if sys.argv[1] == "limit":
        print(json.dumps(_limit(Path(sys.argv[2]))))
    else:
        print(json.dumps(asdict(_parts(Path(sys.argv[2]), sys.argv[3]))))
