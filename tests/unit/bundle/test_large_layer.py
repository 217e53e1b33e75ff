"""A layer of more than six gigabytes, made of nothing, on its way through everything."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from isal import igzip

from core.bundle.layers import CHUNK_BYTES
from tests.support.archives import add_file
from tests.support.importing import Importer
from tests.support.stored import Storage

# More than 4 GiB, where 32 bits end, and than 6 GiB, where other tools failed; less than 8 GiB,
# where the octal digits of a tar header end.
LAYER_BYTES = (6 << 30) + (1 << 20) + 512
# head -c 6443500032 /dev/zero | sha256sum
DIFF_ID = "sha256:ae309b5978d9db28a85f41a7534bfdf2d7a87562245431b6d533b35a5f95097a"
CONFIG = json.dumps(
    {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [DIFF_ID]},
    }
).encode()


@pytest.fixture
def large_bundle(tmp_path: Path) -> Path:
    """A docker-archive with one layer of zeros, which takes no room on the disk."""
    path = tmp_path / "large.tar"
    with path.open("wb") as file:
        header = tarfile.TarInfo("layer.tar")
        header.size = LAYER_BYTES
        file.write(header.tobuf(tarfile.USTAR_FORMAT))
        file.seek(LAYER_BYTES, 1)
        with tarfile.open(fileobj=file, mode="w") as rest:
            config_name = hashlib.sha256(CONFIG).hexdigest() + ".json"
            listing = [{"Config": config_name, "RepoTags": ["large:1"], "Layers": ["layer.tar"]}]
            add_file(rest, config_name, CONFIG)
            add_file(rest, "manifest.json", json.dumps(listing).encode())
    assert path.stat().st_blocks * 512 < 1 << 20
    return path


def unpacked(path: Path) -> Iterator[bytes]:
    with igzip.open(path) as layer:
        while chunk := layer.read(CHUNK_BYTES):
            yield chunk


@pytest.mark.slow
def test_a_layer_of_more_than_six_gigabytes(
    importer: Importer, stored: Storage, large_bundle: Path
) -> None:
    """And what is stored of it is, unpacked, what its config says."""
    told: list[int] = []
    done = importer.ingest(large_bundle, told.append)
    (layer,) = done.bundle.images[0].layers
    assert (DIFF_ID, LAYER_BYTES) == (layer.diff_id, layer.bundle_bytes)
    assert large_bundle.stat().st_size == told[-1]
    digest, size_bytes = hashlib.sha256(), 0
    for chunk in unpacked(stored.path(layer.digest)):
        digest.update(chunk)
        size_bytes += len(chunk)
    assert (DIFF_ID, LAYER_BYTES) == ("sha256:" + digest.hexdigest(), size_bytes)
    assert [] == stored.upload_data()
