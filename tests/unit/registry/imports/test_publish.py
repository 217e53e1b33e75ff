"""Names in the registry: losses are found, and mended by a second import."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.bundle.discovery import bundle_file
from core.bundle.listing import list_bundle
from core.config import Config, Mode
from core.errors import BundleTruncated
from core.registry.api.client import RegistryClient
from core.registry.imports.publish import lacks_of_names, lacks_of_stage
from core.steps.bundles import BundleImport
from core.steps.du import RegistryVerify
from core.steps.work import Work
from tests.support.archives import docker_archive, sample_images, write_bundle
from tests.support.fakes import FakeTeller
from tests.support.stored import Storage


@pytest.fixture
async def work(address: str, tmp_path: Path) -> AsyncIterator[Work]:
    """A site in mode custom whose registry is a real one, and one bundle."""
    path = write_bundle(tmp_path / "b.tar", sample_images())
    config = Config(
        tmp_path / "airctl-config.yaml",
        mode=Mode.CUSTOM,
        registry_base=f"{address}/site/images",
        registry_insecure=True,
        state_dir=tmp_path / "state",
    )
    made = Work(config, (bundle_file(path),))
    yield made
    await made.close()


@pytest.fixture
def step(work: Work) -> BundleImport:
    return BundleImport(work, work.files[0])


@pytest.fixture
def tell() -> FakeTeller:
    return FakeTeller()


async def import_once(step: BundleImport, tell: FakeTeller) -> None:
    missing = await step.check(tell)
    assert missing is not None
    await step.apply(missing, tell)
    assert None is await step.check(tell)


async def test_a_second_import_sends_nothing(
    work: Work, step: BundleImport, tell: FakeTeller, stored: Storage
) -> None:
    await import_once(step, tell)
    names = ["calico/node:v3.20.0", "nginx-like:1.21", "pause:3.5", "pause:latest"]
    assert [f"site/images/{name}" for name in names] == stored.tags()
    assert ["3 images; 5 layers sent, 0 were there already"] == tell.outcomes
    again = FakeTeller()
    assert None is await BundleImport(work, work.files[0]).check(again)
    assert (["3 images"], []) == (again.outcomes, again.told)


async def test_the_registry_has_everything(
    work: Work, step: BundleImport, tell: FakeTeller
) -> None:
    verify = RegistryVerify(work)
    missing = await verify.check(tell)
    assert missing is not None
    assert "not imported yet: b.tar" == missing.what
    await import_once(step, tell)
    assert None is await verify.check(tell)
    assert "3 images, every tag, manifest and blob is there" == tell.outcomes[-1]


async def test_a_lost_blob_is_found_and_mended(
    work: Work, step: BundleImport, tell: FakeTeller, stored: Storage
) -> None:
    await import_once(step, tell)
    known = await work.bundle(work.files[0])
    layer = known.images[1].layers[0]
    stored.lose_blob(layer.digest)
    lacks = list(lacks_of_names(known, work.registry))
    assert [("pause:3.5", layer.size_bytes), ("pause:latest", layer.size_bytes)] == [
        (lack.name, lack.size_bytes) for lack in lacks
    ]
    assert [f"blob {layer.digest}"] == [lack.what for lack in lacks_of_stage(known, work.registry)]
    missing = await RegistryVerify(work).check(tell)
    assert missing is not None
    assert "airferry import" in missing.remedy
    await import_once(BundleImport(work, work.files[0]), tell)
    assert layer.size_bytes == len(stored.blob(layer.digest))
    assert None is await RegistryVerify(work).check(tell)


async def test_a_lost_config_is_found_and_mended(
    work: Work, step: BundleImport, tell: FakeTeller, stored: Storage
) -> None:
    await import_once(step, tell)
    known = await work.bundle(work.files[0])
    stored.lose_blob(known.images[0].image_id)
    assert [f"blob {known.images[0].image_id}"] == [
        lack.what for lack in lacks_of_stage(known, work.registry)
    ]
    await import_once(BundleImport(work, work.files[0]), tell)
    assert [] == list(lacks_of_names(known, work.registry))


async def test_lost_names_are_put_again_without_reading_the_bundle(
    work: Work, step: BundleImport, tell: FakeTeller, stored: Storage
) -> None:
    await import_once(step, tell)
    stored.lose_tag("site/images/pause", "3.5")
    stored.lose_links("site/images/calico/node")
    known = await work.bundle(work.files[0])
    assert {"calico/node:v3.20.0", "pause:3.5"} == {
        lack.name for lack in lacks_of_names(known, work.registry)
    }
    again = FakeTeller()
    await import_once(BundleImport(work, work.files[0]), again)
    assert ["3 images; every layer was there already, only names were put"] == again.outcomes
    assert not any("reading" in said for said in again.said)


async def test_a_lost_manifest_is_found_and_mended(
    work: Work, step: BundleImport, tell: FakeTeller, stored: Storage
) -> None:
    await import_once(step, tell)
    known = await work.bundle(work.files[0])
    stored.lose_blob(known.images[0].manifest_digest)
    assert [("calico/node:v3.20.0", "tag")] == [
        (lack.name, lack.what) for lack in lacks_of_names(known, work.registry)
    ]
    await import_once(BundleImport(work, work.files[0]), tell)
    assert [] == list(lacks_of_names(known, work.registry))


async def test_a_damaged_bundle_gets_no_name(
    work: Work, tell: FakeTeller, stored: Storage, tmp_path: Path
) -> None:
    path = tmp_path / "cut.tar"
    data = docker_archive(sample_images())
    path.write_bytes(data[: len(data) // 2])
    step = BundleImport(work, bundle_file(path))
    missing = await step.check(tell)
    assert missing is not None
    with pytest.raises(BundleTruncated, match=r"cut\.tar"):
        await step.apply(missing, tell)
    assert [] == stored.tags()


def test_a_bundle_that_was_only_listed_lacks_everything(
    client: RegistryClient, tmp_path: Path
) -> None:
    listed = list_bundle(bundle_file(write_bundle(tmp_path / "b.tar", sample_images()[1:2])))
    assert ["tag", "tag"] == [
        lack.what for lack in lacks_of_names(listed, client) if lack.what == "tag"
    ]
