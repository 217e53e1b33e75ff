"""Looking into bundles before anything is done: read whole, and what of them cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from core.bundle.checksums import sums_key
from core.bundle.listing import verify_bundle
from core.bundle.model import Bundle, BundleFile, Fault
from core.bundle.naming import Clash
from core.bundle.problems import Problems
from core.errors import NameCollision
from core.telling import LEFT_OUT, Detail
from core.words import size


def examine(file: BundleFile, go_on: Callable[[], None], say: Callable[[str], None]) -> Bundle:
    """Read every byte of a bundle, and return what it holds with all that is wrong with it.

    Args:
        file: The bundle.
        go_on: Called before every read; raises to end the reading.
        say: Told how far the reading is.

    Raises:
        BundleError: nothing of it can be known.
    """
    problems, key = Problems(keep_going=True), sums_key(file)

    def told(done: int) -> None:
        say(f"reading {file.name}: {size(done)} of {size(file.size_bytes)}")

    found = verify_bundle(file, go_on, told, problems)
    faults = tuple(map(Fault.of, problems.found))
    return replace(found, faults=faults, examined="" if faults else key)


def was_whole(file: BundleFile, known: Bundle | None) -> bool:
    """Whether a bundle was examined and found whole, with the checksums that lie beside it now.

    Raises:
        BundleError: these cannot be read.
    """
    if known is None or known.faults or not known.examined:
        return False
    return known.examined == sums_key(file)


def left_out_of(file: BundleFile, known: Bundle | None, clashes: Iterable[Clash]) -> list[Detail]:
    """Return what of a bundle cannot be used, one by one, with the reason.

    Args:
        file: The bundle.
        known: What is known of it.
        clashes: The names that it is refused.
    """
    words = [f"{fault.what} [{fault.code}]" for fault in (known.faults if known else ())]
    words += [f"{clash.what} [{NameCollision.code}]" for clash in clashes]
    return [Detail(LEFT_OUT, file.name, note=each.removeprefix(f"{file.name}: ")) for each in words]
