"""Registries that take OCI manifests only (zot): Docker's are written anew, digests are told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from core.bundle.discovery import bundle_file
from core.config import Config, Mode
from core.errors import RegistryKindRefused
from core.registry.api.client import RegistryClient
from core.steps.bundles import BundleImport
from core.steps.du import RegistryVerify
from core.steps.work import Work
from tests.support.archives import ImageSpec, digest_of, docker_archive, layer_tar
from tests.support.backups import raw
from tests.support.fakes import FakeTeller
from tests.support.layouts import OCI_INDEX, OCI_MANIFEST
from tests.support.oci import DOCKER, DOCKER_LIST, Layout, full_name, noted, on_platform
from tests.support.ocionly import oci_only

NAME = "quay.io/case/app:v1"
AMD = ImageSpec([NAME], [layer_tar(1, 3000), layer_tar(2, 2000)])
ARM = ImageSpec([NAME], [layer_tar(3, 2000)], "linux/arm64")
Make = Callable[[bytes], Work]


@pytest.fixture(params=[415, 400])
def front(address: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a registry that takes OCI manifests only."""
    with oci_only(address, request.param) as found:
        yield found


@pytest.fixture
async def make(front: str, tmp_path: Path) -> AsyncIterator[Make]:
    """Return a run about one bundle on a site whose registry that is."""
    config = Config(
        tmp_path / "airctl-config.yaml",
        mode=Mode.CUSTOM,
        registry_base=f"{front}/site",
        registry_insecure=True,
        state_dir=tmp_path / "state",
    )
    made: list[Work] = []

    def of(bundle: bytes) -> Work:
        path = tmp_path / "b.tar"
        if not path.exists():
            path.write_bytes(bundle)
        made.append(Work(config, (bundle_file(path),)))
        return made[-1]

    yield of
    for work in made:
        await work.close()


async def imported(make: Make, bundle: bytes) -> FakeTeller:
    """Import a bundle; see that it is there then, for a run that begins anew as well."""
    tell, work = FakeTeller(), make(bundle)
    step = BundleImport(work, work.files[0])
    missing = await step.check(tell)
    assert missing is not None
    await step.apply(missing, tell)
    assert None is await step.check(tell)
    again = make(bundle)
    assert None is await RegistryVerify(again).check(tell)
    assert None is await BundleImport(again, again.files[0]).check(tell)
    return tell


async def test_a_docker_archive_is_put_by_oci_manifests(make: Make, front: str) -> None:
    tell = await imported(make, docker_archive([AMD]))
    text = raw(f"docker://{front}/site/case/app:v1")
    manifest = json.loads(text)
    assert OCI_MANIFEST == manifest["mediaType"]
    assert AMD.image_id == manifest["config"]["digest"]
    kinds = {part["mediaType"] for part in (manifest["config"], *manifest["layers"])}
    assert {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.oci.image.layer.v1.tar+gzip",
    } == kinds
    assert any(digest_of(text) in said for said in tell.logged)


async def test_a_list_of_docker_s_is_put_as_an_index(make: Make, front: str) -> None:
    layout = Layout()
    entries = [
        noted(layout.image(image, DOCKER), on_platform(image.platform)) for image in (AMD, ARM)
    ]
    listed = layout.index(*entries, kind=DOCKER_LIST)
    await imported(make, layout.tar(noted(listed, full_name(NAME))))
    text = raw(f"docker://{front}/site/case/app:v1")
    index = json.loads(text)
    assert OCI_INDEX == index["mediaType"]
    assert ["amd64", "arm64"] == [one["platform"]["architecture"] for one in index["manifests"]]
    assert {OCI_MANIFEST} == {one["mediaType"] for one in index["manifests"]}
    for one in index["manifests"]:
        child = raw(f"docker://{front}/site/case/app@{one['digest']}")
        assert (one["digest"], one["size"]) == (digest_of(child), len(child))


async def test_digests_that_change_are_noted(make: Make, front: str) -> None:
    layout = Layout()
    image = layout.image(AMD, DOCKER)
    bundle = layout.tar(noted(image, full_name(NAME)))
    await imported(make, bundle)
    new = digest_of(raw(f"docker://{front}/site/case/app:v1"))
    known = await (work := make(bundle)).bundle(work.files[0])
    assert (
        "the registry takes OCI manifests only: 1 manifest written anew as such, image IDs stay",
        f"{NAME}: {image['digest']} is {new} there",
    ) == known.notes


async def test_what_is_oci_s_stays_as_it_is(make: Make, front: str) -> None:
    layout = Layout()
    index = layout.index(noted(layout.image(AMD), on_platform("linux/amd64")))
    await imported(make, layout.tar(noted(index, full_name(NAME))))
    assert index["digest"] == digest_of(raw(f"docker://{front}/site/case/app:v1"))


def test_the_refusal_says_what_is_not_taken(front: str) -> None:
    client = RegistryClient(front)
    try:
        with pytest.raises(RegistryKindRefused, match=r"takes no application/vnd\.docker"):
            client.put_manifest("case/app", "v1", "{}", DOCKER.manifest)
    finally:
        client.close()
