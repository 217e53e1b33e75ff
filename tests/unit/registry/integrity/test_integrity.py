"""Rot in a real registry's storage: found, told whose it is, and mended."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.engine.request import RunKind
from core.errors import RegistryDamaged
from core.registry.content.inventory import delete_names, read_holdings
from core.registry.integrity.scan import Scan, scan_storage
from core.registry.local.storage import LinkType
from core.steps import upkeep
from tests.support.archives import ImageSpec, docker_archive
from tests.support.backups import backup_of, written
from tests.support.upkeep import APP, LISTED, TOOL, Upkeep, upkeep_site

VERIFY, REPAIR, PLAN_REPAIR = RunKind.REGISTRY_VERIFY, RunKind.REPAIR, RunKind.PLAN_REPAIR
NAMES = ["site/app:1", "site/app:stable", LISTED, "tool:2"]


@pytest.fixture
def site(registry_program: None, tmp_path: Path) -> Iterator[Upkeep]:  # noqa: ARG001
    with upkeep_site(tmp_path) as made:
        made.fill()
        yield made


async def wrong(site: Upkeep) -> set[tuple[str, str]]:
    return (await site.told(VERIFY)).wrong


def delete(site: Upkeep, *names: str) -> None:
    holdings = read_holdings(site.client)
    going = frozenset((h.repository, h.tag) for h in holdings if h.name in names)
    assert len(names) == len(going)
    delete_names(site.client, holdings, going)


async def test_a_whole_registry(site: Upkeep) -> None:
    told = await site.told(VERIFY)
    assert ({}, ["4 names, every part of them is whole"]) == (told.missing, told.outcomes)


async def test_a_bit_of_a_shared_layer(site: Upkeep) -> None:
    before, layer = site.seen(), site.layer("site/app:1")
    site.flip(layer)
    told = await site.told(VERIFY)
    words = "1 damaged part in 3 images: site/app:1, site/app:stable, tool:2"
    assert {"registry.scan": words} == told.missing
    (one,) = told.listed
    assert ("damaged", layer, ("site/app:1", "site/app:stable", "tool:2"), "bundle a.tar") == (
        one.what,
        one.subject,
        one.names,
        one.note,
    )
    done = await site.done(REPAIR)
    assert "4 names, every part of them is whole; 1 mended" == done.outcomes[-1]
    assert (set(), before, []) == (await wrong(site), site.seen(), site.not_pulled())
    assert {} == site.storage.aside()


async def test_parts_that_are_cut_or_gone(site: Upkeep) -> None:
    cut, gone = site.layer("tool:2"), site.layer("site/app:1")
    path = site.storage.blob_path(cut)
    path.write_bytes(path.read_bytes()[:-7])
    shutil.rmtree(site.storage.blob_path(gone).parent)
    assert {("damaged", cut), ("missing", gone)} == await wrong(site)
    await site.done(REPAIR)
    assert (set(), []) == (await wrong(site), site.not_pulled())


@pytest.mark.parametrize("seed", range(6))
async def test_bits_anywhere(site: Upkeep, seed: int) -> None:
    """Manifests, lists, configs and layers alike; several at once."""
    noise = random.Random(seed)  # noqa: S311 - places, no secrets
    blobs = sorted(site.storage.blobs())
    chosen = noise.sample(blobs, noise.randint(1, 5))
    for digest in chosen:
        site.flip(digest, seed)
    assert {("damaged", digest) for digest in chosen} <= await wrong(site)
    await site.done(REPAIR)
    assert (set(), NAMES, []) == (await wrong(site), site.names(), site.not_pulled())


async def test_all_blobs_are_gone(site: Upkeep) -> None:
    before = site.seen()
    for digest in site.storage.blobs():
        site.storage.blob_path(digest).unlink()
    await site.done(REPAIR)
    assert (set(), before, []) == (await wrong(site), site.seen(), site.not_pulled())


async def test_links_that_are_damaged_or_gone(site: Upkeep) -> None:
    layer, manifest = site.layer("tool:2"), site.manifest("tool:2")
    site.storage.link_path(LinkType.PART, "tool", layer).unlink()
    site.storage.link_path(LinkType.REVISION, "tool", manifest).write_text("")
    assert {("link", layer), ("link", manifest)} == await wrong(site)
    await site.done(REPAIR)
    assert (set(), []) == (await wrong(site), site.not_pulled())


def link_of_tool(site: Upkeep) -> Path:
    return site.repository("tool") / LinkType.HISTORY / "2/current/link"


async def test_a_name_that_leads_nowhere(site: Upkeep) -> None:
    before = site.seen()
    link_of_tool(site).write_text("sha256:")
    assert {("tag", "tool:2")} == await wrong(site)
    await site.done(REPAIR)
    assert (set(), before) == (await wrong(site), site.seen())


async def test_a_name_of_which_nobody_knows_what_it_stood_for(site: Upkeep) -> None:
    """It stood for two images, one after the other, and no bundle at hand says for which now."""
    site.put("c.tar", docker_archive([ImageSpec(TOOL.tags, APP.layers)]))
    for path in site.images.iterdir():
        path.unlink()
    link_of_tool(site).write_text("x")
    with pytest.raises(RegistryDamaged, match="not mended: 1 damaged name in 1 image: tool:2"):
        await site.done(REPAIR)
    assert "x" == link_of_tool(site).read_text()


async def test_a_damaged_part_that_no_image_needs(site: Upkeep) -> None:
    """The next import would believe that the registry has it."""
    layer = site.layer("tool:2")
    delete(site, "tool:2")
    site.flip(layer)
    assert {("damaged", layer)} == await wrong(site)
    await site.done(REPAIR)
    assert set() == await wrong(site)
    site.put("a.tar", docker_archive([APP, TOOL]))
    assert (set(), NAMES, []) == (await wrong(site), site.names(), site.not_pulled())


async def test_a_repair_brings_no_deleted_name_back(site: Upkeep) -> None:
    layer = site.layer("site/app:1")
    delete(site, "tool:2", "site/app:stable")
    site.flip(layer)
    await site.done(REPAIR)
    assert (set(), ["site/app:1", LISTED]) == (await wrong(site), site.names())


async def test_what_nobody_has_is_told_and_comes_with_its_bundle(
    site: Upkeep, tmp_path: Path
) -> None:
    layer, bundle = site.layer("tool:2"), site.images / "a.tar"
    bundle.rename(tmp_path / "a.tar")
    site.flip(layer)
    (one,) = (await site.told(VERIFY)).listed
    assert "it came with a.tar, which is not in imagesDir any more" == one.note
    with pytest.raises(RegistryDamaged, match="not mended: 1 missing part in 1 image") as caught:
        await site.done(REPAIR)
    assert "Put a.tar into imagesDir, or name a backup (--from FILE)" in caught.value.remedy
    assert [layer] == list(site.storage.aside())
    site.put("a.tar", (tmp_path / "a.tar").read_bytes())
    assert (set(), []) == (await wrong(site), site.not_pulled())


async def test_a_backup_supplies_it(site: Upkeep, tmp_path: Path) -> None:
    backup, before = written(backup_of(site.client, tmp_path / "stick")), site.seen()
    for path in (*site.images.iterdir(), *(site.state_dir / "bundles").iterdir()):
        path.unlink()
    noise = random.Random(5)  # noqa: S311 - places, no secrets
    for digest in noise.sample(sorted(site.storage.blobs()), 4):
        site.flip(digest)
    told = await site.told(VERIFY, backup)
    assert [("damaged", "backup backup.tar")] * 4 == [(one.what, one.note) for one in told.listed]
    await site.done(REPAIR, backup)
    assert (set(), before, []) == (await wrong(site), site.seen(), site.not_pulled())


async def test_a_bundle_that_is_damaged_itself(site: Upkeep) -> None:
    layer, other, path = site.layer("tool:2"), site.manifest(LISTED), site.images / "a.tar"
    site.flip(layer)
    site.flip(other)
    data, facts = bytearray(path.read_bytes()), path.stat()
    data[data.index(TOOL.layers[1][600:1000]) + 100] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    with pytest.raises(RegistryDamaged, match="not mended: 1 missing part in 1 image: tool:2"):
        await site.done(REPAIR)
    assert {("missing", layer)} == await wrong(site)


async def test_layers_that_come_out_otherwise_than_then(site: Upkeep) -> None:
    """The config says by now that the import compresses harder: the digest is another one."""
    layer = site.layer("tool:2")
    site.storage.blob_path(layer).unlink()
    site.config.write_text(f"{site.config.read_text()}\ncompressionLevel: 3\n")
    await site.done(REPAIR)
    assert (set(), NAMES, []) == (await wrong(site), site.names(), site.not_pulled())
    assert layer != site.layer("tool:2")


async def test_a_repair_that_was_killed_at_its_end(site: Upkeep) -> None:
    """All is whole again, only what was damaged lies aside."""
    layer = site.layer("tool:2")
    aside = site.storage.aside_path(layer)
    aside.parent.mkdir()
    aside.write_bytes(b"damaged")
    plan = await site.told(PLAN_REPAIR)
    assert {"registry.repair": "1 damaged part to go: replaced already"} == plan.missing
    done = await site.done(REPAIR)
    assert ({}, "4 names, every part of them is whole") == (
        site.storage.aside(),
        done.outcomes[-1],
    )


async def test_a_dry_repair_changes_nothing(site: Upkeep) -> None:
    layer = site.layer("tool:2")
    site.flip(layer)
    told = await site.told(PLAN_REPAIR)
    assert "1 of 1 can be mended" in told.missing["registry.repair"]
    assert {("damaged", layer)} == await wrong(site)


async def test_another_s_registry_is_read_by_its_api(site: Upkeep) -> None:
    layer, gone = site.layer("tool:2"), site.layer("site/app:1")
    text = site.config.read_text().replace("privateRegistryType: du", "privateRegistryType: custom")
    site.config.write_text(
        f"{text}\nprivateRegistryBase: {site.address}\nprivateRegistryInsecure: true\n"
    )
    assert set() == await wrong(site)
    site.flip(layer)
    site.storage.blob_path(gone).unlink()
    manifest = site.manifest(LISTED)
    site.flip(manifest)
    assert {("damaged", layer), ("missing", gone), ("damaged", manifest)} == await wrong(site)


async def test_what_another_run_is_just_writing_is_no_rot(
    site: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manifest that is half written when it is looked at, and whole when the look has ended."""
    manifest = site.storage.blob_path(site.manifest("tool:2"))
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[:-9])
    looks: list[Scan] = []

    def look(*arguments: Any, **options: Any) -> Scan:  # noqa: ANN401 - handed on as they are
        looks.append(scan_storage(*arguments, **options))
        manifest.write_bytes(whole)
        return looks[-1]

    monkeypatch.setattr(upkeep, "scan_storage", look)
    told = await site.told(VERIFY)
    assert ([1, 0], {}) == ([len(scan.findings) for scan in looks], told.missing)
