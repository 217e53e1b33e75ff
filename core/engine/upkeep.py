"""How the DU's registry stands: what could be given back, and which generations it has. Blocks."""

from __future__ import annotations

from dataclasses import dataclass

from core.bundle.catalogue import Catalogue
from core.bundle.generations import Generation, generations_of, kept_and_old, names_in
from core.config import Config
from core.registry.integrity.gc import plan_sweep
from core.registry.local.storage import Storage


@dataclass(frozen=True)
class Generations:
    """The generations of bundles that were imported.

    Args:
        titles: Of the series that has most of them, the newest first.
        room_bytes: What would be given back if of each series only the newest stayed.
    """

    titles: tuple[str, ...]
    room_bytes: int


def room_of_deleted(config: Config) -> int:
    """Return how many bytes of the registry no name needs.

    Raises:
        RegistryDamaged: nobody can tell.
    """
    return plan_sweep(Storage(config.registry_dir)).size_bytes


def generations_now(config: Config) -> Generations:
    """Return which generations there are.

    Raises:
        RegistryDamaged: nobody can tell what clearing them would give back.
    """
    found = _generations(config)
    longest = max(found.values(), key=len, default=[])
    kept, old = kept_and_old(found, 1)
    kept_names, old_names = names_in(kept), names_in(old)
    storage = Storage(config.registry_dir)
    going = [
        name
        for name in storage.tags()
        if (written := f"{name[0]}:{name[1]}") in old_names and written not in kept_names
    ]
    room_bytes = plan_sweep(storage, going).size_bytes if going else 0
    return Generations(tuple(one.title for one in longest), room_bytes)


def _generations(config: Config) -> dict[str, list[Generation]]:
    dated = [one for one in Catalogue(config.state_dir).dated() if one.bundle.imported]
    return generations_of(dated)
