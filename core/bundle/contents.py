"""From the members of a bundle to its images, whatever wrote it.

Where a file is both docker-archive and OCI layout (Docker 25 and later, containerd), the layout is
taken if it holds all that `manifest.json` names: it keeps digests and knows of platforms. Else
`manifest.json` is right: early engines of that line wrote OCI manifests without layers
(moby#47065).
"""

from __future__ import annotations

import re
from dataclasses import replace

from core.bundle.docker_archive import MANIFEST, docker_images
from core.bundle.members import Members
from core.bundle.model import DOCKER_ARCHIVE, Contents, Image, Layer
from core.bundle.oci_layout import INDEX, oci_contents
from core.bundle.problems import Problems
from core.bundle.source import STDIN_TITLE
from core.errors import BundleError, NotABundle

_ENDINGS = re.compile(r"(\.(tar|tgz|tbz2?|txz|tzst|gz|zst|xz|bz2|oci|img))+$", re.IGNORECASE)
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")


def contents_of(
    members: Members[Layer], problems: Problems | None = None, *, carries: bool = True
) -> Contents:
    """Tie layers and documents together.

    Args:
        members: What the pass over the bundle found. Layers that were hashed are compared with what
            the bundle says of them; those that were only listed take it from there.
        problems: Where the problems of single images go; the first one is raised if None.
        carries: Whether more is taken than images: attestations, signatures, charts.

    Raises:
        NotABundle: there is nothing in it that describes images.
        BundleCorrupt: something named is missing, or has another digest.
    """
    problems = problems or Problems(keep_going=False)
    if MANIFEST in members.documents:
        found = _docker_contents(members, problems, carries=carries)
    elif INDEX in members.documents:
        found = _oci_contents(members, problems, carries=carries)
    elif problems.found:
        raise problems.found[0]
    else:
        raise NotABundle(f"{members.label}: an archive, but not of images (no manifest.json)")
    if not found.images and not problems.found:
        raise NotABundle(f"{members.label}: no image in it")
    return found


def _docker_contents(members: Members[Layer], problems: Problems, *, carries: bool) -> Contents:
    layout = _sound_layout(members, carries=carries)
    members.used.clear()
    images = tuple(docker_images(members, problems))
    if layout and images and _covers(layout, images):
        return replace(layout, layout=DOCKER_ARCHIVE)
    return Contents(_merged(images), notes=_notes(members))


def _sound_layout(members: Members[Layer], *, carries: bool) -> Contents | None:
    if INDEX not in members.documents:
        return None
    try:
        return _oci_contents(members, Problems(keep_going=False), "", carries=carries)
    except BundleError:
        return None


def _covers(layout: Contents, images: tuple[Image, ...]) -> bool:
    """Whether a layout has every image of `manifest.json`, under every name."""
    there = {(image.image_id, name) for image in layout.images for name in (*image.references, "")}
    wanted = {(image.image_id, name) for image in images for name in (*image.references, "")}
    return wanted <= there


def _oci_contents(
    members: Members[Layer], problems: Problems, stem: str | None = None, *, carries: bool
) -> Contents:
    members.used.clear()
    stem = stem_of(members.label) if stem is None else stem
    found = oci_contents(members, stem, problems, carries=carries)
    return replace(found, notes=(*found.notes, *_notes(members)))


def _merged(images: tuple[Image, ...]) -> tuple[Image, ...]:
    """Put entries of the same image together: some writers make one for each name."""
    found: dict[str, Image] = {}
    for image in images:
        known = found.get(image.image_id)
        names = (*known.references, *image.references) if known else image.references
        found[image.image_id] = replace(image, references=tuple(dict.fromkeys(names)))
    return tuple(found.values())


def _notes(members: Members[Layer]) -> tuple[str, ...]:
    unused = len(set(members.layers) - members.used)
    return (f"layers that belong to no image: {unused}",) if unused else ()


def stem_of(name: str) -> str:
    """Return what a file's name gives for a repository: `My App (2).tar.gz` is `my-app-2`."""
    if name == STDIN_TITLE:
        return ""
    return _NOT_IN_A_NAME.sub("-", _ENDINGS.sub("", name).lower()).strip("-")
