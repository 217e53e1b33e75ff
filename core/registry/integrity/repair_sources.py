"""Who can supply what a registry has lost: bundles in imagesDir, backups, this site's notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from core.bundle.model import Bundle, BundleFile, sha256_digest
from core.registry.api.parallel import Name
from core.registry.backup.archive import BackupArchive


@dataclass(frozen=True)
class Sources:
    """Where parts of images may come from.

    Args:
        bundles: The bundles that are at hand, and what they became in the registry.
        backups: Backups that were looked into.
        known: Every bundle that this site ever imported: of those that are gone the manifests are
            known all the same.
    """

    bundles: Sequence[tuple[BundleFile, Bundle]] = ()
    backups: Sequence[BackupArchive] = ()
    known: Sequence[Bundle] = ()

    @cached_property
    def manifests(self) -> dict[str, bytes]:
        """The manifests and lists whose bytes are known, by digest."""
        found: dict[str, bytes] = {}
        for bundle in self.known:
            manifests = [image.manifest for image in bundle.images]
            manifests += [several.manifest for several in bundle.lists]
            manifests += [one.manifest for one in bundle.carried]
            found.update({sha256_digest(m.encode()): m.encode() for m in manifests if m})
        for saved in self.backups:
            found.update({d: made.data for d, made in saved.snapshot.documents.items()})
        return found

    @cached_property
    def _bundles(self) -> dict[str, BundleFile]:
        found: dict[str, BundleFile] = {}
        for file, bundle in self.bundles:
            for digest in parts_of(bundle):
                found.setdefault(digest, file)
        return found

    @cached_property
    def _origins(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for bundle in self.known:
            for digest in parts_of(bundle):
                found.setdefault(digest, bundle.name)
        return found

    def backup_of(self, digest: str) -> BackupArchive | None:
        """Return a backup that holds a blob."""
        return next((saved for saved in self.backups if digest in saved.places), None)

    def bundle_of(self, digest: str) -> BundleFile | None:
        """Return a bundle in which a config or layer is."""
        return self._bundles.get(digest)

    def supplier_of(self, digest: str) -> str:
        """Return the name of who can supply a blob; empty if nobody can."""
        backup, file = self.backup_of(digest), self.bundle_of(digest)
        if backup:
            return f"backup {backup.name}"
        if file:
            return f"bundle {file.name}"
        return "this site's own notes" if digest in self.manifests else ""

    def origin_of(self, digest: str) -> str:
        """Return the name of the bundle that brought a config or layer, wherever it is now."""
        return self._origins.get(digest, "")

    def digests_of(self, name: Name) -> set[str]:
        """Return what a (repository, tag) stands for by what is known of it."""
        found = {s.snapshot.tags[name] for s in self.backups if name in s.snapshot.tags}
        return found | {
            tag_digest(bundle, name) for _, bundle in self.bundles if tag_digest(bundle, name)
        }


def tag_digest(bundle: Bundle, name: Name) -> str:
    """Return what a (repository, tag) stands for by a bundle; empty if it is not in it."""
    for reference, images in bundle.references.items():
        if (reference.site_repository, reference.tag) == name:
            return (bundle.list_of(reference) or images[0]).manifest_digest
    for one in bundle.carried:
        if name in [(own.site_repository, own.tag) for own in one.references]:
            return one.manifest_digest
    return ""


def parts_of(bundle: Bundle) -> Iterator[str]:
    """Yield the digest of each config, layer and carried blob, as the registry has them."""
    for image in bundle.images:
        yield image.image_id
        yield from (layer.digest for layer in image.layers)
    for one in bundle.carried:
        yield from (digest for digest, _ in one.blobs)
