"""Every name of the bundles, and the name by which the cluster is to ask for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from core.bundle.model import Bundle, Image
from core.bundle.reference import Reference
from core.config import Config, Mode


@dataclass(frozen=True)
class Use:
    """One name of the bundles on a site.

    Args:
        reference: The original name.
        name: The name to use: under the site's registry, or the original one (mode none).
        image_ids: The digests of the configs of the images that it stands for.
        digest: What the registry files under that name; empty where that is not known.
        bundle: The bundle that it came in.
        platforms: What it is for.
    """

    reference: Reference
    name: str
    image_ids: tuple[str, ...]
    digest: str
    bundle: str
    platforms: tuple[str, ...]

    @property
    def component(self) -> str:
        """The last part of the path: `coredns` of `k8s.gcr.io/coredns/coredns`."""
        return self.reference.path.rpartition("/")[2]

    @property
    def repository(self) -> str:
        """What stands before that part in the name to use: what kubeadm calls imageRepository."""
        ending = f"/{self.component}:{self.reference.tag}"
        whole = self.name if self.name.endswith(ending) else str(self.reference)
        return whole.removesuffix(ending)


def uses_of(
    config: Config,
    bundles: Iterable[Bundle],
    filed: Mapping[Reference, str] = MappingProxyType({}),
) -> list[Use]:
    """Return every name of some bundles, in the order of the original names.

    Args:
        config: The site.
        bundles: Where two of them have different images under one name, the first one's counts.
        filed: What the registry has under names in place of a bundle's own manifest: the same
            images, encoded otherwise.
    """
    claimed: dict[str, tuple[str, ...]] = {}
    found: dict[Reference, Use] = {}
    for bundle in bundles:
        for reference, images in bundle.references.items():
            use = _use(config, bundle, reference, images)
            if use.digest and reference in filed:
                use = replace(use, digest=filed[reference])
            if claimed.setdefault(use.name, use.image_ids) == use.image_ids:
                found.setdefault(reference, use)
    return [found[reference] for reference in sorted(found)]


def _use(config: Config, bundle: Bundle, reference: Reference, images: Sequence[Image]) -> Use:
    pulled = config.mode is not Mode.NONE
    return Use(
        reference=reference,
        name=reference.at(config.name_prefix) if pulled else reference.familiar,
        image_ids=tuple(image.image_id for image in images),
        digest=digest_of(bundle, reference) if pulled else "",
        bundle=bundle.name,
        platforms=tuple(image.platform for image in images),
    )


def digest_of(bundle: Bundle, reference: Reference) -> str:
    """Return what a registry files under a name of a bundle; empty for one never imported."""
    several = bundle.list_of(reference)
    image = bundle.references[reference][0]
    if not bundle.imported or not (several or image.manifest):
        return ""
    return several.manifest_digest if several else image.manifest_digest
