"""What a registry holds, and taking names away: asked of a real registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.bundle.catalogue import Catalogue
from core.bundle.discovery import bundle_file
from core.config import Config, Mode
from core.engine.holdings import Held, delete_held, held
from core.engine.lock import engine_lock
from core.errors import BusyError, RegistryError, RegistryUnreachable, UsageError
from core.registry.api.client import RegistryClient
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.importing import Importer
from tests.support.layouts import tar_bytes
from tests.support.platforms import several, two_platforms
from tests.support.ports import free_port
from tests.support.registry import site_registry
from tests.support.stored import Storage

APP = ImageSpec(["quay.io/a/app:1", "quay.io/a/app:stable"], [layer_tar(1, 9000)])
TOOL = ImageSpec(["tool:2"], [APP.layers[0], layer_tar(2, 5000)])
BOTH = several(two_platforms())
BOTH_NAME = "site/both:1"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A site in mode du whose port is free."""
    images = tmp_path / "imgs"
    images.mkdir()
    return Config(
        tmp_path / "airctl-config.yaml",
        mode=Mode.DU,
        images_dir=images,
        registry_port=free_port(),
        state_dir=tmp_path / "state",
    )


@pytest.fixture
def site_client(registry_program: None, config: Config, storage: Path) -> Iterator[RegistryClient]:  # noqa: ARG001
    with site_registry(config, storage) as client:
        yield client


Put = Callable[[bytes, str], None]


@pytest.fixture
def put(site_client: RegistryClient, config: Config, tmp_path: Path) -> Put:
    """Import a bundle, and keep its record as an import does."""

    def put_it(data: bytes, name: str) -> None:
        path = config.images_dir / name
        path.write_bytes(data)
        done = Importer(site_client, tmp_path).put(path)
        Catalogue(config.state_dir).keep(bundle_file(path), done.bundle)

    return put_it


def names_of(found: list[Held]) -> list[str]:
    return [entry.name for entry in found]


def test_an_empty_registry(site_client: RegistryClient, config: Config) -> None:  # noqa: ARG001
    assert [] == held(config)


def test_names_sizes_platforms_and_bundles(put: Put, config: Config) -> None:
    put(docker_archive([APP, TOOL]), "x.tar")
    put(tar_bytes(BOTH), "y.tar")
    (config.images_dir / "x.tar").unlink()
    found = {entry.name: entry for entry in held(config)}
    assert ["a/app:1", "a/app:stable", BOTH_NAME, "tool:2"] == list(found)
    assert [("x.tar", ""), ("y.tar", "y.tar")] == [
        (found[name].bundle, found[name].comes_back) for name in ("tool:2", BOTH_NAME)
    ]
    assert (("linux/amd64",), (TOOL.image_id,)) == (
        found["tool:2"].platforms,
        found["tool:2"].image_ids,
    )
    assert ("linux/amd64", "linux/arm64/v8") == found[BOTH_NAME].platforms
    assert found["tool:2"].size_bytes > found["a/app:1"].size_bytes > 1000
    assert found["a/app:1"].digest == found["a/app:stable"].digest


def test_an_image_that_somebody_else_pushed(put: Put, config: Config) -> None:
    put(docker_archive([TOOL]), "x.tar")
    (record,) = (config.state_dir / "bundles").glob("*.json")
    record.unlink()
    (config.images_dir / "x.tar").unlink()
    assert [("tool:2", "", "")] == [(e.name, e.bundle, e.comes_back) for e in held(config)]


def test_a_damaged_manifest_hides_no_other(put: Put, config: Config, stored: Storage) -> None:
    put(docker_archive([APP, TOOL]), "x.tar")
    damaged = next(entry for entry in held(config) if entry.name == "tool:2")
    stored.path(damaged.digest).write_bytes(b"{}")
    found = {entry.name: entry.problem for entry in held(config)}
    assert (["a/app:1", "a/app:stable", "tool:2"], True, "") == (
        list(found),
        bool(found["tool:2"]),
        found["a/app:1"],
    )
    delete_held(config, ["tool:2"])
    assert ["a/app:1", "a/app:stable"] == names_of(held(config))


