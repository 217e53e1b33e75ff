"""What the images of an OCI layout are called: what index.json says, or else the file's name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from core.bundle.images import references_of
from core.bundle.left_out import LeftOut
from core.bundle.reference import Reference

# Names count on the descriptors of index.json only (image-spec, annotations).
_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
# What an image was built from. In index.json some tools (zarf) write the image's own name so.
_LAST_RESORT = "org.opencontainers.image.base.name"
_DIGEST = re.compile(r"[a-z0-9]+:[0-9a-f]{32,128}")
_LATEST = "latest"


def names_in(entry: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names that a descriptor of index.json gives, whole ones and mere tags."""
    notes = entry.get("annotations")
    if not isinstance(notes, dict):
        return ()
    for keys in (_NAMES, (_LAST_RESORT,)):
        said = [str(notes[key]) for key in keys if _is_name(notes.get(key))]
        if said:
            return tuple(dict.fromkeys(said))
    return ()


def references_in(
    label: str,
    names: Sequence[str],
    digest: str,
    left_out: list[LeftOut],
    *,
    stem: str,
    alone: bool,
) -> tuple[Reference, ...]:
    """Return the names of an entry of index.json: the first whole one that is good.

    Where there is none, it is the file's name, with the tag that the entry has.

    Args:
        label: The bundle's name, for messages.
        names: As `names_in` returns them.
        digest: What the entry names.
        left_out: Where those names go that no registry takes.
        stem: The file's name as a repository; empty where it gives none.
        alone: Whether the entry is the only one with images.
    """
    for name in filter(is_whole, names):
        found = references_of(label, [name], left_out, digest=digest)
        if found:
            return found
    tags = [name for name in names if not is_whole(name)]
    if not stem or not (tags or (alone and not names)):
        return ()
    return references_of(label, [f"{stem}:{tags[0] if tags else _LATEST}"], left_out, digest=digest)


def is_whole(name: str) -> bool:
    """Whether this is a name, and not a tag only."""
    return "/" in name or ":" in name


def _is_name(said: object) -> bool:
    # podman writes an image's ID where it knows no name.
    return isinstance(said, str) and bool(said) and not _DIGEST.fullmatch(said)
