"""Clearing up a real registry: what no name needs goes, what a name needs stays."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.bundle.catalogue import Catalogue
from core.bundle.discovery import bundle_file
from core.engine.holdings import delete_held
from core.engine.request import RunKind
from core.errors import RegistryDamaged, RegistryError
from core.registry.content.snapshot import read_snapshot
from core.registry.content.staging import STAGE
from core.registry.integrity.scan import PURGED_AFTER_S
from core.registry.local.server import RegistryServer
from core.registry.local.storage import LinkType
from tests.support.archives import ImageSpec, digest_of, docker_archive, layer_tar
from tests.support.layouts import OCI_INDEX, as_json, tar_bytes
from tests.support.oci import DOCKER
from tests.support.platforms import several, two_platforms
from tests.support.upkeep import APP, LISTED, TOOL, Upkeep, put_of_schema_1, upkeep_site

VERIFY, GC, PLAN_GC = RunKind.REGISTRY_VERIFY, RunKind.GC, RunKind.PLAN_GC
KEEP, PLAN_KEEP = RunKind.KEEP, RunKind.PLAN_KEEP
NESTED = 8
NAMES = ["site/app:1", "site/app:stable", LISTED, "tool:2"]


@pytest.fixture
def site(registry_program: None, tmp_path: Path) -> Iterator[Upkeep]:  # noqa: ARG001
    with upkeep_site(tmp_path) as made:
        made.fill()
        yield made


def stored_bytes(site: Upkeep) -> int:
    return sum(site.storage.blobs().values())


async def test_nothing_goes_that_a_name_needs(site: Upkeep) -> None:
    """Lists, the manifests that only they name, layers that several images share."""
    before, blobs = site.seen(), site.storage.blobs()
    await site.done(GC)
    assert (before, [], blobs) == (site.seen(), site.not_pulled(), site.storage.blobs())
    told = await site.told(GC)
    assert f"all of it needed by {len(NAMES)} names" in told.outcomes[-1]


async def test_what_was_deleted_gives_its_room_back_and_can_be_pushed_and_pulled_again(
    site: Upkeep,
) -> None:
    own = site.layer("tool:2")
    delete_held(site.site_config, ["tool:2", LISTED])
    left = site.seen()
    plan = await site.told(PLAN_GC)
    assert "parts" in plan.missing["registry.gc"]
    before = stored_bytes(site)
    await site.done(GC)
    assert (left, [], False) == (site.seen(), site.not_pulled(), site.storage.has(own))
    assert before > stored_bytes(site)
    assert [None, None] == [site.client.blob_size(name, own) for name in ("tool", STAGE)]
    assert ["airferry/stage", "site/app"] == sorted(site.client.repositories())
    site.put("a.tar", docker_archive([APP, TOOL]))
    site.put("b.tar", tar_bytes(several(two_platforms(), DOCKER, name=f"quay.io/{LISTED}")))
    assert (NAMES, []) == (site.names(), site.not_pulled())
    assert {} == (await site.told(VERIFY)).missing


async def test_a_layer_of_a_deleted_image_that_another_needs(site: Upkeep) -> None:
    shared = site.layer("site/app:1")
    delete_held(site.site_config, ["site/app:1", "site/app:stable"])
    await site.done(GC)
    assert ([], True) == (site.not_pulled(), site.storage.has(shared))
    assert None is site.client.blob_size("site/app", shared)


async def test_what_a_name_stood_for_before(site: Upkeep) -> None:
    """CNCF distribution's own garbage collection keeps it for ever."""
    old, layer = site.manifest("tool:2"), site.layer("tool:2")
    site.put("c.tar", docker_archive([ImageSpec(TOOL.tags, [layer_tar(9, 5000)])]))
    assert [True, True] == [site.storage.has(digest) for digest in (old, layer)]
    await site.done(GC)
    assert [False, False] == [site.storage.has(digest) for digest in (old, layer)]
    assert ([], []) == (site.not_pulled(), site.storage.history("tool", "2")[1:])


async def test_imports_that_were_broken_off_and_unfinished_uploads(site: Upkeep) -> None:
    digest = site.client.upload_bytes(STAGE, b"a layer of an image that never got its name")
    uploads = site.repository(STAGE) / "_uploads"
    for name, age_s in (("old", PURGED_AFTER_S + 60), ("new", PURGED_AFTER_S - 600)):
        (uploads / name).mkdir(parents=True)
        (uploads / name / "data").write_bytes(b"x" * 1000)
        at = (uploads / name).stat().st_mtime - age_s
        os.utime(uploads / name / "data", (at, at))
    await site.done(GC)
    assert (False, ["new"]) == (
        site.storage.has(digest),
        [path.name for path in uploads.iterdir() if (path / "data").exists()],
    )


async def test_damaged_parts_that_were_put_aside(site: Upkeep) -> None:
    layer = site.layer("tool:2")
    site.flip(layer)
    site.storage.put_aside(layer)
    await site.done(GC)
    assert {} == site.storage.aside()


async def test_nobody_can_tell_what_a_damaged_image_needs(site: Upkeep) -> None:
    manifest, blobs = site.manifest("tool:2"), site.storage.blobs()
    site.flip(manifest)
    with pytest.raises(RegistryDamaged, match="tool:2 is damaged in the registry") as caught:
        await site.done(GC)
    assert "airferry registry verify --repair" in caught.value.remedy
    assert blobs == site.storage.blobs()
    delete_held(site.site_config, ["tool:2"])
    await site.done(GC)
    assert (["site/app:1", "site/app:stable", LISTED], []) == (site.names(), site.not_pulled())


