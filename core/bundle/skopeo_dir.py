"""What `skopeo copy ... dir:` writes: one image, its manifest and its blobs side by side.

The blobs' names are their digests in hex, so it is an OCI layout but for the places of its files.
"""

from __future__ import annotations

import json
import re

from core.bundle.members import Members
from core.bundle.model import OCI_INDEX, Layer, sha256_digest

VERSION = "version"
VERSION_TEXT = b"Directory Transport Version: "
_MANIFEST = "manifest.json"
_BLOB = re.compile(r"([0-9a-f]{64})(\.tar|\.manifest\.json)?")


def is_skopeo_dir(manifest: object) -> bool:
    """Whether a manifest.json is that of one image (or of a list), not a listing of images."""
    match manifest:
        case {"schemaVersion": 2, "manifests": list()}:
            return True
        case {"schemaVersion": 2, "config": dict(), "layers": list()}:
            return True
    return False


def is_blob(name: str) -> bool:
    """Whether a file of such a directory is a blob or a manifest, by its name."""
    return bool(_BLOB.fullmatch(name))


def as_layout(members: Members[Layer]) -> Members[Layer]:
    """Return the same members in the places that an OCI layout has for them.

    Args:
        members: What the pass found, manifest.json among it.
    """
    manifest = members.document(_MANIFEST)
    documents = {_place(sha256_digest(manifest).removeprefix("sha256:")): manifest}
    links = dict(members.links)
    for name in (*members.documents, *members.layers, *members.passed_over):
        found = _BLOB.fullmatch(name)
        if found and name in members.documents:
            documents[_place(found[1])] = members.documents[name]
        elif found:
            links[_place(found[1])] = name
    entry = {"mediaType": _kind(manifest), "digest": sha256_digest(manifest), "size": len(manifest)}
    documents["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    return Members(
        members.label,
        documents,
        members.layers,
        links,
        members.used,
        members.passed_over,
        members.blobs,
        members.left_out,
        members.notes,
        members.inside,
        members.root,
    )


def _place(hexadecimal: str) -> str:
    return f"blobs/sha256/{hexadecimal}"


def _kind(manifest: bytes) -> str:
    return str(json.loads(manifest).get("mediaType") or OCI_INDEX)