def test_a_name_alone_goes_where_others_have_the_same_image(
    put: Put, config: Config, stored: Storage
) -> None:
    put(docker_archive([APP]), "x.tar")
    assert ["a/app:1"] == names_of(delete_held(config, ["a/app:1"]))
    assert (["a/app:stable"], ["a/app:stable"]) == (names_of(held(config)), stored.tags())


def test_both_names_of_an_image(put: Put, config: Config, site_client: RegistryClient) -> None:
    put(docker_archive([APP, TOOL]), "x.tar")
    digest = held(config)[0].digest
    delete_held(config, ["a/app:1", "a/app:stable"])
    assert (["tool:2"], None) == (
        names_of(held(config)),
        site_client.manifest_digest("a/app", digest),
    )


def test_what_was_deleted_can_be_imported_again(put: Put, config: Config) -> None:
    put(docker_archive([TOOL]), "x.tar")
    before = held(config)
    delete_held(config, ["tool:2"])
    put(docker_archive([TOOL]), "x.tar")
    assert before == held(config)


def test_a_list_goes_with_the_manifests_that_only_it_names(
    put: Put, config: Config, site_client: RegistryClient
) -> None:
    put(tar_bytes(BOTH), "y.tar")
    children = _children(site_client)
    delete_held(config, [BOTH_NAME])
    assert ([], [None, None]) == (
        held(config),
        [site_client.manifest_digest("site/both", child) for child in children],
    )


def _children(client: RegistryClient) -> list[str]:
    listed = client.manifest("site/both", "1")["manifests"]
    assert isinstance(listed, list)
    return [entry["digest"] for entry in listed]


def test_a_manifest_that_a_list_names_stays(
    put: Put, config: Config, site_client: RegistryClient
) -> None:
    put(tar_bytes(BOTH), "y.tar")
    first, second = _children(site_client)
    found = site_client.document("site/both", first)
    assert found is not None
    site_client.put_manifest("site/both", "alone", found[1].decode(), found[0])
    delete_held(config, ["site/both:alone"])
    assert [BOTH_NAME] == names_of(held(config))
    assert [first, second] == [site_client.manifest_digest("site/both", d) for d in (first, second)]
    site_client.put_manifest("site/both", "alone", found[1].decode(), found[0])
    delete_held(config, [BOTH_NAME])
    assert ["site/both:alone"] == names_of(held(config))
    assert [first, None] == [site_client.manifest_digest("site/both", d) for d in (first, second)]


@pytest.mark.parametrize("written", ["localhost:5001/a/app:1", "quay.io/a/app:1", "a/app:1"])
def test_names_as_people_write_them(put: Put, config: Config, written: str) -> None:
    put(docker_archive([APP]), "x.tar")
    assert ["a/app:1"] == names_of(delete_held(config, [written]))


def test_a_name_that_is_not_there(put: Put, config: Config) -> None:
    put(docker_archive([TOOL]), "x.tar")
    with pytest.raises(UsageError, match="does not hold tool:3, Not A Name"):
        delete_held(config, ["tool:2", "tool:3", "Not A Name"])
    assert ["tool:2"] == names_of(held(config))


def test_nothing_is_deleted_while_a_run_is_at_work(put: Put, config: Config) -> None:
    put(docker_archive([TOOL]), "x.tar")
    with engine_lock(config.state_dir), pytest.raises(BusyError):
        delete_held(config, ["tool:2"])
    assert ["tool:2"] == names_of(held(config))


def test_nothing_is_deleted_of_another_s_registry(put: Put, config: Config, tmp_path: Path) -> None:
    put(docker_archive([TOOL]), "x.tar")
    other = replace(config, state_dir=tmp_path / "other")
    with pytest.raises(RegistryError, match="not this site's registry"):
        delete_held(other, ["tool:2"])
    assert ["tool:2"] == names_of(held(config))


def test_a_site_without_a_registry_of_its_own(config: Config) -> None:
    custom = replace(config, mode=Mode.CUSTOM, registry_base="registry.site/x")
    with pytest.raises(UsageError, match="nothing is deleted there") as caught:
        delete_held(custom, ["x:1"])
    assert "registry.site/x" in caught.value.remedy


def test_a_registry_that_does_not_run(config: Config) -> None:
    for ask in (held, lambda site: delete_held(site, ["x:1"])):
        with pytest.raises(RegistryUnreachable):
            ask(config)
