"""What a manifest is of, where it is not of an image: told by its media types and annotations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from core.bundle.carried import CarriedKind
from core.bundle.model import DOCKER_CONFIG, OCI_CONFIG

CONFIGS = (OCI_CONFIG, DOCKER_CONFIG)
LAYERS = ("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.")
REFERENCE_TYPE = "vnd.docker.reference.type"
REFERENCE_DIGEST = "vnd.docker.reference.digest"
# In the order in which they are looked for: an attestation may be about an SBOM.
_WORDS = {
    CarriedKind.CHART: ("helm",),
    CarriedKind.ATTESTATION: ("in-toto", "dsse", "attestation", "provenance", "slsa"),
    CarriedKind.SIGNATURE: (
        *("simplesigning", "notary", "sigstore.bundle", "cosign.artifact.sig", "signature"),
        "notation",
    ),
    CarriedKind.SBOM: ("spdx", "cyclonedx", "sbom", "syft"),
}
_TAGS = {
    ".att": CarriedKind.ATTESTATION,
    ".sig": CarriedKind.SIGNATURE,
    ".sbom": CarriedKind.SBOM,
}


def is_artifact(document: object) -> bool:
    """Whether a manifest is of something else than an image: a chart, a signature."""
    match document:
        case {"artifactType": str(kind)} if kind and kind not in CONFIGS:
            return True
        case {"config": {"mediaType": str(media_type)}} if media_type not in CONFIGS:
            return True
        # Signatures of cosign have an image's config, and layers that are none.
        case {"layers": [_, *_] as layers}:
            kinds = [layer.get("mediaType") for layer in layers if isinstance(layer, dict)]
            return all(isinstance(k, str) and not k.startswith(LAYERS) for k in kinds)
    return False


def is_attestation(entry: Mapping[str, object]) -> bool:
    """Whether an index says of a manifest that it is about another one in it (buildx)."""
    annotations, platform = entry.get("annotations"), entry.get("platform")
    if isinstance(annotations, dict) and REFERENCE_TYPE in annotations:
        return True
    return isinstance(platform, dict) and platform.get("architecture") == "unknown"


def kind_of(document: object, entry: Mapping[str, object], tag: str = "") -> CarriedKind:
    """Return what an artifact is.

    Args:
        document: Its manifest.
        entry: Its descriptor in an index.
        tag: Its tag, where it has one: cosign's say what they hold.
    """
    for ending, kind in _TAGS.items():
        if tag.startswith("sha256-") and tag.endswith(ending):
            return kind
    types = " ".join(_types(document)).lower()
    for kind, words in _WORDS.items():
        if any(word in types for word in words):
            return kind
    return CarriedKind.ATTESTATION if is_attestation(entry) else CarriedKind.ARTIFACT


def _types(document: object) -> Iterator[str]:
    if not isinstance(document, dict):
        return
    layers = document.get("layers")
    parts: list[Any] = [document.get("config"), *(layers if isinstance(layers, list) else ())]
    yield str(document.get("artifactType") or "")
    yield from (str(part.get("mediaType") or "") for part in parts if isinstance(part, dict))
