"""What the unit tests share: a registry of their own, and a state directory that is theirs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.registry.api.client import RegistryClient
from tests.support.importing import Importer
from tests.support.registry import fresh_registry
from tests.support.stored import Storage


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """The directory in which the registry's storage is made."""
    directory = tmp_path / "storage"
    directory.mkdir()
    return directory


@pytest.fixture
def address(registry_program: None, storage: Path) -> Iterator[str]:  # noqa: ARG001
    """The address of a real, empty registry."""
    with fresh_registry(storage) as found:
        yield found


@pytest.fixture
def client(address: str) -> Iterator[RegistryClient]:
    """A client of that registry."""
    made = RegistryClient(address)
    yield made
    made.close()


@pytest.fixture
def importer(client: RegistryClient, tmp_path: Path) -> Importer:
    """A site's way to import into that registry."""
    return Importer(client, tmp_path)


@pytest.fixture
def stored(storage: Path) -> Storage:
    """What that registry has on its disk."""
    return Storage(storage)
