"""A single tag is deleted by way of an empty image; it is never left standing for that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import RegistryError
from core.registry.api.client import RegistryClient
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.importing import Importer
from tests.support.registry import RunningRegistry, running_registry

APP = ImageSpec(["app:1", "app:stable"], [layer_tar(1, 4000)])


@pytest.fixture
def registry(registry_program: None, tmp_path: Path) -> Iterator[RunningRegistry]:  # noqa: ARG001
    with running_registry(tmp_path) as made:
        client = RegistryClient(made.address)
        Importer(client, tmp_path).put(docker_archive([APP]))
        client.close()
        yield made


def test_a_registry_that_does_not_delete(registry: RunningRegistry) -> None:
    registry.stop()
    registry.deletes = False
    registry.start()
    client = RegistryClient(registry.address)
    before = client.manifest_digest("app", "stable")
    with pytest.raises(RegistryError, match="does not delete anything"):
        client.delete_tag("app", "stable")
    assert before == client.manifest_digest("app", "stable")
    client.close()


class Reluctant(RegistryClient):
    """Deletes nothing that is there, which CNCF distribution cannot be made to do."""

    def delete_manifest(self, repository: str, digest: str) -> None:
        if self.manifest_digest(repository, digest) is not None:
            raise RegistryError("403: not yours")
        super().delete_manifest(repository, digest)


def test_a_registry_that_refuses_in_the_middle(registry: RunningRegistry) -> None:
    client = Reluctant(registry.address)
    before = client.document("app", "stable")
    with pytest.raises(RegistryError, match="not yours"):
        client.delete_tag("app", "stable")
    assert before == client.document("app", "stable") is not None
    client.close()
