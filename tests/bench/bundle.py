"""Bundles of this machine's own files, laid out as Docker 20.10 writes them.

A directory for each layer, `VERSION` and `json` in it, members in the order of their names: so a
link may come before what it points to, and `manifest.json` comes last but one. Made by a process
of its own (`python -m tests.bench.bundle SHAPE PATH MEGABYTES`), whose memory must not count as
that of the programs that are measured.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.archives import add_directory, add_file, add_link, add_text
from tests.lab.realfiles import RealFile, real_files

PARTS = 20


@dataclass(frozen=True)
class Shape:
    """What a bundle consists of, in twentieths of its size.

    Args:
        layers: The layers and how many parts each takes.
        images: The images and their layers, lowest first.
    """

    layers: dict[str, int]
    images: dict[str, tuple[str, ...]]


def _site() -> Shape:
    """Eleven images on one base, which is an image, too; ten of them on one of two runtimes."""
    own = [f"own-{number}" for number in range(10)]
    layers = {"base": 3, "runtime-0": 4, "runtime-1": 3, **dict.fromkeys(own, 1)}
    images: dict[str, tuple[str, ...]] = {"base": ("base",)}
    for number, name in enumerate(own):
        images[f"image-{number}"] = ("base", f"runtime-{number % 2}", name)
    return Shape(layers, images)


def _twenty() -> Shape:
    names = [f"layer-{number}" for number in range(PARTS)]
    return Shape(dict.fromkeys(names, 1), {"image": tuple(names)})


def _five(changed: bool) -> Shape:
    """Five images on one base; in the next release the last one has another layer of its own."""
    own = [f"own-{number}" for number in range(6)]
    layers = {"base": 5, **dict.fromkeys(own, 3)}
    used = [*own[:4], own[5] if changed else own[4]]
    return Shape(layers, {f"image-{n}": ("base", name) for n, name in enumerate(used)})


SHAPES = {
    "site": _site(),
    "five": _five(changed=False),
    "five-next": _five(changed=True),
    "one": Shape({"layer": PARTS}, {"image": ("layer",)}),
    "twenty": _twenty(),
}


def real_bundle(path: Path, shape: str, megabytes: int) -> list[str]:
    """Write a bundle of one of the `SHAPES`; all shapes hold the same files.

    Returns:
        The tags, one an image.
    """
    command = [sys.executable, "-m", "tests.bench.bundle", shape, str(path), str(megabytes)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    tags: list[str] = json.loads(done.stdout)
    return tags


def compressed(bundle: Path) -> Path:
    """Write `BUNDLE.gz` with gzip, as a person would, and return its path."""
    path = bundle.with_name(f"{bundle.name}.gz")
    with path.open("wb") as output:
        subprocess.run(["gzip", "-1", "-c", str(bundle)], stdout=output, check=True)
    return path


def _write(shape: Shape, path: Path, megabytes: int) -> list[str]:
    files = _endless_files()
    part_bytes = megabytes * 1_000_000 // PARTS
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="layers-") as scratch:
        contents = _Contents()
        for name, parts in shape.layers.items():
            layer = Path(scratch, name)
            _write_layer(layer, files, parts, part_bytes)
            contents.layers[name] = layer
        for name, layers in shape.images.items():
            contents.add_image(f"example.org/bench/{name}:1", layers)
        with tarfile.open(path, "w") as tar:
            contents.write(tar)
    return contents.tags


def _endless_files() -> Iterator[tuple[str, RealFile]]:
    """Give the files and their names in a layer; all again under other names if they run out."""
    for turn in itertools.count():
        prefix = f"copy-{turn}" if turn else ""
        for file in real_files():
            if os.access(file.path, os.R_OK):
                yield f"{prefix}{file.path}".lstrip("/"), file


def _write_layer(
    path: Path, files: Iterator[tuple[str, RealFile]], parts: int, part_bytes: int
) -> None:
    with tarfile.open(path, "w") as tar:
        for _ in range(parts):
            begun = tar.offset
            for name, file in files:
                add_file(tar, name, file.path)
                if tar.offset - begun >= part_bytes:
                    break


@dataclass
class _Contents:
    """The members of a bundle: documents, links, and files with the layers."""

    layers: dict[str, Path] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    _members: dict[str, str | Path] = field(default_factory=dict)
    _links: dict[str, str] = field(default_factory=dict)
    _places: dict[str, str] = field(default_factory=dict)
    _diff_ids: dict[str, str] = field(default_factory=dict)
    _listing: list[dict[str, object]] = field(default_factory=list)

    def add_image(self, tag: str, layers: tuple[str, ...]) -> None:
        """Add an image; its lower layers have the same directories in all images, as in 20.10."""
        identities = ["/".join(layers[: depth + 1]) for depth in range(len(layers))]
        identities[-1] += f" of {tag}"
        names = [self._add_layer(*pair) for pair in zip(layers, identities, strict=True)]
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "created": "2024-01-01T00:00:00Z",
                "config": {"Cmd": ["/bin/true"], "Labels": {"bench": tag}},
                "history": [{"created": "2024-01-01T00:00:00Z"} for _ in layers],
                "rootfs": {"type": "layers", "diff_ids": [self._diff_id(name) for name in layers]},
            }
        )
        name = f"{hashlib.sha256(config.encode()).hexdigest()}.json"
        self._members[name] = config
        self._listing.append({"Config": name, "RepoTags": [tag], "Layers": names})
        self.tags.append(tag)

    def _add_layer(self, layer: str, identity: str) -> str:
        directory = hashlib.sha256(identity.encode()).hexdigest()
        name = f"{directory}/layer.tar"
        self._members[f"{directory}/VERSION"] = "1.0"
        self._members[f"{directory}/json"] = json.dumps({"id": directory, "os": "linux"})
        if self._places.setdefault(layer, name) == name:
            self._members[name] = self.layers[layer]
        else:
            self._links[name] = f"../{self._places[layer]}"
        return name

    def _diff_id(self, layer: str) -> str:
        if layer not in self._diff_ids:
            with self.layers[layer].open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            self._diff_ids[layer] = f"sha256:{digest}"
        return self._diff_ids[layer]

    def write(self, tar: tarfile.TarFile) -> None:
        """Write it all in the order of names; a layer's file is removed once it is in."""
        self._members["manifest.json"] = json.dumps(self._listing)
        self._members["repositories"] = "{}"
        directories = {name.partition("/")[0] + "/" for name in self._members if "/" in name}
        for name in sorted([*self._members, *self._links, *directories]):
            content = self._members.get(name)
            if name in directories:
                add_directory(tar, name)
            elif name in self._links:
                add_link(tar, name, self._links[name])
            elif isinstance(content, Path):
                add_file(tar, name, content)
                content.unlink()
            else:
                add_text(tar, name, content or "")


if __name__ == "__main__":
    shape_name, target, size = sys.argv[1:]
    print(json.dumps(_write(SHAPES[shape_name], Path(target), int(size))))
