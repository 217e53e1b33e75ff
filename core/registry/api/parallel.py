"""Many small questions to a registry, a few at a time.

Each takes a line's way there and back, and a bundle needs hundreds.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from core.registry.api.transport import CONNECTIONS

Name = tuple[str, str]
"""A repository, and a tag or digest in it."""
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def asked(ask: Callable[[K], V], keys: Iterable[K]) -> dict[K, V]:
    """Return the answer to each question; the first error of any ends the others.

    Args:
        ask: Asks one; called from several threads.
        keys: What it is asked about.
    """
    keys = list(keys)
    with ThreadPoolExecutor(CONNECTIONS, "ask") as pool:
        return dict(zip(keys, pool.map(ask, keys), strict=True))
