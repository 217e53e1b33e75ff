"""A real registry on a file system that is too small for the bundle."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.bundle.catalogue import LayerIndex
from core.bundle.discovery import bundle_file
from core.errors import RegistryError, RegistryFull
from core.registry.api.client import RegistryClient
from core.registry.imports.importer import Import
from core.registry.imports.publish import publish
from tests.lab.shell import run
from tests.support.archives import ImageSpec, tar_of, write_bundle
from tests.support.registry import fresh_registry

ROOM = "20m"
LAYERS = 4
LAYER_BYTES = 8 << 20
SOME_BYTES = 64 << 10
PATIENCE_S = 60.0
TRIES = 10


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
    stored = threading.Event()

    def after_the_first_layer(read_bytes: int) -> None:
        """Read on from the first layer only when it is stored, so that there is one to keep."""
        if read_bytes > LAYER_BYTES + SOME_BYTES:
            assert stored.wait(PATIENCE_S)

    def noted(words: str) -> None:
        if not words.startswith("0 layers sent"):
            stored.set()

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
            _run_again_while_it_may_help(importing, after_the_first_layer, noted)
        assert "a/noise" not in list(client.repositories())

        run("mount", "-o", "remount,size=200m", small)
        done = importing.run(lambda _: None)
        publish(done.bundle, client, threading.Event())
        client.close()
    assert LAYERS == done.sent_layers + done.kept_layers
    assert done.kept_layers >= 1


def _run_again_while_it_may_help(
    importing: Import, progress: Callable[[int], None], say: Callable[[str], None]
) -> None:
    """Run an import as a run does, which tries again what may pass by itself.

    (The registry finds out late, sometimes, that there was no room for what it took.)
    """
    for _ in range(TRIES):
        try:
            importing.run(progress, say)
        except RegistryError as error:
            if not error.transient:
                raise
            last = error
        else:
            return
    raise AssertionError(f"it never says that it is full: {last}")
