"""What of a bundle is not taken though nothing is wrong with it: each thing with its reason.

A bundle is made for many sites. What is not for this one (a chart, a platform that is not in the
file, a name that no registry takes) costs the job nothing, but a person is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from core.words import count, some_of


class Why(StrEnum):
    """Why something is left out: stable codes, for automation."""

    ARTIFACT = "artifact"
    """It is no image: a policy, a module, a model."""
    CHART = "chart"
    """It is a chart of Helm's."""
    SIGNATURE = "signature"
    """It is a signature."""
    SBOM = "sbom"
    """It is a bill of materials."""
    INDEX = "index"
    """It is an index that names what is left out."""
    ATTESTATION = "attestation"
    """It is what a builder says of an image; no engine pulls it."""
    PLATFORM_ABSENT = "platform-absent"
    """A platform that an index names; its manifest or its layers are not in the file."""
    FOREIGN_LAYER = "foreign-layer"
    """A platform with layers that are to be had from their maker only (Windows)."""
    ENCRYPTED = "encrypted"
    """A platform with encrypted layers."""
    OTHER_FORMAT = "other-format"
    """A platform in a form that no engine pulls by itself (nydus, Docker's schema 1)."""
    BAD_NAME = "bad-name"
    """A name that no registry takes."""
    NAME_TAKEN = "name-taken"
    """A name that a later entry of the same bundle has."""
    MEMBER_TWICE = "member-twice"
    """A member that stands in the archive again, further back; the last one counts."""
    BEHIND_END = "behind-end"
    """Something that lies behind the archive's end."""


_NOUNS = {
    Why.ARTIFACT: "artifact",
    Why.CHART: "chart",
    Why.SIGNATURE: "signature",
    Why.SBOM: "SBOM",
    Why.INDEX: "index",
    Why.ATTESTATION: "attestation",
    Why.PLATFORM_ABSENT: "platform",
    Why.FOREIGN_LAYER: "platform",
    Why.ENCRYPTED: "platform",
    Why.OTHER_FORMAT: "platform",
    Why.BAD_NAME: "name",
    Why.NAME_TAKEN: "name",
    Why.MEMBER_TWICE: "earlier member",
    Why.BEHIND_END: "second part",
}


@dataclass(frozen=True)
class LeftOut:
    """One thing that is not taken.

    Args:
        why: The kind of reason.
        what: What it is: an image's name, the digest of what has none, a name, a member.
        reason: The reason in words, to be read behind `what` and a colon.
        platform: The platform, where one of an image's is left out.
    """

    why: Why
    what: str
    reason: str
    platform: str = ""

    @property
    def title(self) -> str:
        """What is left out, as people speak of it."""
        return f"{self.what} {self.platform}" if self.platform else self.what


def told(left_out: Iterable[LeftOut]) -> list[str]:
    """Return a sentence for each kind and reason, with how many there are."""
    groups: dict[tuple[Why, str], list[str]] = {}
    for each in left_out:
        groups.setdefault((each.why, each.reason), []).append(each.title)
    return [
        f"left out: {titles[0]}: {reason}"
        if len(titles) == 1
        else f"left out: {count(len(titles), _NOUNS[why])} ({some_of(titles)}): {reason}"
        for (why, reason), titles in groups.items()
    ]
