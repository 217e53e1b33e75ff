"""Where in an archive its bundle lies: at its root, as all tools write it, or in directories.

People pack the directory and not what is in it, and vendors' packs (zarf's among them) have the
layout beside other things.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator

from core.bundle.documents import in_any_case
from core.bundle.members import LISTINGS, Members
from core.bundle.model import Layer
from core.bundle.skopeo_dir import is_skopeo_dir

_MANIFEST, _INDEX = LISTINGS


def roots_of(members: Members[Layer]) -> list[str]:
    """Return the directories in which bundles lie, each with its slash; `""` is the root itself.

    What lies within another's directory is that one's own affair.
    """
    if any(name in members.documents for name in LISTINGS):
        return [""]
    found: list[str] = []
    for root in sorted(set(_candidates(members))):
        if not root.startswith(tuple(found)):
            found.append(root)
    return found


def _candidates(members: Members[Layer]) -> Iterator[str]:
    for name, document in members.documents.items():
        base = posixpath.basename(name)
        if base in LISTINGS and _lists_images(base, document):
            yield name.removesuffix(base)


def _lists_images(base: str, document: bytes) -> bool:
    try:
        found = json.loads(document)
    except (ValueError, RecursionError):
        return False
    if base == _INDEX:
        return isinstance(found, dict) and isinstance(found.get("manifests"), list)
    if isinstance(found, list) and found and isinstance(found[0], dict):
        return in_any_case(found[0], "Config") is not None
    return is_skopeo_dir(found)
