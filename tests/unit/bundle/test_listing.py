"""What a bundle is said to hold: by its headers, or after every byte was looked at."""

from __future__ import annotations

import gc
import gzip
import io
import tarfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from core.bundle import listing
from core.bundle.discovery import bundle_file
from core.bundle.listing import list_bundle, verify_bundle
from core.bundle.model import DOCKER_LAYER_GZIP, OCI_LAYER_ZSTD, Bundle, BundleFile
from core.bundle.source import OpenBundle, open_bundle
from core.errors import BundleCorrupt, BundleTruncated, Cancelled, NotABundle
from tests.support.archives import (
    ImageSpec,
    docker_archive,
    layer_tar,
    sample_images,
    tar_of,
    write_bundle,
)
from tests.support.layouts import Entry, as_json, tar_bytes
from tests.support.oci import GZIP, ZSTD, Kinds, Layout
from tests.support.reading import cancelled_after, facts_of, facts_wanted

GIB = 1 << 30
MIB = 1 << 20


class Counted(io.FileIO):
    """A file of which is known how much was really read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size)
        Counted.taken += len(data)
        return data


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> type[Counted]:
    """Count what is read of bundles from now on."""

    def opened(path: Path) -> BinaryIO:
        return Counted(path)

    monkeypatch.setattr("core.bundle.source._opened", opened)
    Counted.taken = 0
    return Counted


def write_sparse(path: Path, layer_bytes: int) -> ImageSpec:
    """Write a bundle whose one layer is zeros that take no room on the disk."""
    image = ImageSpec(["huge:1"], [b"stands for the layer"])
    header = tarfile.TarInfo("layer.tar")
    header.size = layer_bytes
    listing = [{"Config": "c.json", "RepoTags": image.tags, "Layers": ["layer.tar"]}]
    rest = tar_bytes([Entry("c.json", image.config), Entry("manifest.json", as_json(listing))])
    with path.open("wb") as file:
        file.write(header.tobuf())
        file.seek(layer_bytes, io.SEEK_CUR)
        file.write(rest)
    return image


def test_names_sizes_and_what_the_config_says(tmp_path: Path) -> None:
    images = sample_images()
    found = list_bundle(bundle_file(write_bundle(tmp_path / "a.tar", images)))
    assert facts_wanted(images) == facts_of(found.images)
    assert [[len(layer) for layer in image.layers] for image in images] == [
        [layer.bundle_bytes for layer in image.layers] for image in found.images
    ]
    assert {("", "")} == {
        (layer.digest, layer.source_digest) for image in found.images for layer in image.layers
    }
    assert ("docker-archive", False) == (found.layout, found.imported)


def test_what_is_to_be_sent_is_estimated_from_the_beginning_of_each_layer(tmp_path: Path) -> None:
    layer = layer_tar(1, 3_000_000)
    path = write_bundle(tmp_path / "a.tar", [ImageSpec(["a:1"], [layer])])
    estimate = list_bundle(bundle_file(path)).images[0].layers[0].size_bytes
    assert abs(estimate - len(gzip.compress(layer, 1))) < len(layer) // 20


@pytest.mark.parametrize("kinds", [GZIP, ZSTD])
def test_what_is_compressed_already_is_sent_as_it_is(tmp_path: Path, kinds: Kinds) -> None:
    layout = Layout()
    image = ImageSpec(["a:1"], [layer_tar(1)])
    path = tmp_path / "a.tar"
    path.write_bytes(layout.tar(layout.image(image, kinds)))
    for found in (list_bundle(bundle_file(path)), verify_bundle(bundle_file(path))):
        layer = found.images[0].layers[0]
        assert (len(kinds.pack(image.layers[0])),) * 2 == (layer.size_bytes, layer.bundle_bytes)


@pytest.mark.parametrize(
    ("kinds", "media_type"), [(GZIP, DOCKER_LAYER_GZIP), (ZSTD, OCI_LAYER_ZSTD)]
)
def test_layers_of_zstd_are_called_so_before_any_import(
    tmp_path: Path, kinds: Kinds, media_type: str
) -> None:
    """Preflight has to know: older engines cannot pull them."""
    layout = Layout()
    path = tmp_path / "a.tar"
    path.write_bytes(layout.tar(layout.image(ImageSpec(["a:1"], [layer_tar(1)]), kinds)))
    assert media_type == list_bundle(bundle_file(path)).images[0].layers[0].media_type


def test_of_a_plain_tar_only_the_headers_are_read(tmp_path: Path, counted: type[Counted]) -> None:
    image = write_sparse(tmp_path / "huge.tar", 4 * GIB)
    file = bundle_file(tmp_path / "huge.tar")
    found = list_bundle(file)
    assert [(image.image_id, 4 * GIB)] == [
        (one.image_id, one.layers[0].bundle_bytes) for one in found.images
    ]
    assert counted.taken < 2 * MIB < file.size_bytes


def test_many_images_of_a_plain_tar(tmp_path: Path, counted: type[Counted]) -> None:
    images = [ImageSpec([f"a:{n}"], [tar_of(str(n), bytes(3 * MIB))]) for n in range(8)]
    file = bundle_file(write_bundle(tmp_path / "a.tar", images))
    assert facts_wanted(images) == facts_of(list_bundle(file).images)
    assert counted.taken < file.size_bytes // 2


def test_a_tar_that_was_cut_is_told_without_reading_it(
    tmp_path: Path, counted: type[Counted]
) -> None:
    path = tmp_path / "huge.tar"
    write_sparse(path, GIB)
    with path.open("ab") as file:
        file.truncate(GIB // 2)
    with pytest.raises(
        BundleTruncated, match=rf"huge\.tar: ends in the middle, at byte {GIB // 2}"
    ):
        list_bundle(bundle_file(path))
    assert counted.taken < 2 * MIB


def test_what_is_verified_is_read_to_the_last_byte(tmp_path: Path, counted: type[Counted]) -> None:
    images = sample_images()
    path = write_bundle(tmp_path / "a.tar", images)
    told: list[int] = []
    found = verify_bundle(bundle_file(path), progress=told.append)
    assert facts_wanted(images) == facts_of(found.images)
    assert {True} == {
        layer.source_digest == layer.diff_id for image in found.images for layer in image.layers
    }
    assert path.stat().st_size == counted.taken
    assert (told, True) == (sorted(told), told[-1] <= path.stat().st_size)


def test_a_flipped_bit_in_a_layer_is_found_by_verifying_only(tmp_path: Path) -> None:
    images = sample_images()
    data = bytearray(docker_archive(images))
    data[data.index(images[0].layers[1]) + 5000] ^= 1
    path = tmp_path / "a.tar"
    path.write_bytes(data)
    assert facts_wanted(images) == facts_of(list_bundle(bundle_file(path)).images)
    with pytest.raises(BundleCorrupt, match=r"a\.tar: image quay\.io/calico/node.* layer 2 of 2"):
        verify_bundle(bundle_file(path))


@pytest.mark.parametrize("read", [list_bundle, verify_bundle])
def test_what_is_not_whole_is_refused(tmp_path: Path, read: Callable[[BundleFile], Bundle]) -> None:
    data = docker_archive(sample_images())
    path = tmp_path / "a.tar"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(BundleTruncated, match=r"a\.tar"):
        read(bundle_file(path))


def test_a_tar_without_images_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tar_bytes([Entry("index.json", b'{"manifests": []}')]))
    with pytest.raises(NotABundle, match=r"a\.tar: no image in it"):
        list_bundle(bundle_file(path))


def test_verifying_can_be_ended(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "a.tar", sample_images())
    with pytest.raises(Cancelled):
        verify_bundle(bundle_file(path), cancelled_after(20))


@pytest.mark.parametrize("read", [list_bundle, verify_bundle])
def test_nothing_of_a_bundle_is_kept_when_it_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[BundleFile], Bundle]
) -> None:
    """Python does not see circles through objects of zstd: what is in one is never let go."""
    opened_bundles: list[weakref.ref[OpenBundle]] = []

    @contextmanager
    def noted(*arguments: Any, **options: Any) -> Iterator[OpenBundle]:  # noqa: ANN401
        with open_bundle(*arguments, **options) as opened:
            opened_bundles.append(weakref.ref(opened))
            yield opened

    monkeypatch.setattr(listing, "open_bundle", noted)
    path = write_bundle(tmp_path / "b.tar", sample_images())
    gc.disable()
    try:
        read(bundle_file(path))
        assert [None] == [reference() for reference in opened_bundles]
    finally:
        gc.enable()
