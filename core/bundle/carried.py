"""What travels with images though no engine runs it: attestations, signatures, SBOMs, charts.

Users pin and verify by these, so they keep every byte, and with it their digest. Indexes that hold
such, or that are pinned themselves, are among them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from core.bundle.reference import Reference

OCI_EMPTY = "application/vnd.oci.empty.v1+json"


class CarriedKind(StrEnum):
    """What a manifest that is no image's is of; the words that people are told."""

    ATTESTATION = "attestation"
    SIGNATURE = "signature"
    SBOM = "SBOM"
    CHART = "chart"
    ARTIFACT = "artifact"
    INDEX = "index"


@dataclass(frozen=True)
class Carried:
    """A manifest that travels with the images of a bundle, to the byte.

    Args:
        kind: What it is of.
        manifest: Its text.
        manifest_type: Its media type.
        blobs: Digest and size in bytes of each blob that it names.
        references: Tags of its own.
        beside: Names in whose repositories it is needed by its digest.
        subject: The digest of the manifest that it speaks of, if it says so.
    """

    kind: CarriedKind
    manifest: str
    manifest_type: str
    blobs: tuple[tuple[str, int], ...] = ()
    references: tuple[Reference, ...] = ()
    beside: tuple[Reference, ...] = ()
    subject: str = ""

    @property
    def manifest_digest(self) -> str:
        """The digest under which a registry files it."""
        return "sha256:" + hashlib.sha256(self.manifest.encode()).hexdigest()

    @cached_property
    def repositories(self) -> tuple[Reference, ...]:
        """One name for each repository that it goes to."""
        found = {(r.domain, r.path): r for r in (*self.beside, *self.references)}
        return tuple(found.values())

    def without(self, names: Collection[Reference]) -> Carried:
        """Return the same without some names, its own or those that it is needed for."""
        return replace(
            self,
            references=tuple(name for name in self.references if name not in names),
            beside=tuple(name for name in self.beside if name not in names),
        )

    def at(self, name: Reference) -> Carried:
        """Return the same for images that get another name: it goes where they go."""
        if not self.beside and not self.subject:
            return self
        own = (replace(name, tag=reference.tag) for reference in self.references)
        return replace(self, references=tuple(dict.fromkeys(own)), beside=(name,))

    @property
    def descriptor(self) -> dict[str, object]:
        """How a list of referrers speaks of it."""
        document: Mapping[str, Any] = json.loads(self.manifest)
        config = document.get("config") or {}
        kind = document.get("artifactType") or config.get("mediaType")
        notes = document.get("annotations")
        return {
            "mediaType": self.manifest_type,
            "digest": self.manifest_digest,
            "size": len(self.manifest.encode()),
            **({"artifactType": kind} if kind else {}),
            **({"annotations": notes} if notes else {}),
        }


def counted(carried: Iterable[Carried]) -> str:
    """Return how many there are of each kind, in words; empty where there are none."""
    numbers: dict[CarriedKind, int] = {}
    for one in carried:
        if one.kind is not CarriedKind.INDEX:
            numbers[one.kind] = numbers.get(one.kind, 0) + 1
    return ", ".join(f"{n} {kind}{'s' if n > 1 else ''}" for kind, n in numbers.items())
