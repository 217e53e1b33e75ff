"""The images of an OCI image layout: `index.json`, nested indexes, manifests, several platforms.

Follows the OCI image specification 1.1. An index may name platforms that are not in the file (every
engine since Docker 25 writes such); what is there is taken. What is no image (attestations,
signatures, charts) is `carrying`'s business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.bundle.blobs import blob_name
from core.bundle.carried import counted
from core.bundle.carrying import Carrying, Named, Outcome, Top
from core.bundle.images import build_image, layer_of, platform_name
from core.bundle.left_out import LeftOut, Why, told
from core.bundle.members import Members
from core.bundle.model import (
    OCI_LAYOUT,
    OCI_MANIFEST,
    Contents,
    Image,
    Layer,
)
from core.bundle.oci_names import is_whole, names_in, references_in
from core.bundle.oci_walk import INDEX, Descriptor, Found, Walk, entries_of, parts_of, walk_of
from core.bundle.problems import Problems
from core.bundle.reference import Reference
from core.bundle.usable import Hindrance, hindrance_of, require_size
from core.errors import MADE_WRONG, BundleCorrupt, NotABundle

_ABSENT = "it is named, but not in the file"
_LATER = "a later entry of index.json has it, and the last one counts, as for docker load"


def oci_contents(
    members: Members[Layer], stem: str, problems: Problems, *, carries: bool = True
) -> Contents:
    """Return what an OCI layout holds: images of one platform each, and lists that tie them.

    Args:
        members: What the pass over the bundle found.
        stem: The name for images that have only a tag, or none at all.
        problems: Where single images' problems go.
        carries: Whether more is taken than images: attestations, signatures, charts.

    Raises:
        BundleCorrupt: something named is missing, or has another digest.
        UnsafeBundle: indexes that no tool writes.
    """
    walk = walk_of(members, problems)
    tops = _tops(members, stem, alone=walk.is_of_one)
    images = _Images(members, problems, tops)
    images.build(walk)
    named = {
        reference: [Named(one.digest, one.descriptor) for one in several]
        for reference, several in images.named.items()
    }
    outcome = Carrying(
        members, images.built, images.tops, named, problems, carries=carries
    ).outcome()
    after_file = [
        reference
        for number, top in enumerate(images.tops)
        for reference in top.references
        if reference in named and not top.is_whole_name and number in images.tops_built
    ]
    notes = [f"{name.familiar} is named after the file" for name in dict.fromkeys(after_file)]
    if not images.built and not problems.found:
        raise _without_image(members, outcome)
    return Contents(
        tuple(images.built.values()),
        outcome.lists,
        (*notes, *outcome.notes),
        OCI_LAYOUT,
        left_out=outcome.left_out,
        carried=outcome.carried,
    )


def _without_image(members: Members[Layer], outcome: Outcome) -> NotABundle:
    """Return the error that says what a layout holds in an image's place."""
    said = counted(outcome.carried) or "; ".join(told(outcome.left_out))
    return NotABundle(
        f"{members.label}: no image in it{said and ', but: ' + said}",
        remedy="What is no image travels beside images only. Take the file out of imagesDir, or "
        "have the images saved with it.",
    )


