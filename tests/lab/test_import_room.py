"""A real registry on a file system that is too small for the bundle."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.bundle import LayerIndex, bundle_file
from core.errors import RegistryFull
from core.registry import Import, RegistryClient, publish
from tests.lab.shell import run
from tests.support.archives import ImageSpec, tar_of, write_bundle
from tests.support.registry import fresh_registry

ROOM = "20m"
LAYERS = 4
LAYER_BYTES = 8 << 20


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system with little room."""
    directory = tmp_path / "small"
    directory.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", directory)
    try:
        yield directory
    finally:
        run("umount", directory)


def test_a_registry_without_room_says_so_and_goes_on_when_there_is_some(
    small: Path, tmp_path: Path
) -> None:
    noise = [
        tar_of(f"noise/{n}", random.Random(n).randbytes(LAYER_BYTES))  # noqa: S311
        for n in range(LAYERS)
    ]
    path = write_bundle(tmp_path / "b.tar", [ImageSpec(["example.org/a/noise:1"], noise)])
    with fresh_registry(small) as address:
        client = RegistryClient(address)
        index = LayerIndex(tmp_path / "layers")
        importing = Import(bundle_file(path), client, index, threading.Event())
        with pytest.raises(RegistryFull, match=address):
            importing.run(lambda _: None)
        assert "a/noise" not in list(client.repositories())

        run("mount", "-o", "remount,size=200m", small)
        done = importing.run(lambda _: None)
        publish(done.bundle, client, threading.Event())
        client.close()
    assert LAYERS == done.sent_layers + done.kept_layers
    assert done.kept_layers >= 1
