"""What the site's registry holds, for commands and screens: where it came from, and deleting it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from core.bundle.catalogue import Catalogue
from core.bundle.discovery import find_bundles
from core.bundle.model import Bundle
from core.bundle.reference import parse_reference
from core.config import Config, Mode, ensure_state_dir
from core.engine.lock import engine_lock, note_work
from core.errors import BundleError, RegistryError, UnsafeBundle, UsageError
from core.registry.api.client import RegistryClient
from core.registry.content.inventory import TagEntry, delete_names, read_holdings
from core.registry.local.server import RegistryServer, registry_client
from core.secrets import NO_REGISTRY_LOGIN, RegistryLogin

LOCK_PATIENCE_S = 1.0


@dataclass(frozen=True)
class Held:
    """One name of the registry.

    Args:
        name: Repository and tag.
        digest: What it stands for.
        size_bytes: Of all that it needs; names of one base share parts.
        platforms: What it is for.
        image_ids: The images that it stands for.
        bundle: The bundle that brought it; empty where that is not known.
        comes_back: The bundle in imagesDir that would bring it back; empty if none would.
        problem: Why nothing more is known of it.
    """

    name: str
    digest: str
    size_bytes: int
    platforms: tuple[str, ...]
    image_ids: tuple[str, ...]
    bundle: str
    comes_back: str
    problem: str


def held(config: Config, login: RegistryLogin = NO_REGISTRY_LOGIN) -> list[Held]:
    """Return everything that the registry holds under a name, by name. Blocks.

    Args:
        config: The site.
        login: The login to its registry that was typed.

    Raises:
        RegistryError: it does not answer, or is none.
    """
    with _client_of(config, login) as client:
        return _with_origin(config, read_holdings(client))


def delete_held(config: Config, names: Iterable[str]) -> list[Held]:
    """Take names away from the registry, and return what they were. Blocks.

    The room is given back when the registry is cleared up: parts may belong to other names.

    Args:
        config: The site.
        names: As `held` has them, or as hosts or bundles write them.

    Raises:
        BusyError: a run is at work.
        UsageError: there is no such name, or the registry is not Airferry's.
        RegistryError: it refused.
    """
    require_deletable(config)
    state_dir = ensure_state_dir(config)
    with _client_of(config) as client, engine_lock(state_dir, LOCK_PATIENCE_S):
        status = RegistryServer(config).status(client)
        if status.running and not status.ours:
            raise RegistryError(
                f"what answers at {status.address} is not this site's registry",
                remedy="Stop that program, or choose another registryPort in the config.",
            )
        note_work(state_dir, "a deletion from the registry")
        if status.ours and RegistryServer(config).reads_only():
            RegistryServer(config).start()
        holdings = read_holdings(client)
        going = chosen(config, [holding.name for holding in holdings], names)
        found = [entry for entry in _with_origin(config, holdings) if entry.name in going]
        wanted = [h for h in holdings if h.name in going]
        delete_names(client, holdings, frozenset((h.repository, h.tag) for h in wanted))
        return found


def require_deletable(config: Config) -> None:
    """Refuse a site of whose registry nothing may be deleted.

    Raises:
        UsageError: the registry is not Airferry's.
    """
    if config.mode is Mode.CUSTOM:
        raise UsageError(
            "in mode custom the registry is not Airferry's: nothing is deleted there",
            remedy=f"Delete it where it runs: {config.registry_base}",
        )


def chosen(config: Config, there: Sequence[str], names: Iterable[str]) -> frozenset[str]:
    """Return the names of the registry that are meant.

    Args:
        config: The site.
        there: What the registry has.
        names: As it has them, or as hosts or bundles write them.

    Raises:
        UsageError: one of them is not there.
    """
    known, found, unknown = frozenset(there), set[str](), []
    for name in names:
        ways = (name, name.removeprefix(f"{config.name_prefix}/"), *_as_of_a_bundle(name))
        match = next((way for way in ways if way in known), None)
        if match:
            found.add(match)
        else:
            unknown.append(name)
    if unknown:
        raise UsageError(
            f"the registry does not hold {', '.join(unknown)}",
            remedy="List what it holds: airferry registry list",
        )
    return frozenset(found)


def _as_of_a_bundle(name: str) -> list[str]:
    """Return what an original name is in the registry: with the registry it came from, or not."""
    try:
        reference = parse_reference(name)
    except UnsafeBundle:
        return []
    ways = (replace(reference, kept=kept) for kept in (True, False))
    return [f"{way.site_repository}:{way.tag}" for way in ways]


@contextmanager
def _client_of(
    config: Config, login: RegistryLogin = NO_REGISTRY_LOGIN
) -> Iterator[RegistryClient]:
    client = registry_client(config, login)
    try:
        yield client
    finally:
        client.close()


def _with_origin(config: Config, holdings: Iterable[TagEntry]) -> list[Held]:
    catalogue = Catalogue(config.state_dir)
    brought = _brought_by(catalogue.all())
    returning = {name: bundle for (name, _), bundle in _brought_by(_here(config)).items()}
    return [
        Held(
            name=holding.name,
            digest=holding.digest,
            size_bytes=holding.size_bytes,
            platforms=holding.platforms,
            image_ids=holding.image_ids,
            bundle=next(
                (
                    brought[holding.name, i]
                    for i in holding.image_ids
                    if (holding.name, i) in brought
                ),
                "",
            ),
            comes_back=returning.get(holding.name, ""),
            problem=holding.problem,
        )
        for holding in holdings
    ]


def _here(config: Config) -> list[Bundle]:
    """Return what is known of the bundles in imagesDir."""
    try:
        files, _ = find_bundles(config.images_dir)
    except BundleError:
        return []
    catalogue = Catalogue(config.state_dir)
    return [bundle for file in files if (bundle := catalogue.find(file)) is not None]


def _brought_by(bundles: Iterable[Bundle]) -> Mapping[tuple[str, str], str]:
    """Return the bundle of each name and image."""
    return {
        (f"{reference.site_repository}:{reference.tag}", image.image_id): bundle.name
        for bundle in bundles
        for reference, images in bundle.references.items()
        for image in images
    }