class _Images:
    """The images of a layout, built one by one; who has which name is settled at the end."""

    def __init__(self, members: Members[Layer], problems: Problems, tops: list[Top]) -> None:
        self._members = members
        self._problems = problems
        self._hindered: list[tuple[Found, Hindrance]] = []
        self.tops = tops
        self.tops_built: set[int] = set()
        self.built: dict[str, Image] = {}
        self.named: dict[Reference, list[Found]] = {}

    def build(self, walk: Walk) -> None:
        """Build those that can be taken, and say of the others why not."""
        whole: list[Found] = []
        for found in walk.manifests:
            with self._problems.noted():
                if self._build(found):
                    whole.append(found)
        for found, hindrance in [*self._hindered, *map(self._absence, walk.absent)]:
            with self._problems.noted():
                self._leave_out(found, hindrance, whole)
        for reference in list(self.named):
            self._settle(reference)
        for reference in list(self.named):
            with self._problems.noted():
                self._require_one_each(reference)

    def _build(self, found: Found) -> bool:
        """Build one, and note which names it is to have; whether it can be taken."""
        references = self.tops[found.top].references
        title = references[0].familiar if references else found.digest
        image = self.built.get(found.digest)
        if image is None:
            config, layers = parts_of(self._members.label, found.document)
            hindrance = hindrance_of(self._members, title, config, layers)
            if hindrance:
                self._hindered.append((found, hindrance))
                return False
            image = _oci_image(self._members, found, references, config, layers)
        together = tuple(dict.fromkeys((*image.references, *references)))
        self.built[found.digest] = replace(image, references=together)
        self.tops_built.add(found.top)
        for reference in references:
            several = self.named.setdefault(reference, [])
            if found.digest not in [one.digest for one in several]:
                several.append(found)
        return True

    def _absence(self, found: Found) -> tuple[Found, Hindrance]:
        error = self._members.lacking(blob_name(found.digest))
        if found.depth and found.names:
            label = self._members.label
            what = f"{label}: no platform of {found.names[0]!r} is in the file"
            error = BundleCorrupt(what, remedy=MADE_WRONG)
        return found, Hindrance(Why.PLATFORM_ABSENT, _ABSENT, error)

    def _leave_out(self, found: Found, hindrance: Hindrance, whole: Sequence[Found]) -> None:
        """Leave one out where the same name has another platform that is whole.

        Raises:
            BundleError: it has none; a name would vanish in silence.
        """
        platform = found.platform or self._platform_in_config(found)
        others = [one for one in whole if one.group == found.group]
        platforms = {self.built[one.digest].platform for one in others}
        # One that does not say its platform may be the one that is wanted.
        is_other = hindrance.why is not Why.PLATFORM_ABSENT or platform not in platforms
        is_named = found.depth or platform
        unnamed_within = found.depth and not found.names
        if not (others and is_other and is_named) and not unnamed_within:
            raise hindrance.error
        left = LeftOut(hindrance.why, found.title, hindrance.reason, platform)
        if left not in self._members.left_out:
            self._members.left_out.append(left)

    def _platform_in_config(self, found: Found) -> str:
        """Return the platform that a manifest's config says; empty where that is not at hand."""
        match found.document:
            case {"config": {"digest": str(digest)}} if self._members.find(blob_name(digest)):
                config = self._members.json(blob_name(digest))
                return platform_name(config) if isinstance(config, dict) else ""
        return ""

    def _settle(self, reference: Reference) -> None:
        """Give a name to the last entry of index.json that claims it for a platform."""
        several = self.named[reference]
        taken: set[tuple[str, str]] = set()
        losers: set[int] = set()
        for top in sorted({one.top for one in several}, reverse=True):
            mine = {self._platform_key(one) for one in several if one.top == top}
            if mine & taken:
                losers.add(top)
            else:
                taken |= mine
        for found in several:
            if found.top in losers:
                self._lose(found, reference)
        self.named[reference] = [one for one in several if one.top not in losers]

    def _lose(self, found: Found, reference: Reference) -> None:
        top = self.tops[found.top]
        kept = tuple(name for name in top.references if name != reference)
        self.tops[found.top] = replace(top, references=kept)
        what = f"{reference.familiar} of {found.digest}"
        self._members.left_out.append(LeftOut(Why.NAME_TAKEN, what, _LATER, found.platform))
        self._take_name(found.digest, reference)

    def _take_name(self, digest: str, reference: Reference) -> None:
        """Take a name from an image; one that nothing else names goes with it."""
        image = self.built[digest]
        left = tuple(name for name in image.references if name != reference)
        if left:
            self.built[digest] = replace(image, references=left)
        else:
            del self.built[digest]

    def _require_one_each(self, reference: Reference) -> None:
        """Refuse a name that stands for two images of the same platform; nobody has it then."""
        several = self.named[reference]
        if len(set(map(self._platform_key, several))) == len(several):
            return
        for found in self.named.pop(reference):
            image = self.built[found.digest]
            left = tuple(name for name in image.references if name != reference)
            self.built[found.digest] = replace(image, references=left)
        raise BundleCorrupt(
            f"{self._members.label}: {reference.familiar} stands for two images of one platform",
            remedy=MADE_WRONG,
        )

    def _platform_key(self, found: Found) -> tuple[str, str]:
        """Return what tells an image from others of its name; Windows has one for each build."""
        platform = found.descriptor.get("platform")
        build = platform.get("os.version") if isinstance(platform, dict) else ""
        return self.built[found.digest].platform, str(build or "")


def _tops(members: Members[Layer], stem: str, *, alone: bool) -> list[Top]:
    """Return what index.json names, with the names that this comes to on a site."""
    found = []
    for entry in entries_of(members, members.json(INDEX)):
        names, digest = names_in(entry), str(entry["digest"])
        references = references_in(
            members.label, names, digest, members.left_out, stem=stem, alone=alone
        )
        found.append(Top(entry, references, bool(names), any(map(is_whole, names))))
    return found


def _oci_image(
    members: Members[Layer],
    found: Found,
    references: tuple[Reference, ...],
    config: Descriptor,
    layers: Sequence[Descriptor],
) -> Image:
    wanted = [str(layer["digest"]) for layer in layers]
    names = [blob_name(digest) for digest in wanted]
    image = build_image(members, blob_name(str(config["digest"])), references, names)
    # The index says more than many a config: the variant.
    image = replace(image, platform=found.platform or image.platform)
    if image.image_id != config["digest"]:
        raise BundleCorrupt(f"{members.label}: the config {config['digest']} is damaged")
    require_size(members.label, f"image {image.title}: the config", config, image.config_size_bytes)
    for number, (name, layer) in enumerate(zip(names, layers, strict=True), 1):
        held, which = layer_of(members, name, image.title), f"layer {number} of {len(wanted)}"
        if held.source_digest and held.source_digest != layer["digest"]:
            raise BundleCorrupt(
                f"{members.label}: image {image.title}: {which} is damaged "
                f"(it is {held.source_digest}, should be {layer['digest']})"
            )
        require_size(members.label, f"image {image.title}: {which}", layer, held.bundle_bytes)
    if not image.manifest or [layer.digest for layer in image.layers] != wanted:
        return image
    said = found.document if isinstance(found.document, dict) else {}
    media_type = str(said.get("mediaType") or found.descriptor.get("mediaType") or OCI_MANIFEST)
    manifest = members.document(blob_name(found.digest)).decode()
    return replace(image, manifest=manifest, manifest_type=media_type, is_kept=True)
