"""The images of a docker-archive: `manifest.json` names config, tags and layers of each.

As `docker save` since 1.10 writes it, and podman, skopeo, crane, jib and others after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from core.bundle.documents import in_any_case
from core.bundle.flipped import is_one_bit_off
from core.bundle.images import MAX_IMAGES, build_image, references_of
from core.bundle.left_out import LeftOut, Why
from core.bundle.members import Members
from core.bundle.model import Image, Layer, sha256_digest
from core.bundle.problems import Problems
from core.bundle.reference import Reference
from core.errors import MADE_WRONG, BundleCorrupt, NotABundle, UnsafeBundle

MANIFEST = "manifest.json"
_MAX_TRIED = 4
_DIGEST_NAME = re.compile(r"(?P<how>sha256:|blobs/sha256/)?(?P<hex>[0-9a-f]{64})(?:\.json)?")
_OTHER = "a later image of manifest.json has it, and the last one counts, as for docker load"


def docker_images(members: Members[Layer], problems: Problems) -> Iterator[Image]:
    """Yield the images that `manifest.json` lists.

    Raises:
        BundleCorrupt: something named is missing, or has another digest than its name says.
        NotABundle: no image is listed.
        UnsafeBundle: there are more images than any bundle has.
    """
    listing = members.json(MANIFEST)
    if not isinstance(listing, list) or not listing:
        what = "says null" if listing is None else "lists no image"
        raise NotABundle(
            f"{members.label}: its manifest.json {what}",
            remedy="Whatever wrote it was given no image: save it again, docker save -o FILE NAME",
        )
    if len(listing) > MAX_IMAGES:
        raise UnsafeBundle(f"{members.label}: more than {MAX_IMAGES} images")
    comparing = _Configs(members)
    for number, entry in enumerate(listing, 1):
        with problems.noted():
            image, config_name = _docker_image(members, entry, number)
            comparing.compare(image, config_name)
            yield image


def merged(images: tuple[Image, ...], left_out: list[LeftOut]) -> tuple[Image, ...]:
    """Put entries of the same image together, and give each name to the last image that claims it.

    (Some writers make an entry for each name.)

    Args:
        images: In the order of `manifest.json`.
        left_out: Where the names go that earlier images lose.
    """
    found: dict[str, Image] = {}
    holders: dict[Reference, str] = {}
    for image in images:
        known = found.get(image.image_id)
        names = (*known.references, *image.references) if known else image.references
        found[image.image_id] = replace(image, references=tuple(dict.fromkeys(names)))
        for name in image.references:
            holder = holders.get(name, image.image_id)
            if holder != image.image_id:
                left_out.append(LeftOut(Why.NAME_TAKEN, f"{name.familiar} of {holder}", _OTHER))
            holders[name] = image.image_id
    settled = [
        replace(image, references=tuple(n for n in image.references if holders[n] == image_id))
        for image_id, image in found.items()
    ]
    # One that lost all its names is had by nothing any more.
    return tuple(
        image for image in settled if image.references or not found[image.image_id].references
    )


def _docker_image(members: Members[Layer], entry: object, number: int) -> tuple[Image, str]:
    config_name, tags, layer_names = _facts_of(members.label, entry, number)
    image_id = sha256_digest(members.find(config_name) or b"")
    references = references_of(members.label, tags, members.left_out, image_id)
    return build_image(members, config_name, references, layer_names), config_name


def _facts_of(label: str, entry: object, number: int) -> tuple[str, object, list[str]]:
    """Return config, tags and layers of an entry; its keys may be spelled in any case."""
    where = f"{label}: entry {number} of manifest.json"
    if not isinstance(entry, dict):
        raise BundleCorrupt(f"{where} is no image's", remedy=MADE_WRONG)
    config_name, layers = in_any_case(entry, "Config"), in_any_case(entry, "Layers")
    if not isinstance(config_name, str) or not config_name:
        raise BundleCorrupt(f"{where} names no Config", remedy=MADE_WRONG)
    # Go writes a list that was never filled (an image without layers) as null.
    is_list = isinstance(layers, list) and all(isinstance(name, str) for name in layers)
    if not is_list and (layers is not None or not _has(entry, "Layers")):
        raise BundleCorrupt(f"{where} names no Layers", remedy=MADE_WRONG)
    names = list(layers) if isinstance(layers, list) else []
    return config_name, in_any_case(entry, "RepoTags") or [], names


def _has(entry: dict[str, object], key: str) -> bool:
    return any(name.lower() == key.lower() for name in entry)


class _Configs:
    """Compares configs with the digests that their names say.

    A blob of a layout is what its name says, or damaged. Elsewhere the name is no promise: tools
    write configs anew and keep the name, and `docker load` takes what is in it. But where one
    flipped bit is all that differs, that is a bad copy, which nothing else would tell.
    """

    def __init__(self, members: Members[Layer]) -> None:
        self._members = members
        self._left = _MAX_TRIED

    def compare(self, image: Image, config_name: str) -> None:
        """Note that a config is not what its name says.

        Raises:
            BundleCorrupt: that is for its being damaged.
        """
        promised = _DIGEST_NAME.fullmatch(config_name)
        if not promised or f"sha256:{promised['hex']}" == image.image_id:
            return
        if promised["how"] == "blobs/sha256/" or self._is_flipped(config_name, promised["hex"]):
            raise BundleCorrupt(
                f"{self._members.label}: image {image.title}: its config is damaged (it is "
                f"{image.image_id}, its name is {config_name})"
            )
        self._members.notes.append(
            f"{image.title}: its config is not what its file name says ({config_name}): taken by "
            "its content, as docker load does"
        )

    def _is_flipped(self, config_name: str, promised_hex: str) -> bool:
        """Whether one bit is all that differs; of the first few only, for it takes a second."""
        self._left -= 1
        config = self._members.document(config_name)
        return self._left >= 0 and is_one_bit_off(config, promised_hex)
