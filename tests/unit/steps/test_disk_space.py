"""How much room images take on a host: from real sizes, compressed and unpacked."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from core.bundle.discovery import bundle_file
from core.bundle.model import Image, Layer
from core.hosts.facts import DockerFacts
from core.steps.disk_space import registry_bytes, store_bytes, unpacked_bytes
from tests.support.archives import sample_images, write_bundle

CLASSIC = DockerFacts("/usr/bin/docker", "20.10.24", "overlay2")
LATER = DockerFacts("/usr/bin/docker", "29.0.1", "overlayfs", containerd_store=True)
PLAIN = Layer("d1", "b1", 300, source_digest="d1", bundle_bytes=900)
PACKED = Layer("d2", "b2", 200, source_digest="b2", bundle_bytes=200)
LISTED = Layer("d3", "", 100, bundle_bytes=310)
LISTED_PACKED = Layer("d4", "", 100, bundle_bytes=100)
RECOMPRESSED = Layer("d5", "b5", 150, source_digest="z5", bundle_bytes=120)


@pytest.mark.parametrize(
    ("layer", "size_bytes"),
    [(PLAIN, 900), (PACKED, 600), (LISTED, 310), (LISTED_PACKED, 300), (RECOMPRESSED, 450)],
)
def test_a_layer_unpacked(layer: Layer, size_bytes: int) -> None:
    assert size_bytes == unpacked_bytes(layer)


@pytest.mark.parametrize(
    ("docker", "load", "size_bytes"),
    [
        (CLASSIC, False, 900 + 600 + 310 + 300 + 300 + 200 + 100),
        (LATER, False, 900 + 600 + 310 + 300 + 300 + 200 + 100 + 100),
        (CLASSIC, True, 2 * (900 + 600 + 310 + 300)),
    ],
)
def test_images_take_what_their_layers_take_each_once(
    docker: DockerFacts, load: bool, size_bytes: int
) -> None:
    images = [
        Image("i1", (), "linux/amd64", 1, (PLAIN, PACKED)),
        Image("i2", (), "linux/amd64", 1, (PLAIN, LISTED, LISTED_PACKED)),
    ]
    assert size_bytes == store_bytes(images, docker, load=load)


def test_a_bundle_that_was_never_read(tmp_path: Path) -> None:
    plain = write_bundle(tmp_path / "a.tar", sample_images())
    packed = tmp_path / "b.tar.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert [plain.stat().st_size // 2, packed.stat().st_size] == [
        registry_bytes(bundle_file(path)) for path in (plain, packed)
    ]
