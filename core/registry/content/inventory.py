"""What a registry holds, name by name, and taking single names away."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.bundle.images import platform_name
from core.errors import RegistryError, RegistryStalled, RegistryUnreachable
from core.registry.api.client import RegistryClient
from core.registry.api.parallel import Name, asked
from core.registry.api.parsing import is_digest, is_size
from core.registry.content.staging import STAGE

MAX_CONFIG_BYTES = 4 << 20
UNKNOWN = "unknown/unknown"
_ABOUT = re.compile(r"sha256-([0-9a-f]{64})(?:\.\w+)?$")


@dataclass(frozen=True)
class TagEntry:
    """One name of a registry.

    Args:
        repository: Its repository.
        tag: Its tag.
        digest: What it stands for: a manifest, or a list of them.
        size_bytes: Of all that it needs, each part once.
        platforms: What it is for.
        image_ids: The digest of the config of each image that it stands for.
        children: The manifests that it names, where it is a list.
        problem: Why nothing more is known of it.
    """

    repository: str
    tag: str
    digest: str
    size_bytes: int = 0
    platforms: tuple[str, ...] = ()
    image_ids: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    problem: str = ""

    @property
    def name(self) -> str:
        """The name as people write it."""
        return f"{self.repository}:{self.tag}"


def repositories_in(client: RegistryClient) -> list[str]:
    """Return the repositories of a registry, without the one that imports use for themselves."""
    return [name for name in client.repositories() if name != STAGE]


def names_in(client: RegistryClient) -> list[Name]:
    """Return the (repository, tag) of everything that has a name."""
    tags = asked(client.tags, repositories_in(client))
    return [(repository, tag) for repository, listed in tags.items() for tag in listed]


def read_holdings(client: RegistryClient) -> list[TagEntry]:
    """Return everything that has a name, by name; what imports use for themselves is left out.

    Raises:
        RegistryError: the registry does not answer.
    """
    found = asked(lambda name: _holding(client, *name), names_in(client))
    return sorted(
        (holding for holding in found.values() if holding), key=lambda holding: holding.name
    )


def _holding(client: RegistryClient, repository: str, tag: str) -> TagEntry | None:
    """Ask what one name stands for; None where it has gone meanwhile."""
    digest = ""
    try:
        digest = client.manifest_digest(repository, tag) or ""
        document = _document(client, repository, digest) if digest else None
        if document is None:
            return None
        children = dict(_children(document))
        if not children:
            platform = _platform(client, repository, _config_digest(document))
            return _described(repository, tag, digest, {digest: document}, (platform,), ())
        images = {child: _document(client, repository, child) for child in children}
        there = {child: found for child, found in images.items() if found is not None}
        platforms = tuple(children[child] for child in there if children[child] != UNKNOWN)
        return _described(repository, tag, digest, there, platforms, tuple(children))
    except (RegistryUnreachable, RegistryStalled):
        raise
    except RegistryError as error:  # a damaged one: the registry answers 500 when asked for it
        return TagEntry(repository, tag, digest, problem=error.what)


def _described(
    repository: str,
    tag: str,
    digest: str,
    images: Mapping[str, Mapping[str, Any]],
    platforms: tuple[str, ...],
    children: tuple[str, ...],
) -> TagEntry:
    blobs = {blob: size for image in images.values() for blob, size in _blobs(image)}
    ids = tuple(_config_digest(image) for image in images.values() if _is_of_image(image))
    return TagEntry(repository, tag, digest, sum(blobs.values()), platforms, ids, children)


def _is_of_image(document: Mapping[str, Any]) -> bool:
    """Whether a manifest is an image's: what a builder says of one has other layers."""
    layers = document.get("layers")
    listed = layers if isinstance(layers, list) else ()
    kinds = [one.get("mediaType") for one in listed if isinstance(one, dict)]
    return not any(isinstance(kind, str) and "in-toto" in kind for kind in kinds)


def _document(client: RegistryClient, repository: str, digest: str) -> Mapping[str, Any] | None:
    found = client.document(repository, digest)
    if found is None:
        return None
    document = _parsed(found[1])
    if document is None:
        raise RegistryError(f"{repository}: {digest} is no manifest")
    return document


def _parsed(data: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _children(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield digest and platform of each manifest that a list names."""
    listed = document.get("manifests")
    for entry in listed if isinstance(listed, list) else ():
        match entry:
            case {"digest": str(digest), "platform": dict(platform)} if is_digest(digest):
                yield digest, platform_name(platform)
            case {"digest": str(digest)} if is_digest(digest):
                yield digest, UNKNOWN


def _blobs(document: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield digest and size of each blob that a manifest names."""
    layers = document.get("layers")
    for entry in [document.get("config"), *(layers if isinstance(layers, list) else ())]:
        match entry:
            case {"digest": str(digest), "size": int(size)} if is_digest(digest) and is_size(size):
                yield digest, size


def _config_digest(document: Mapping[str, Any]) -> str:
    match document.get("config"):
        case {"digest": str(digest)} if is_digest(digest):
            return digest
    return ""


def _platform(client: RegistryClient, repository: str, config: str) -> str:
    """Return what an image is for, which its config says."""
    size = client.blob_size(repository, config) if config else None
    if size is None or size > MAX_CONFIG_BYTES:
        return UNKNOWN
    document = _parsed(b"".join(client.blob(repository, config, size)))
    return platform_name(document) if document else UNKNOWN


def with_what_is_about_them(
    holdings: Sequence[TagEntry], names: frozenset[Name]
) -> frozenset[Name]:
    """Return names, and those of signatures and the like that speak of nothing else.

    Those have tags made of a digest: `sha256-<hex>`, which may end in `.sig`, `.att`, `.sbom`.

    Args:
        holdings: All that a registry holds.
        names: Repository and tag of what is to go.
    """
    staying, going = set[Name](), set[Name]()
    for holding in holdings:
        found = going if (holding.repository, holding.tag) in names else staying
        found |= {(holding.repository, digest) for digest in (holding.digest, *holding.children)}
    about = {
        (holding.repository, holding.tag): (holding.repository, f"sha256:{match[1]}")
        for holding in holdings
        if (match := _ABOUT.match(holding.tag))
    }
    orphans = {name for name, subject in about.items() if subject in going - staying}
    return names if orphans <= names else with_what_is_about_them(holdings, names | orphans)


def delete_names(
    client: RegistryClient, holdings: Sequence[TagEntry], names: frozenset[Name]
) -> None:
    """Take names away, and what only they needed: also signatures and the like of what goes.

    A registry deletes by digest, and every name of that digest with it; and a list of platforms
    breaks when a manifest in it goes. So where others need a manifest, only the name is taken.

    Args:
        client: The registry.
        holdings: All that it holds.
        names: Repository and tag of what is to go.

    Raises:
        RegistryError: it refused.
    """
    names = with_what_is_about_them(holdings, names)
    kept = [h for h in holdings if (h.repository, h.tag) not in names]
    going = [h for h in holdings if (h.repository, h.tag) in names]
    needed = {(h.repository, digest) for h in kept for digest in (h.digest, *h.children)}
    for holding in going:
        if (holding.repository, holding.digest) in needed or not holding.digest:
            client.delete_tag(holding.repository, holding.tag)
        else:
            client.delete_manifest(holding.repository, holding.digest)
    orphans = {(h.repository, child) for h in going for child in h.children} - needed
    for repository, child in sorted(orphans):
        client.delete_manifest(repository, child)
