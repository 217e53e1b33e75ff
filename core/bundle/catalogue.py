"""What is known of bundles, kept between runs: contents of each, and a checkpoint while importing.

A record stands for one file of one size and time. The checkpoint lists the layers of a bundle that
are already in the registry, so that an import that was killed sends none of them again; it is only
a hint: each layer is hashed again, and the registry is asked for each blob.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.bundle.model import Bundle, BundleFile, Image, Layer
from core.bundle.reference import Reference


class Catalogue:
    """The records under `stateDir/bundles`.

    Args:
        state_dir: The state directory.
    """

    def __init__(self, state_dir: Path) -> None:
        self._directory = state_dir / "bundles"

    def find(self, file: BundleFile) -> Bundle | None:
        """Return what is known of this file, or None."""
        try:
            record = json.loads(self._record_path(file).read_bytes())
            return _bundle(record)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def keep(self, file: BundleFile, bundle: Bundle) -> None:
        """Write the record of a bundle, atomically."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._record_path(file)
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(bundle)), encoding="utf-8")
        draft.replace(path)

    def checkpoint(self, file: BundleFile) -> Checkpoint:
        """Return the checkpoint of this file."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Checkpoint(self._directory / f"{file.key}.layers")

    def _record_path(self, file: BundleFile) -> Path:
        return self._directory / f"{file.key}.json"


class Checkpoint:
    """The layers of one bundle that were stored: a line of JSON each, appended as they finish."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._layers: dict[int, Layer] = {}
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            lines = []
        for line in lines:
            self._load(line)

    def _load(self, line: bytes) -> None:
        try:
            record = json.loads(line)
            offset_bytes = int(record.pop("offset"))
            self._layers[offset_bytes] = Layer(**record)
        except (ValueError, KeyError, TypeError, AttributeError):
            return  # a line cut short by a power failure: that layer is sent again

    def layer_at(self, offset_bytes: int) -> Layer | None:
        """Return the layer whose content begins at this place of the archive, if it was stored."""
        return self._layers.get(offset_bytes)

    def add(self, offset_bytes: int, layer: Layer) -> None:
        """Note a layer that the registry has confirmed.

        The line begins anew, because the one before may have been cut short.
        """
        self._layers[offset_bytes] = layer
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps({"offset": offset_bytes, **asdict(layer)}) + "\n")

    def clear(self) -> None:
        """Forget it all: the bundle is done, or turned out to be another."""
        self._layers.clear()
        self._path.unlink(missing_ok=True)


def _bundle(record: dict[str, Any]) -> Bundle:
    images = tuple(
        Image(
            **{
                **image,
                "references": tuple(Reference(**name) for name in image["references"]),
                "layers": tuple(Layer(**layer) for layer in image["layers"]),
            }
        )
        for image in record["images"]
    )
    return Bundle(record["name"], record["size_bytes"], images, record["imported"])
