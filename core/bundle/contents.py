"""From the members of a bundle to its images, whatever wrote it.

Where a file is both docker-archive and OCI layout (Docker 25 and later, containerd), the layout is
taken if it holds all that `manifest.json` names: it keeps digests and knows of platforms. Else
`manifest.json` is right: early engines of that line wrote OCI manifests without layers
(moby#47065).
"""

from __future__ import annotations

import re
from dataclasses import replace

from core.bundle.docker_archive import MANIFEST, docker_images, merged
from core.bundle.documents import MARKS
from core.bundle.left_out import told
from core.bundle.members import Members, not_a_bundle
from core.bundle.model import (
    DOCKER_ARCHIVE,
    OCI_LAYOUT,
    Contents,
    Image,
    Layer,
    ManifestList,
)
from core.bundle.oci_layout import oci_contents
from core.bundle.oci_walk import INDEX
from core.bundle.problems import Problems
from core.bundle.reference import Reference
from core.bundle.roots import roots_of
from core.bundle.skopeo_dir import as_layout, is_skopeo_dir
from core.bundle.source import STDIN_TITLE
from core.errors import BundleError, NotABundle
from core.words import count, some_of

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
    roots = roots_of(members)
    if not roots and problems.found:
        raise problems.found[0]
    if not roots:
        raise _without_listing(members)
    if roots == [""]:
        found = _contents_at(members, problems, stem_of(members.label), carries=carries)
    else:
        found = _several(members, roots, problems, carries=carries)
    if not found.images and not problems.found:
        raise without_image(members.label, found)
    return found


def _several(
    members: Members[Layer], roots: list[str], problems: Problems, *, carries: bool
) -> Contents:
    """Return what lies in directories of the archive: one bundle, or several beside each other."""
    parts = []
    for root in roots:
        stem = stem_of(members.label if len(roots) == 1 else root.strip("/").rpartition("/")[2])
        with problems.noted():
            parts.append(_contents_at(members.within(root), problems, stem, carries=carries))
    left_out = [*members.left_out, *(one for part in parts for one in part.left_out)]
    images = merged(tuple(image for part in parts for image in part.images), left_out)
    places = count(len(roots), "directory", "directories") + " of it"
    where = f"found in {places if len(roots) > 1 else 'a directory of it'}: {some_of(roots)}"
    return Contents(
        images,
        _lists_of(parts, images),
        (where, *members.notes, *(note for part in parts for note in part.notes)),
        DOCKER_ARCHIVE if all(part.layout == DOCKER_ARCHIVE for part in parts) else OCI_LAYOUT,
        tuple(left_out),
        tuple(one for part in parts for one in part.carried),
    )


def _lists_of(parts: list[Contents], images: tuple[Image, ...]) -> tuple[ManifestList, ...]:
    """Return the lists, without the names that another directory's image has in the end."""
    held = {name for image in images for name in image.references}
    lists: dict[Reference, ManifestList] = {}
    for part in parts:
        for image in part.images:
            for name in image.references:
                lists.pop(name, None)
        for several in part.lists:
            lists.update({name: several for name in several.references if name in held})
    kept = dict.fromkeys(replace(several, references=()) for several in lists.values())
    return tuple(
        replace(
            one,
            references=tuple(n for n, its in lists.items() if replace(its, references=()) == one),
        )
        for one in kept
    )


def _contents_at(
    members: Members[Layer], problems: Problems, stem: str, *, carries: bool
) -> Contents:
    listing = members.json(MANIFEST) if MANIFEST in members.documents else None
    if is_skopeo_dir(listing):
        found = _oci_contents(as_layout(members), problems, stem, carries=carries)
    elif MANIFEST in members.documents and (listing or INDEX not in members.documents):
        found = _docker_contents(members, problems, carries=carries)
    else:
        found = _oci_contents(members, problems, stem, carries=carries)
    marked = tuple(
        f"{name} begins with a byte order mark, which no engine reads"
        for name in (MANIFEST, INDEX)
        if members.documents.get(name, b"").startswith(MARKS)
    )
    return replace(
        found,
        notes=(*found.notes, *members.notes, *marked),
        left_out=(*found.left_out, *members.left_out),
    )


def _docker_contents(members: Members[Layer], problems: Problems, *, carries: bool) -> Contents:
    before = len(members.left_out)
    layout = _sound_layout(members, carries=carries)
    members.used.clear()
    of_layout = members.left_out[before:]
    del members.left_out[before:]
    images = tuple(docker_images(members, problems))
    if layout and images and _covers(layout, images):
        members.left_out[before:] = of_layout
        return replace(layout, layout=DOCKER_ARCHIVE)
    return Contents(merged(images, members.left_out), notes=_notes(members))


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
    members: Members[Layer], problems: Problems, stem: str, *, carries: bool
) -> Contents:
    members.used.clear()
    members.follow_links()
    found = oci_contents(members, stem, problems, carries=carries)
    return replace(found, notes=(*found.notes, *_notes(members)))


def _without_listing(members: Members[Layer]) -> BundleError:
    """Return the error that says what there is in place of manifest.json or index.json."""
    for name in (MANIFEST, INDEX):
        if name in members.passed_over:
            return members.lacking(name)
    return not_a_bundle(members)


def without_image(label: str, found: Contents) -> BundleError:
    """Return the error that says what a bundle holds in an image's place."""
    said = "; ".join(told(found.left_out))
    return NotABundle(f"{label}: no image in it{said and ': ' + said}")


def _notes(members: Members[Layer]) -> tuple[str, ...]:
    unused = len(set(members.layers) - members.used)
    return (f"{count(unused, 'layer belongs', 'layers belong')} to no image",) if unused else ()


def stem_of(name: str) -> str:
    """Return what a file's name gives for a repository: `My App (2).tar.gz` is `my-app-2`."""
    if name == STDIN_TITLE:
        return ""
    return _NOT_IN_A_NAME.sub("-", _ENDINGS.sub("", name).lower()).strip("-")
