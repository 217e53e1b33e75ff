"""Lists of what speaks of an image (signatures, SBOMs), for registries that keep none themselves.

The distribution specification calls it the referrers tag schema: a tag `sha256-<hex>` stands for an
index of the manifests whose `subject` is that digest. CNCF distribution has nothing else; and a tag
is what clearing up and backups go by, so it is written everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from core.bundle.carried import Carried, CarriedKind
from core.bundle.model import OCI_INDEX, Bundle
from core.bundle.reference import digest_tag
from core.errors import BundleCorrupt
from core.registry.api.client import RegistryClient
from core.registry.api.parallel import Name, asked
from core.registry.content.missing import MissingPart
from core.registry.content.snapshot import Document

_TAG = re.compile(r"sha256-[0-9a-f]{64}")
Descriptor = Mapping[str, Any]


def is_of_referrers(tag: str) -> bool:
    """Whether a tag stands for the list of what speaks of a manifest."""
    return bool(_TAG.fullmatch(tag))


def lacks_of_referrers(bundle: Bundle, client: RegistryClient) -> list[MissingPart]:
    """Return what a bundle carries and the registry's lists of referrers do not name."""
    wanted: dict[Name, dict[str, Descriptor]] = {}
    for repository in {r.site_repository for one in bundle.carried for r in one.repositories}:
        for tag, entries in _wanted(bundle, repository).items():
            wanted[repository, tag] = entries
    there = asked(lambda name: _listed(client, *name), wanted)
    return [
        MissingPart(f"{name[0]}:{name[1]}", f"entry for {digest}", 0)
        for name, entries in wanted.items()
        for digest in entries
        if digest not in {one["digest"] for one in there[name] or ()}
        and client.manifest_digest(name[0], digest_tag(digest)) is None
    ]


def put_referrers(
    bundle: Bundle, client: RegistryClient, repository: str, go_on: Callable[[], None]
) -> None:
    """Add what a bundle carries to the lists of a repository; what stands there stays.

    Args:
        bundle: The bundle; its manifests are there already.
        client: The registry.
        repository: Where.
        go_on: Called before each; raises to end it.

    Raises:
        RegistryError: the registry refused or went away.
    """
    texts = {one.manifest_digest: one for one in bundle.carried}
    for tag, entries in _wanted(bundle, repository).items():
        go_on()
        there = _listed(client, repository, tag)
        if there is None:  # another thing has that tag: then each gets one of its own
            for digest in entries:
                one = texts[digest]
                client.put_manifest(repository, digest_tag(digest), one.manifest, one.manifest_type)
            continue
        new = [entry for digest, entry in entries.items() if digest not in _digests(there)]
        if new:
            index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*there, *new]}
            text = json.dumps(index, separators=(",", ":"))
            client.put_manifest(repository, tag, text, OCI_INDEX)


def _wanted(bundle: Bundle, repository: str) -> dict[str, dict[str, Descriptor]]:
    """Return what each list of a repository is to name, by its tag."""
    found: dict[str, dict[str, Descriptor]] = {}
    for one in bundle.carried:
        if repository not in {place.site_repository for place in one.repositories}:
            continue
        if one.subject.startswith("sha256:"):
            tag = one.subject.replace(":", "-", 1)
            found.setdefault(tag, {})[one.manifest_digest] = one.descriptor
        for own in one.references:
            if own.site_repository == repository and is_of_referrers(own.tag):
                found.setdefault(own.tag, {}).update(_entries_of(bundle, one))
    return found


def _entries_of(bundle: Bundle, one: Carried) -> dict[str, Descriptor]:
    """Return what a list of referrers that the bundle itself has names."""
    if one.kind is not CarriedKind.INDEX:
        return {}
    taken = {other.manifest_digest for other in bundle.carried}
    listed = Document("", one.manifest.encode()).listed
    return {entry["digest"]: entry for entry in listed if entry["digest"] in taken}


def _listed(client: RegistryClient, repository: str, tag: str) -> list[Descriptor] | None:
    """Return what a list names; None where the tag stands for something else."""
    found = client.document(repository, tag)
    if found is None:
        return []
    try:
        return Document(*found).listed if found[0].startswith(OCI_INDEX) else None
    except BundleCorrupt:
        return None


def _digests(entries: Iterable[Descriptor]) -> set[str]:
    return {str(entry["digest"]) for entry in entries}
