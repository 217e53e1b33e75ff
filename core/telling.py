"""What steps write into the journal in set words, because it is read back: for Review, for example.

Steps write them and whoever looks at a run reads them; neither knows the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

RUN_PAUSED = "the run was paused"
RUN_RESUMED = "the run was resumed"
CONTAINERS_STOP = "running containers stop meanwhile"
CONTAINERS_GO_ON = "Docker reloads its settings, running containers go on"
PARTICULAR = "particular"
"""The level of those entries of the log that hold particulars."""
MOST_PARTICULARS = 500
LEFT_OUT = "left out"
NOTED = "note"
"""What particulars are of bundles: what could not be used, and what is not for this site."""
RESTARTS = "is to be restarted"
FOLLOW = "follow the registry"
FOR_THIS_RUN = "for this run only"
IN_PLACE_OF = "in place of the one from port"
STAYS = "stays"
_ROOM = re.compile(r"^room left[^:\n]*: \S+ GB in (.+) \((-?[0-9]+) bytes\)$", re.MULTILINE)


def room_fact(left_bytes: int, place: str, when: str = "") -> tuple[str, str]:
    """Return a fact about the room that is left when all has come that is to come.

    Args:
        left_bytes: How much; negative where it is too little.
        place: The directory.
        when: Where it is not the end that counts: `while installing`.
    """
    name = f"room left {when}".strip()
    return name, f"{left_bytes / 1e9:.1f} GB in {place} ({left_bytes} bytes)"


def rooms_in(text: str) -> list[tuple[str, int]]:
    """Return the facts about room in an entry of the log: the places, and the bytes left there."""
    return [(place, int(left)) for place, left in _ROOM.findall(text)]


@dataclass(frozen=True)
class Detail:
    """One of many things that a step found, or would do, with no room for it in a sentence.

    Args:
        what: What it is: `damaged`, `missing`, `link`, `tag`, `goes`, `comes back`, `stays`,
            `left out`, `note`.
        subject: A digest, or the name of an image.
        size_bytes: How large.
        names: The images that it concerns.
        note: Where it can be had from, or why.
    """

    what: str
    subject: str
    size_bytes: int = 0
    names: tuple[str, ...] = ()
    note: str = ""


def particulars_text(found: Iterable[Detail]) -> str:
    """Return particulars as an entry of the log."""
    return "\n".join(json.dumps(asdict(one)) for one in found)


def particulars_in(text: str) -> list[Detail]:
    """Read an entry of the log back."""
    found = (json.loads(line) for line in text.splitlines())
    return [Detail(**{**values, "names": tuple(values["names"])}) for values in found]


def stays_fact(what: str) -> tuple[str, str]:
    """Return a fact about something that a change of the site leaves as it is."""
    return STAYS, what


def stays_in(text: str) -> list[str]:
    """Return what an entry of the log says of things that stay."""
    return [
        line.removeprefix(f"{STAYS}: ")
        for line in text.split("\n")
        if line.startswith(f"{STAYS}: ")
    ]
