"""The step that writes what the cluster side needs, and which bundles that is about."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from core.bundle.catalogue import Catalogue
from core.bundle.discovery import find_bundles
from core.bundle.model import Bundle, BundleFile
from core.bundle.reference import Reference
from core.cluster import cluster_directory, cluster_files, differing, write_files
from core.cluster.names import digest_of
from core.config import Config, Mode
from core.errors import BundleError, RegistryError, of_local_files
from core.registry.api.client import RegistryClient
from core.registry.api.parallel import asked
from core.registry.imports.equivalence import filed_otherwise
from core.steps.base import Missing, Reporter
from core.steps.targets import DuStep
from core.threads import in_thread
from core.words import some_of


class ClusterFiles(DuStep):
    """The files for the cluster say what the config and the bundles say."""

    step_id = "cluster.files"
    title = "cluster files"

    async def check(self, tell: Reporter) -> Missing | None:
        directory = cluster_directory(self._work.config)
        tell.say(f"comparing what is in {directory}")
        files = await self._files()
        changed = await in_thread(lambda: differing(directory, files), self._work.stop)
        if changed:
            return Missing(f"files for the cluster: {some_of(changed)}")
        tell.found(f"in {directory}")
        return None

    async def apply(self, missing: Missing, tell: Reporter) -> None:  # noqa: ARG002
        directory = cluster_directory(self._work.config)
        tell.say(f"writing to {directory}")
        files = await self._files()
        await in_thread(lambda: write_files(directory, files), self._work.stop)

    async def _files(self) -> Mapping[str, str]:
        work = self._work
        return await work.ask_registry(
            lambda client: files_of_site(
                work.config, client, work.files, later_wins=work.options.later_wins
            )
        )


def files_of_site(
    config: Config,
    client: RegistryClient,
    files: Iterable[BundleFile] = (),
    *,
    later_wins: bool = False,
) -> Mapping[str, str]:
    """Return the files for the cluster by path, from everything that is known here. Blocks.

    Args:
        config: The site.
        client: Its registry, asked for what only an earlier bundle brought.
        files: Bundles that count as well, and before those in imagesDir.
        later_wins: Of two bundles with one name for different images, the later one's counts.

    Raises:
        LocalFilesError: the registry's CA cannot be read.
    """
    later_wins = later_wins or config.later_bundle_wins
    bundles = list(_known(config, files, client, later_wins=later_wins))
    filed = {}
    if config.mode is not Mode.NONE:
        filed = _filed_otherwise(client, bundles, _contested(config, bundles))
    return cluster_files(config, bundles, _ca_text(config), filed)


def _known(
    config: Config, files: Iterable[BundleFile], client: RegistryClient, *, later_wins: bool
) -> Iterator[Bundle]:
    """Yield the bundles of a site; where two have a name, the first one's counts."""
    catalogue = Catalogue(config.state_dir)
    here: list[Bundle] = []
    for group in (files, _in_images_dir(config)):
        for file in sorted(group, key=lambda file: file.name, reverse=later_wins):
            bundle = catalogue.find(file)
            here += [bundle] if bundle and bundle not in here else []
    yield from here
    if config.mode is not Mode.NONE:
        contested = _contested(config, here)
        for bundle in catalogue.all():
            if bundle.imported and bundle not in here:
                yield _held(client, bundle, contested)


def _contested(config: Config, bundles: Iterable[Bundle]) -> set[Reference]:
    """Return the names for which the bundles that are known have manifests of their own each."""
    digests: dict[Reference, set[str]] = {}
    for bundle in (*bundles, *Catalogue(config.state_dir).all()):
        for reference in bundle.references:
            digests.setdefault(reference, set()).add(digest_of(bundle, reference))
    return {reference for reference, found in digests.items() if len(found - {""}) > 1}


def _in_images_dir(config: Config) -> list[BundleFile]:
    try:
        return find_bundles(config.images_dir)[0]
    except BundleError:
        return []


def _held(client: RegistryClient, bundle: Bundle, contested: Collection[Reference]) -> Bundle:
    """Return a bundle with those of its names that the registry still has as it brought them."""
    wanted = {reference: digest_of(bundle, reference) for reference in bundle.references}
    try:
        found = asked(
            lambda reference: client.manifest_digest(reference.site_repository, reference.tag),
            wanted,
        )
    except RegistryError:
        found = {}
    others = _filed_otherwise(client, [bundle], contested)
    return bundle.without(
        ref for ref, digest in wanted.items() if found.get(ref) != digest and ref not in others
    )


def _filed_otherwise(
    client: RegistryClient, bundles: Iterable[Bundle], contested: Collection[Reference]
) -> dict[Reference, str]:
    """Return what the registry has in place of the bundles' own manifests, where it answers."""
    found: dict[Reference, str] = {}
    for bundle in bundles:
        names = {
            (reference.site_repository, reference.tag): (digest, images)
            for reference, images in bundle.references.items()
            if reference in contested and (digest := digest_of(bundle, reference))
        }
        try:
            filed = filed_otherwise(client, names)
        except RegistryError:
            return {}
        found |= {
            reference: filed[where]
            for reference in bundle.references
            if (where := (reference.site_repository, reference.tag)) in filed
        }
    return found


def _ca_text(config: Config) -> str:
    path = config.registry_ca
    if path is None or config.mode is not Mode.CUSTOM or config.registry_insecure:
        return ""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise of_local_files(error, str(path)) from error
