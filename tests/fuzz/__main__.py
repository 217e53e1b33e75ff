"""`make fuzz`: damaged bundles and odd registries are read as they are, or refused in words.

Every case comes from a number; a failure prints it, keeps the file, and is made again with
`python -m tests.fuzz --case NUMBER`. What counts as a failure: an error that is none of ours, a
reader that takes too long or too much memory, and an image said to be whole of which another reader
does not find every part.

Half of the time goes to registries that answer at random (`--only answers`).
"""

from __future__ import annotations

import argparse
import hashlib
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from core.bundle.discovery import bundle_file
from core.bundle.listing import list_bundle, verify_bundle
from core.bundle.model import Bundle
from core.errors import BundleError
from tests.fuzz import answers
from tests.fuzz.damage import ALL, BLOCK
from tests.fuzz.seeds import COMPRESSIONS, LAYOUTS, unpacked

CASE_LIMIT_S = 20
"""Processor time, so that other work on the machine does not count."""
HANG_LIMIT_S = 600
MEMORY_LIMIT_BYTES = 400 << 20
UNPACKED_LIMIT_BYTES = 64 << 20


def main() -> int:
    """Run for the given time; exit status 1 if something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--start", type=int, default=0, help="number of the first case")
    parser.add_argument("--case", type=int, help="run this case only")
    parser.add_argument("--only", choices=KINDS, help="bundles or answers only")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, _too_long)
    kinds = [options.only] if options.only else list(KINDS)
    if options.case is not None:
        return max(not KINDS[kind](options.case) for kind in kinds)
    each_s = options.seconds / len(kinds)
    return max(_run_for(kind, each_s, options.start) for kind in kinds)


def _run_for(kind: str, seconds: float, start: int) -> int:
    end, number, failed = time.monotonic() + seconds, start, 0
    counts = {"read": 0, "refused": 0}
    while time.monotonic() < end:
        outcome = KINDS[kind](number)
        if outcome:
            counts[outcome] += 1
        failed += not outcome
        number += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    print(
        f"{kind} {start} to {number - 1}: {counts['read']} read, {counts['refused']} refused in "
        f"words, {failed} failed; peak {peak / 1e6:.0f} MB"
    )
    if peak > MEMORY_LIMIT_BYTES:
        print(f"more than {MEMORY_LIMIT_BYTES / 1e6:.0f} MB of memory were used")
    return 1 if failed or peak > MEMORY_LIMIT_BYTES else 0


def bundle_of_case(number: int) -> bytes:
    """Return the damaged bundle of a case."""
    source = random.Random(number)  # noqa: S311 - reproducible, no secret
    data = LAYOUTS[source.choice(list(LAYOUTS))]
    compress = COMPRESSIONS[source.choice(list(COMPRESSIONS))]
    for _ in range(source.choice((0, 1, 1, 2, 4))):
        data = source.choice(ALL)(source, data)
    data = compress(data)
    if source.random() < 0.25:
        data = source.choice(ALL)(source, data)
    return data


def run_case(number: int) -> str:
    """Return `read` or `refused`, or nothing where the case failed (and say how)."""
    data = bundle_of_case(number)
    with tempfile.TemporaryDirectory(prefix="airferry-fuzz-") as directory:
        path = Path(directory) / "case.tar"
        path.write_bytes(data)
        signal.setitimer(signal.ITIMER_PROF, CASE_LIMIT_S)
        signal.alarm(HANG_LIMIT_S)
        try:
            outcome = _read(path, data)
        except Exception:  # noqa: BLE001 - any error that is none of ours is what is looked for
            kept = Path(tempfile.gettempdir()) / f"airferry-fuzz-{number}.tar"
            kept.write_bytes(data)
            print(f"case {number} failed; its bundle is {kept}")
            traceback.print_exc()
            outcome = ""
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
    return outcome


def run_answers(number: int) -> str:
    """Do the same with a registry that answers at random."""
    signal.setitimer(signal.ITIMER_PROF, CASE_LIMIT_S)
    signal.alarm(HANG_LIMIT_S)
    try:
        return answers.run_case(number)
    except Exception:  # noqa: BLE001 - any error that is none of ours is what is looked for
        print(
            f"case {number} of answers failed: python -m tests.fuzz --only answers --case {number}"
        )
        traceback.print_exc()
        return ""
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)


def _read(path: Path, data: bytes) -> str:
    file = bundle_file(path)
    listed = _or_none(lambda: list_bundle(file))
    verified = _or_none(lambda: verify_bundle(file))
    if verified is None:
        return "refused"
    if listed is None:
        raise AssertionError("verified, but not listed")
    if [image.image_id for image in listed.images] != [i.image_id for i in verified.images]:
        raise AssertionError("listed and verified images differ")
    _require_all_there(verified, data)
    return "read"


def _or_none(read: Callable[[], Bundle]) -> Bundle | None:
    try:
        return read()
    except BundleError as error:
        if not error.what or not error.remedy:
            raise AssertionError("an error without words") from error
        return None


def _require_all_there(bundle: Bundle, data: bytes) -> None:
    """Look for every config and layer with a reader of its own, which takes any block for a header.

    (The standard library's is stricter in some fields that do not matter, and stops without a
    word in others.)
    """
    inside = unpacked(data, UNPACKED_LIMIT_BYTES)
    contents: set[str] = set()
    for at in range(0, len(inside), BLOCK):
        size = _octal(inside[at + 124 : at + 136])
        content = inside[at + BLOCK : at + BLOCK + size]
        contents |= {_digest(content), _digest(unpacked(content, UNPACKED_LIMIT_BYTES))}
    for image in bundle.images:
        wanted = {image.image_id, *image.diff_ids}
        if not wanted <= contents:
            raise AssertionError(f"not in the file: {sorted(wanted - contents)}")


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0")
    return int(digits, 8) if digits and not digits.strip(b"01234567") else 0


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _too_long(number: int, _frame: object) -> None:
    if number == signal.SIGPROF:
        raise AssertionError(f"took more than {CASE_LIMIT_S} s of the processor")
    raise AssertionError(f"hung for {HANG_LIMIT_S} s")


KINDS: dict[str, Callable[[int], str]] = {"bundles": run_case, "answers": run_answers}

if __name__ == "__main__":
    sys.exit(main())
