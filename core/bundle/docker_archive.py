"""The images of a docker-archive: `manifest.json` names config, tags and layers of each.

As `docker save` since 1.10 writes it, and podman, skopeo, crane, jib and others after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.bundle.images import MAX_IMAGES, build_image, references_of
from core.bundle.members import Members
from core.bundle.model import Image, Layer
from core.bundle.problems import Problems
from core.errors import BundleCorrupt, UnsafeBundle

MANIFEST = "manifest.json"
_DIGEST_NAME = re.compile(r"(?:sha256:|blobs/sha256/)?([0-9a-f]{64})(?:\.json)?")


def docker_images(members: Members[Layer], problems: Problems) -> Iterator[Image]:
    """Yield the images that `manifest.json` lists.

    Raises:
        BundleCorrupt: something named is missing, or has another digest than its name says.
        UnsafeBundle: there are more images than any bundle has.
    """
    listing = members.json(MANIFEST)
    if not isinstance(listing, list) or not listing:
        raise BundleCorrupt(f"{members.label}: manifest.json lists no image")
    if len(listing) > MAX_IMAGES:
        raise UnsafeBundle(f"{members.label}: more than {MAX_IMAGES} images")
    for entry in listing:
        with problems.noted():
            yield _docker_image(members, entry)


def _docker_image(members: Members[Layer], entry: object) -> Image:
    match entry:
        # Go writes a list that was never filled (an image without layers) as null.
        case {"Config": str(config_name), "Layers": (list() | None) as layer_names, **rest}:
            references = references_of(members.label, rest.get("RepoTags") or [])
        case _:
            raise BundleCorrupt(f"{members.label}: manifest.json has an entry without Layers")
    image = build_image(members, config_name, references, [str(n) for n in layer_names or []])
    promised = _DIGEST_NAME.fullmatch(config_name)
    if promised and f"sha256:{promised[1]}" != image.image_id:
        raise BundleCorrupt(
            f"{members.label}: image {image.title}: its config is damaged (it is "
            f"{image.image_id}, its name is {config_name})"
        )
    return image
