"""A bundle's bytes: compression told by content, damage and ends told apart, cancel."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from core.bundle import bundle_file, compression_of, list_bundle, open_bundle
from core.errors import (
    BundleCorrupt,
    BundleError,
    BundleTruncated,
    Cancelled,
    NotABundle,
)
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.reading import facts_of, facts_wanted

IMAGES = [ImageSpec(["a.b/c:1"], [layer_tar(1, 20_000), layer_tar(2, 300)])]
DATA = docker_archive(IMAGES)
HALF = len(DATA) // 2
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": lambda data: gzip.compress(data, 1),
    "gzip members": lambda data: gzip.compress(data[:HALF], 1) + gzip.compress(data[HALF:], 9),
    "xz": lambda data: lzma.compress(data, preset=0),
    "xz streams": lambda data: lzma.compress(data[:HALF]) + lzma.compress(data[HALF:]),
    "bzip2": bz2.compress,
    "bzip2 streams": lambda data: bz2.compress(data[:HALF]) + bz2.compress(data[HALF:]),
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return a path whose name says nothing of the content."""
    return tmp_path / "bundle.img"


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\xfd7zXZ\0", "xz"),
        (b"BZh9", "bzip2"),
        (b"manifest", ""),
        (b"", ""),
        (b"\x1f", ""),
    ],
)
def test_compression_is_told_by_the_first_bytes(head: bytes, name: str) -> None:
    assert name == compression_of(head)


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_whole_bundles(bundle: Path, kind: str) -> None:
    bundle.write_bytes(COMPRESSIONS[kind](DATA))
    found = list_bundle(bundle_file(bundle))
    assert facts_wanted(IMAGES) == facts_of(found.images)
    assert ("bundle.img", bundle.stat().st_size, False) == (
        found.name,
        found.size_bytes,
        found.imported,
    )


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_cut_anywhere_before_the_end(bundle: Path, kind: str) -> None:
    """A compressed file is only whole with its last byte; a tar may lack its padding."""
    data = COMPRESSIONS[kind](DATA)
    last = len(DATA.rstrip(b"\0")) if kind == "plain" else len(data) - 1
    random_cuts = random.Random(1).sample(range(513, last), 12)  # noqa: S311 - any cuts will do
    for cut in [*random_cuts, last]:
        bundle.write_bytes(data[:cut])
        with pytest.raises(BundleTruncated, match=r"bundle\.img"):
            list_bundle(bundle_file(bundle))


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_cut_in_the_first_bytes(bundle: Path, kind: str) -> None:
    data = COMPRESSIONS[kind](DATA)
    for cut in range(1, 20):
        bundle.write_bytes(data[:cut])
        with pytest.raises(BundleError, match=r"bundle\.img"):
            list_bundle(bundle_file(bundle))


@pytest.mark.parametrize("kind", [kind for kind in COMPRESSIONS if kind != "plain"])
def test_flipped_bits_in_compressed_bundles(bundle: Path, kind: str) -> None:
    data = COMPRESSIONS[kind](DATA)
    noise = random.Random(2)  # noqa: S311 - any places will do
    places = [*range(12), *noise.sample(range(12, len(data)), 25), len(data) - 6, len(data) - 1]
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 1 << noise.randrange(8)
        bundle.write_bytes(flipped)
        try:
            found = list_bundle(bundle_file(bundle))
        except BundleError:
            continue
        assert facts_wanted(IMAGES) == facts_of(found.images)


def test_damage_is_named(bundle: Path) -> None:
    data = bytearray(gzip.compress(DATA, 1))
    data[-8] ^= 1
    bundle.write_bytes(data)
    with pytest.raises(BundleCorrupt, match=r"bundle\.img: the compressed data is damaged"):
        list_bundle(bundle_file(bundle))


@pytest.mark.parametrize("junk", [b"\1" * 600, b"\x1f\x8b" + b"\1" * 600, b"{}"])
def test_junk(bundle: Path, junk: bytes) -> None:
    bundle.write_bytes(junk)
    with pytest.raises(BundleError, match=r"bundle\.img"):
        list_bundle(bundle_file(bundle))


@pytest.mark.parametrize("kind", [kind for kind in COMPRESSIONS if "m" not in kind])
def test_empty_files_and_empty_streams(bundle: Path, kind: str) -> None:
    bundle.write_bytes(COMPRESSIONS[kind](b""))
    with pytest.raises(NotABundle, match=r"bundle\.img: the file is empty"):
        list_bundle(bundle_file(bundle))


def test_zstd_is_said_to_be_too_new(bundle: Path) -> None:
    bundle.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(100))
    with pytest.raises(BundleError, match="compressed with zstd") as caught:
        list_bundle(bundle_file(bundle))
    assert "zstd -d" in caught.value.remedy


def test_missing_files_and_directories(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="No such file"):
        bundle_file(tmp_path / "nothing.tar")
    with pytest.raises(BundleError, match="not a file"):
        bundle_file(tmp_path)
    with pytest.raises(BundleError, match="cannot be read"), open_bundle(tmp_path):
        pass


def test_a_stick_that_is_pulled_out(bundle: Path) -> None:
    bundle.write_bytes(DATA)

    def gone() -> None:
        raise OSError(5, "Input/output error")

    with pytest.raises(BundleError, match="cannot be read: Input/output error") as caught:
        list_bundle(bundle_file(bundle), gone)
    assert "stick" in caught.value.remedy


@pytest.mark.parametrize("error", [ValueError("ours"), OSError(28, "No space left", "/state/x")])
def test_what_else_fails_meanwhile_is_not_blamed_on_the_bundle(
    bundle: Path, error: Exception
) -> None:
    bundle.write_bytes(DATA)
    with pytest.raises(type(error)) as caught, open_bundle(bundle):
        raise error
    assert error is caught.value


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_reading_ends_when_it_is_cancelled(bundle: Path, kind: str) -> None:
    bundle.write_bytes(COMPRESSIONS[kind](DATA))
    reads = 0

    def go_on() -> None:
        nonlocal reads
        reads += 1
        if reads > 1:
            raise Cancelled("ended")

    with pytest.raises(Cancelled):
        list_bundle(bundle_file(bundle), go_on)


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_bytes_read_are_those_of_the_file(bundle: Path, kind: str) -> None:
    bundle.write_bytes(COMPRESSIONS[kind](DATA))
    with open_bundle(bundle) as (stream, counter):
        while stream.read(1 << 16):
            assert counter.read_bytes <= counter.size_bytes
        assert counter.size_bytes == counter.read_bytes == bundle.stat().st_size
