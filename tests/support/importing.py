"""Importing bundles as a site does it: a client, and an index of layers that outlives imports."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from core.bundle.catalogue import LayerIndex
from core.bundle.discovery import bundle_file
from core.bundle.model import Layer
from core.registry.api.client import RegistryClient
from core.registry.imports.import_pass import Ingested, IngestOptions
from core.registry.imports.importer import Import
from core.registry.imports.publish import publish
from tests.support.waiting import HANG_S

Told = Callable[[int], None]


def tell_nobody(_: int) -> None:
    """Take progress and do nothing with it."""


class NotedLayers(dict[int, Layer]):
    """The layers that an import saw stored, with a way to wait for them."""

    def __init__(self) -> None:
        super().__init__()
        self._news = threading.Condition()

    def __setitem__(self, offset_bytes: int, layer: Layer) -> None:
        with self._news:
            super().__setitem__(offset_bytes, layer)
            self._news.notify_all()

    def wait_for(self, count: int) -> None:
        """Wait until so many layers are stored.

        Raises:
            TimeoutError: they are not.
        """
        with self._news:
            if not self._news.wait_for(lambda: len(self) >= count, HANG_S):
                raise TimeoutError(f"{len(self)} layers stored instead of {count}")


@dataclass
class Importer:
    """One site's way to import."""

    client: RegistryClient
    directory: Path
    options: IngestOptions = field(default_factory=IngestOptions)

    @property
    def index_path(self) -> Path:
        return self.directory / "layers.jsonl"

    @property
    def noted(self) -> list[str]:
        """The lines of the index."""
        return [line for line in self.index_path.read_text().splitlines() if line]

    def importing(self, path: Path, stop: threading.Event | None = None) -> Import:
        """Return the import of a bundle, not run yet, with the index read anew."""
        index = LayerIndex(self.index_path)
        return Import(
            bundle_file(path), self.client, index, stop or threading.Event(), self.options
        )

    def written(self, data: bytes, name: str = "b.tar") -> Path:
        """Write a bundle and return its path."""
        path = self.directory / name
        path.write_bytes(data)
        return path

    def ingest(
        self,
        bundle: bytes | Path,
        told: Told = tell_nobody,
        stop: threading.Event | None = None,
    ) -> Ingested:
        """Import the layers of a bundle; it gets no names."""
        path = self.written(bundle) if isinstance(bundle, bytes) else bundle
        return self.importing(path, stop).run(told)

    def put(self, bundle: bytes | Path) -> Ingested:
        """Import a bundle and name its images."""
        done = self.ingest(bundle)
        publish(done.bundle, self.client, threading.Event())
        return done
