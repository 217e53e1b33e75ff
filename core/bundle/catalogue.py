"""What is known between runs: the contents of each bundle, and the blob that each layer became.

Both are hints. A record stands for one file of one size and time, and the registry is asked for
every blob of it; a layer that the index knows is hashed again all the same.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.bundle.carried import Carried, CarriedKind
from core.bundle.generations import Dated
from core.bundle.layers import LayerStream
from core.bundle.left_out import LeftOut, Why
from core.bundle.model import Bundle, BundleFile, Fault, Image, Layer, ManifestList
from core.bundle.reference import Reference
from core.files import write_atomically


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
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            return None

    def all(self) -> list[Bundle]:
        """Return what is known of any bundle, also of those that are gone."""
        return [one.bundle for one in self.dated()]

    def dated(self) -> list[Dated]:
        """Return the same, each with when it was last imported (or listed, before that)."""
        found = []
        for path in sorted(self._directory.glob("*.json")):
            try:
                bundle = _bundle(json.loads(path.read_bytes()))
                found.append(Dated(bundle, path.stat().st_mtime))
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return found

    def keep(self, file: BundleFile, bundle: Bundle) -> None:
        """Write the record of a bundle, atomically."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self._record_path(file), json.dumps(asdict(bundle)))

    def keep_checked(self, file: BundleFile) -> None:
        """Note that every byte of a bundle was found to be what it should, now."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self._checked_path(file), "")

    def checked_at(self, file: BundleFile) -> float | None:
        """Return when a bundle was last found whole, in seconds since the epoch."""
        try:
            return self._checked_path(file).stat().st_mtime
        except OSError:
            return None

    def layers(self) -> LayerIndex:
        """Return the index of layers."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return LayerIndex(self._directory / "layers.jsonl")

    def _checked_path(self, file: BundleFile) -> Path:
        return self._directory / f"{file.key}.checked"

    def _record_path(self, file: BundleFile) -> Path:
        return self._directory / f"{file.key}.json"


class LayerIndex:
    """Layers that the registry has confirmed: a line of JSON each, appended as they finish.

    A layer is told by its size and its first mebibyte, because that is known when it begins, and
    the same whatever file it comes in. So an import that was killed sends no layer again, and a
    bundle of the next release only those that are new.

    Args:
        path: The file; later lines count more than earlier ones.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._layers: dict[str, Layer] = {}
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            lines = []
        for line in lines:
            self._load(line)

    def _load(self, line: bytes) -> None:
        try:
            record = json.loads(line)
            key = str(record.pop("key"))
            self._layers[key] = Layer(**record)
        except (ValueError, KeyError, TypeError, AttributeError):
            return  # a line cut short by a power failure: that layer is sent again

    def key(self, layer: LayerStream, form: str) -> str:
        """Return what a layer that is about to be read is told by.

        Args:
            layer: The layer.
            form: What would be made of it, where that is not always the same.
        """
        first = hashlib.sha256(layer.first_chunk).hexdigest()
        return f"{layer.member.size_bytes}-{first}{form and '-' + form}"

    def find(self, key: str) -> Layer | None:
        """Return the layer, if one like it was stored."""
        return self._layers.get(key)

    def add(self, key: str, layer: Layer) -> None:
        """Note a layer that the registry has confirmed.

        The line begins anew, because the one before may have been cut short.
        """
        if self._layers.get(key) == layer:
            return
        self._layers[key] = layer
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps({"key": key, **asdict(layer)}) + "\n")


def _bundle(record: dict[str, Any]) -> Bundle:
    images = tuple(
        Image(
            **{
                **image,
                "references": _references(image),
                "layers": tuple(Layer(**layer) for layer in image["layers"]),
            }
        )
        for image in record["images"]
    )
    lists = tuple(
        ManifestList(**{**several, "references": _references(several)})
        for several in record["lists"]
    )
    return Bundle(
        record["name"],
        record["size_bytes"],
        images,
        record["imported"],
        lists,
        tuple(record["notes"]),
        record["layout"],
        left_out=tuple(_left_out(each) for each in record["left_out"]),
        carried=tuple(_carried(one) for one in record["carried"]),
        carries=record["carries"],
        faults=tuple(Fault(**fault) for fault in record.get("faults", ())),
        examined=record.get("examined", ""),
        imported_at=record.get("imported_at", 0.0),
        keeps_registry=record.get("keeps_registry", False),
    )


def _carried(record: dict[str, Any]) -> Carried:
    return Carried(
        CarriedKind(record["kind"]),
        record["manifest"],
        record["manifest_type"],
        tuple((str(digest), int(size)) for digest, size in record["blobs"]),
        tuple(Reference(**name) for name in record["references"]),
        tuple(Reference(**name) for name in record["beside"]),
        record["subject"],
    )


def _left_out(record: dict[str, Any]) -> LeftOut:
    return LeftOut(**{**record, "why": Why(record["why"])})


def _references(record: dict[str, Any]) -> tuple[Reference, ...]:
    return tuple(Reference(**name) for name in record["references"])
