"""One name for several platforms, layers packed in other ways, and a bundle in parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support.archives import ImageSpec, layer_tar
from tests.support.layouts import OCI_INDEX, Entry, as_json, entries_of, tar_bytes
from tests.support.oci import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    GZIP,
    Descriptor,
    Kinds,
    Layout,
    full_name,
    on_platform,
)

NAME = "quay.io/site/both:1"


def two_platforms() -> list[ImageSpec]:
    """Return the same image for amd64 and arm64; they share a layer."""
    shared = layer_tar(1, 9000)
    return [
        ImageSpec([NAME], [shared, layer_tar(2, 4000)]),
        ImageSpec([NAME], [shared, layer_tar(3, 4000)], "linux/arm64/v8"),
    ]


def index_of(images: Sequence[ImageSpec], kinds: Kinds = GZIP) -> bytes:
    """Return the index that `several` writes: a manifest for each platform."""
    entries = [_entry(Layout(), image, kinds) for image in images]
    return as_json({"schemaVersion": 2, "mediaType": _kind(kinds), "manifests": entries})


def several(
    images: Sequence[ImageSpec],
    kinds: Kinds = GZIP,
    *,
    absent: Sequence[ImageSpec] = (),
    name: str = NAME,
) -> list[Entry]:
    """Return a layout with one name for several platforms, index within index.

    Args:
        images: One for each platform.
        kinds: How they are stored.
        absent: Images that the index names, and that are not in the layout.
        name: Their name.
    """
    layout = Layout()
    entries = [_entry(layout, image, kinds) for image in images]
    entries += [_entry(Layout(), image, kinds) for image in absent]
    return layout.entries({**layout.index(*entries, kind=_kind(kinds)), **full_name(name)})


def _entry(layout: Layout, image: ImageSpec, kinds: Kinds) -> Descriptor:
    return {**layout.image(image, kinds=kinds), **on_platform(image.platform)}


def _kind(kinds: Kinds) -> str:
    return DOCKER_LIST if kinds.manifest == DOCKER_MANIFEST else OCI_INDEX


def layout_of(image: ImageSpec, kinds: Kinds) -> list[Entry]:
    """Return a layout with one image under its first name."""
    layout = Layout()
    return layout.entries({**layout.image(image, kinds=kinds), **full_name(image.tags[0])})


def write_layout(directory: Path, entries: Sequence[Entry]) -> Path:
    """Write a layout as a directory."""
    for entry in entries:
        path = directory / entry.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(entry.data)
    return directory


def with_layers_packed(archive: bytes, pack: Callable[[bytes], bytes]) -> bytes:
    """Return a docker-archive whose layers are packed; their names stay."""
    return tar_bytes(
        Entry(entry.name, pack(entry.data), entry.kind, entry.link)
        if entry.name.endswith("layer.tar") and entry.data
        else entry
        for entry in entries_of(archive)
    )


def split(data: bytes, path: Path, parts: int) -> list[Path]:
    """Write data in parts beside each other, as `split -d` names them; return their paths."""
    size = -(-len(data) // parts)
    made = []
    for number in range(parts):
        made.append(path.with_name(f"{path.name}.{number:02}"))
        made[-1].write_bytes(data[number * size : (number + 1) * size])
    return made
