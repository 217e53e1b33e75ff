"""Names on the site that keep the registry which images came from (`keepSourceRegistry`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.engine.holdings import chosen
from core.errors import NameCollision
from core.steps.base import Missing
from core.steps.bundles import BundleImport
from core.steps.du import RegistryVerify
from core.steps.work import ImportOptions
from tests.support.archives import ImageSpec, layer_tar, write_bundle
from tests.support.fakes import FakeTeller
from tests.support.stored import Storage
from tests.unit.steps.test_bundle_steps import MakeWork, import_all, make_work

__all__ = ["make_work"]
HUB = ImageSpec(["docker.io/calico/node:1"], [layer_tar(1, 9000)])
QUAY = ImageSpec(["quay.io/calico/node:1"], [layer_tar(2, 9000)])
SHORT = ImageSpec(["busybox:1"], [layer_tar(3, 5000)])
KEPT = ["docker.io/calico/node:1", "docker.io/library/busybox:1", "quay.io/calico/node:1"]


@pytest.fixture
def one(tmp_path: Path) -> list[Path]:
    """One bundle with one path of two registries."""
    return [write_bundle(tmp_path / "b.tar", [HUB, QUAY, SHORT])]


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    """Two bundles with the same."""
    return [
        write_bundle(tmp_path / "a.tar", [HUB, SHORT]),
        write_bundle(tmp_path / "b.tar", [QUAY]),
    ]


@pytest.mark.parametrize("paths", ["one", "two"])
@pytest.mark.parametrize("from_config", [False, True])
async def test_one_path_of_two_registries_is_imported_and_verified(
    make_work: MakeWork,
    stored: Storage,
    request: pytest.FixtureRequest,
    paths: str,
    from_config: bool,
) -> None:
    """And later runs, which are not told the option, know how the names are."""
    given = request.getfixturevalue(paths)
    options = ImportOptions(keep_source_registry=not from_config)
    changes = {"keep_source_registry": True} if from_config else {}
    await import_all(make_work(given, options, **changes))
    assert KEPT == stored.tags()
    later = make_work(given)
    assert None is await RegistryVerify(later).check(FakeTeller())
    assert None is await BundleImport(later, later.files[0]).check(FakeTeller())


async def test_without_it_the_bundle_is_refused_and_the_remedy_names_it(
    make_work: MakeWork, one: list[Path], stored: Storage
) -> None:
    work = make_work(one)
    with pytest.raises(NameCollision) as caught:
        await BundleImport(work, work.files[0]).apply(Missing("all"), FakeTeller())
    assert "--keep-source-registry" in caught.value.remedy
    assert "keepSourceRegistry: true" in caught.value.remedy
    assert [] == stored.tags()
    kept = make_work(one, ImportOptions(keep_source_registry=True))
    await import_all(kept)
    assert KEPT == stored.tags()


async def test_names_follow_the_config_without_a_byte_being_sent_again(
    make_work: MakeWork, tmp_path: Path, stored: Storage
) -> None:
    path = write_bundle(tmp_path / "b.tar", [QUAY])
    await import_all(make_work([path]))
    tell = await import_all(make_work([path], keep_source_registry=True))
    assert ["1 image; every layer was there already, only names were put"] == tell.outcomes
    assert ["calico/node:1", "quay.io/calico/node:1"] == stored.tags()
    back = make_work([path], keep_source_registry=False)
    assert "calico/node" == next(iter((await back.bundles())[0].references)).site_repository


@pytest.mark.parametrize("name", ["busybox:1", "docker.io/library/busybox:1"])
async def test_a_name_is_found_by_what_bundles_and_the_registry_call_it(
    make_work: MakeWork, one: list[Path], stored: Storage, name: str
) -> None:
    work = make_work(one, ImportOptions(keep_source_registry=True))
    await import_all(work)
    assert {KEPT[1]} == chosen(work.config, stored.tags(), [name])
