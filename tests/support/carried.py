"""What travels with images, as buildx and oras write it into a layout."""

from __future__ import annotations

from tests.support.archives import ImageSpec
from tests.support.layouts import OCI_CONFIG, OCI_MANIFEST, as_json
from tests.support.oci import Descriptor, Layout, noted, on_platform

SBOM = "application/spdx+json"
EMPTY = "application/vnd.oci.empty.v1+json"


def attested(layout: Layout, image: ImageSpec) -> list[Descriptor]:
    """Put in an image and its attestation, as buildx writes them; return both entries."""
    made = noted(layout.image(image), on_platform(image.platform))
    statement = as_json({"_type": "https://in-toto.io/Statement/v0.1", "about": image.image_id})
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": layout.put(as_json({"architecture": "unknown", "os": "unknown"}), OCI_CONFIG),
        "layers": [layout.put(statement, "application/vnd.in-toto+json")],
    }
    notes = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": made["digest"],
    }
    about = layout.put(as_json(manifest), OCI_MANIFEST)
    return [made, noted(about, on_platform("unknown/unknown"), {"annotations": notes})]


def referrer(
    layout: Layout, subject: Descriptor, content: bytes = b'{"spdxVersion":"2"}', kind: str = SBOM
) -> Descriptor:
    """Put in an artifact that speaks of a manifest, as oras attaches one."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": kind,
        "config": layout.put(b"{}", EMPTY),
        "layers": [layout.put(content, kind)],
        "subject": {key: subject[key] for key in ("mediaType", "digest", "size")},
    }
    return layout.put(as_json(manifest), OCI_MANIFEST)
