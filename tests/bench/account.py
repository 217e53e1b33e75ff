"""Where the processor time of an import goes, in words, with the figures of the same run."""

from __future__ import annotations

import os
from textwrap import fill

from tests.bench.limit import Parts
from tests.bench.measure import Figure
from tests.bench.table import AGAIN, COLD, Sheet

WIDTH = 100
CORES = os.cpu_count() or 1


def account(sheet: Sheet) -> str:
    """Return the account, or nothing where a row that it needs is missing."""
    cold, again, parts = sheet.best(COLD), sheet.best(AGAIN), sheet.parts
    if cold is None or again is None or parts is None:
        return ""
    paragraphs = [_ours(cold, again, parts), _registrys(cold, again, parts), _below(cold, parts)]
    return "\n\n".join(
        [
            "## Where the time goes",
            *(fill(text, WIDTH, break_on_hyphens=False) for text in paragraphs),
        ]
    )


def _ours(cold: Figure, again: Figure, parts: Parts) -> str:
    known = {
        "SHA-256 of what is in the bundle": parts.hash_plain_s,
        "deflate (isal, level 1)": parts.deflate_s,
        "SHA-256 of what comes out": parts.hash_packed_s,
        "CRC-32": parts.crc_s,
        "reading the file": parts.read_s,
        "sending in one plain request": parts.send_s,
        "starting and asking, which is all of `again`": again.cpu_s,
    }
    listed = ", ".join(f"{what} {seconds:.2f}" for what, seconds in known.items())
    rest = cold.cpu_s - sum(known.values())
    return (
        f"Ours: {cold.cpu_s:.2f} CPU s for {parts.plain_bytes / 1e9:.2f} GB, which become "
        f"{parts.packed_bytes / 1e9:.2f} GB. Each part alone, on one thread, in the same run: "
        f"{listed}. The rest, {rest:.2f}, is taking the archive apart, handing chunks from thread "
        "to thread, sending in pieces as they come, and cores that share caches and memory."
    )


def _registrys(cold: Figure, again: Figure, parts: Parts) -> str:
    registry_s = cold.registry_cpu_s or 0.0
    busy_s = cold.cpu_s + registry_s
    idle_s = CORES * cold.wall_s - busy_s
    alone_s = CORES * again.wall_s - again.cpu_s - (again.registry_cpu_s or 0.0)
    return (
        f"The registry's: {registry_s:.2f} CPU s, in which it hashes every byte once more and "
        f"writes it; the same bytes as one blob in one plain request cost it "
        f"{parts.registry_s:.2f}. Both together: {busy_s:.2f} CPU s, on {CORES} cores at least "
        f"{busy_s / CORES:.2f} s; cold took {cold.wall_s:.2f} s, so the cores were busy for "
        f"{busy_s / CORES / cold.wall_s:.0%} of it. Of the {idle_s:.2f} idle seconds of a core, "
        f"`again` has {alone_s:.2f}, too (start, one question after the other); the others are "
        "the naming at the end, which is small requests, and threads that wait for each other."
    )


def _below(cold: Figure, parts: Parts) -> str:
    network_s = (cold.registry_cpu_s or 0.0) + parts.send_s
    larger = parts.fastest_bytes / parts.packed_bytes - 1
    return (
        "To go below: neither hash can be left out (one is the diff ID, the other the digest). "
        f"Isal's level 0 takes {parts.fastest_s:.2f} CPU s where level 1 takes "
        f"{parts.deflate_s:.2f}, and its blobs are {larger:.0%} larger on every host's line. "
        "Writing blobs into the registry's directory, without sending them, would save up to "
        f"{network_s:.2f} CPU s ({network_s / CORES:.2f} s on {CORES} cores), but then nobody "
        "checks what was stored, and it works with a registry on this machine only. What is left "
        "are the idle seconds."
    )