async def test_images_of_schema_1_keep_their_layers(site: Upkeep) -> None:
    """No push brings them any more, but a directory of old may have them."""
    layer = put_of_schema_1(site)
    await site.done(GC)
    assert site.storage.has(layer)
    assert {} == (await site.told(VERIFY)).missing


def test_images_of_schema_1_do_not_keep_the_others_from_a_backup(site: Upkeep) -> None:
    """The registry signs them anew each time, so what comes never has their digest."""
    put_of_schema_1(site)
    warned: list[str] = []
    found = read_snapshot(site.client, threading.Event(), warned.append)
    assert NAMES == sorted(f"{repository}:{tag}" for repository, tag in found.tags)
    assert ["old:1 is of a kind (schema 1) that is not kept: it is left out"] == warned


async def test_lists_in_lists_in_lists(site: Upkeep) -> None:
    text, digest = b"", site.manifest(LISTED)
    for _ in range(NESTED):
        entry = {"mediaType": OCI_INDEX, "digest": digest, "size": 1}
        text = as_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]})
        digest = digest_of(text)
        site.client.put_manifest("site/docker", digest, text.decode(), OCI_INDEX)
    site.client.put_manifest("site/docker", "deep", text.decode(), OCI_INDEX)
    delete_held(site.site_config, [LISTED])
    blobs = site.storage.blobs()
    await site.done(GC)
    assert blobs == site.storage.blobs()


async def test_an_unreadable_name(site: Upkeep) -> None:
    (site.repository("tool") / LinkType.HISTORY / "2/current/link").write_text("")
    with pytest.raises(RegistryDamaged, match="tool:2 is damaged in the registry"):
        await site.done(GC)


async def test_a_dry_run_changes_nothing(site: Upkeep) -> None:
    delete_held(site.site_config, ["tool:2"])
    blobs = site.storage.blobs()
    plan = await site.told(PLAN_GC)
    assert "hosts can pull, and nobody can push" in plan.missing["registry.gc"]
    assert blobs == site.storage.blobs()


def test_a_registry_for_reading_only_is_not_as_it_should_be(site: Upkeep) -> None:
    """So whatever comes after a gc that was killed starts it as it should be."""
    server = RegistryServer(site.site_config)
    server.start(read_only=True)
    assert (False, []) == (server.settings_fit(), site.not_pulled())
    with pytest.raises(RegistryError):
        site.client.upload_bytes("x", b"nobody can push meanwhile")
    delete_held(site.site_config, ["tool:2"])
    assert (True, False) == (server.settings_fit(), "tool:2" in site.names())


RELEASES = [f"docker-imgs-v-5.{minor}.0-1.tar" for minor in (2, 10, 3)]


def image(name: str, seed: int) -> ImageSpec:
    return ImageSpec([name], [layer_tar(seed, 20_000)])


@pytest.fixture
def generations(registry_program: None, tmp_path: Path) -> Iterator[Upkeep]:  # noqa: ARG001
    """A site with three releases, and an addition in two versions, the older one imported first."""
    with upkeep_site(tmp_path) as made:
        common = image("common:1", 50)
        for number, name in enumerate(RELEASES):
            made.put(name, docker_archive([common, image(f"part:{number}", 60 + number)]))
        for number, version in enumerate(("2026-01", "2026-02")):
            made.put(f"tools-{version}.tar", docker_archive([image(f"tools:{number}", number)]))
            record = Catalogue(made.state_dir)
            (path,) = (
                path
                for path in (made.state_dir / "bundles").glob("*.json")
                if path.stem == bundle_file(made.images / f"tools-{version}.tar").key
            )
            os.utime(path, (1000 + number, 1000 + number))
            assert record.all()
        yield made


async def test_the_newest_generations_stay(generations: Upkeep) -> None:
    site = generations
    foreign = site.client.document("part", "0")
    assert foreign is not None
    site.put("pushed.tar", docker_archive([image("own:1", 80)]))
    for path in (site.state_dir / "bundles").glob("*.json"):
        if path.stem == bundle_file(site.images / "pushed.tar").key:
            path.unlink()
    (site.images / RELEASES[0]).unlink()
    plan = await site.told(PLAN_KEEP, generations=1)
    assert (
        "3 names of release 5.2.0, release 5.3.0, tools-2026-01.tar"
        in plan.missing["registry.keep"]
    )
    assert {
        ("goes", "part:0"),
        ("comes back", "part:2"),
        ("comes back", "tools:0"),
        ("stays", "own:1"),
    } == plan.wrong
    assert [
        "docker-imgs-v-5.3.0-1.tar, tools-2026-01.tar in imagesDir would bring names back with "
        "the next import"
    ] == plan.warned
    assert "that no name needs" in plan.missing["registry.gc"]
    everything = site.names()
    await site.done(KEEP, generations=1)
    gone = ["part:0", "part:2", "tools:0"]
    assert [name for name in everything if name not in gone] == site.names()
    assert ([], {}) == (site.not_pulled(), (await site.told(VERIFY)).missing)
    assert {} == (await site.told(PLAN_KEEP, generations=1)).missing


async def test_a_name_that_a_newer_bundle_has_too(generations: Upkeep) -> None:
    await generations.done(KEEP, generations=2)
    assert ["common:1", "part:1", "part:2", "tools:0", "tools:1"] == generations.names()


async def test_more_generations_than_there_are(generations: Upkeep) -> None:
    told = await generations.told(PLAN_KEEP, generations=9)
    assert ({}, "6 names, none of older bundles than asked") == (told.missing, told.outcomes[1])
