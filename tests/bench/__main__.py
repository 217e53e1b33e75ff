"""`make bench`: the import beside skopeo and the bare limit, on tmpfs where there is one.

Ratios count, not seconds: machines differ, and all rows come from one run.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from core.engine.request import RunKind, RunRequest
from core.registry import pack
from tests.bench.bundle import real_bundle
from tests.support.registry import fresh_registry

RESULTS = Path(__file__).with_name("RESULTS.md")
ROUNDS = 3


@dataclass(frozen=True)
class Figure:
    """One measurement. Wall and processor time in seconds, memory in bytes (0: not measured)."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


def main() -> None:
    """Measure, print the table, and write it to RESULTS.md."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as name:
        base = Path(name)
        bundle = base / "bundle.tar"
        tags = real_bundle(bundle)
        rows: dict[str, list[Figure]] = {}
        for _ in range(ROUNDS):
            for label, figure in _one_round(base, bundle, tags):
                rows.setdefault(label, []).append(figure)
        text = _table(rows, bundle.stat().st_size, len(tags))
    print(text)
    RESULTS.write_text(text, encoding="utf-8")


def _one_round(base: Path, bundle: Path, tags: list[str]) -> list[tuple[str, Figure]]:
    with fresh_registry(base) as address, tempfile.TemporaryDirectory(dir=base) as state:
        config = Path(state) / "airctl-config.yaml"
        config.write_text(
            f"privateRegistryType: custom\nprivateRegistryBase: {address}\n"
            f"privateRegistryInsecure: true\nhosts: []\nstateDir: {state}\n",
            encoding="utf-8",
        )
        request = RunRequest(RunKind.IMPORT, config, bundles=(bundle,)).to_json()
        engine = [sys.executable, "-m", "core.engine"]
        cold = _measured(engine, request)
        again = _measured(engine, request)
    with fresh_registry(base) as address:
        skopeo = _sum(_measured(_skopeo(bundle, tag, address)) for tag in tags)
    limit = _limit(bundle)
    return [("airferry, cold", cold), ("airferry, again", again), ("skopeo", skopeo), limit]


def _skopeo(bundle: Path, tag: str, address: str) -> list[str]:
    target = f"docker://{address}/{tag.partition('/')[2]}"
    source = f"docker-archive:{bundle}:{tag}"
    return ["skopeo", "copy", "-q", "--dest-tls-verify=false", source, target]


def _measured(command: list[str], stdin: str = "") -> Figure:
    begun = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    if process.stdin is not None:
        process.stdin.write(stdin + "\n")
        process.stdin.close()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[0]} failed with status {status}")
    wall_s = time.monotonic() - begun
    return Figure(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10)


def _sum(figures: Iterable[Figure]) -> Figure:
    found = list(figures)
    return Figure(
        sum(figure.wall_s for figure in found),
        sum(figure.cpu_s for figure in found),
        max(figure.peak_bytes for figure in found),
    )


def _limit(bundle: Path) -> tuple[str, Figure]:
    """Read, hash, compress and hash again on all cores: what no import can do without."""
    begun, cpu_begun = time.monotonic(), time.process_time()
    packed_hash, plain_hash = hashlib.sha256(), hashlib.sha256()
    with ThreadPoolExecutor(os.cpu_count()) as pool, bundle.open("rb") as file:
        waiting = []
        while chunk := file.read(pack.CHUNK_BYTES):
            waiting.append(pool.submit(pack.deflate, chunk))
            plain_hash.update(chunk)
            if len(waiting) > 16:
                packed_hash.update(waiting.pop(0).result())
        for piece in waiting:
            packed_hash.update(piece.result())
    return "the bare limit", Figure(time.monotonic() - begun, time.process_time() - cpu_begun, 0)


def _table(rows: dict[str, list[Figure]], bundle_bytes: int, images: int) -> str:
    best = {label: min(figures, key=lambda f: f.wall_s) for label, figures in rows.items()}
    cold = best["airferry, cold"].wall_s
    lines = [
        "# Import, side by side",
        "",
        f"`make bench`: one bundle of {images} images, {bundle_bytes / 1e9:.2f} GB, real files, on",
        f"{os.cpu_count()} cores; best of {ROUNDS} rounds, each into a fresh registry on tmpfs.",
        "",
        "| what | wall s | ratio to airferry cold | CPU s of its own | peak MB |",
        "| --- | --- | --- | --- | --- |",
    ]
    for label, figure in best.items():
        peak = f"{figure.peak_bytes / 1e6:.0f}" if figure.peak_bytes else "-"
        lines.append(
            f"| {label} | {figure.wall_s:.2f} | {figure.wall_s / cold:.2f} "
            f"| {figure.cpu_s:.2f} | {peak} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
