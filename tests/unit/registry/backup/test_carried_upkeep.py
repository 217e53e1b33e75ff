"""What travels with images, over the years: cleared up with its image, mended, restored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.engine.holdings import delete_held
from core.engine.request import RunKind
from tests.support.archives import ImageSpec, digest_of, layer_tar
from tests.support.backups import raw
from tests.support.carried import attested, referrer
from tests.support.oci import Layout, full_name, noted
from tests.support.upkeep import Upkeep, upkeep_site

SIGNATURE = b"signed by "


@pytest.fixture
def site(registry_program: None, tmp_path: Path) -> Iterator[Upkeep]:  # noqa: ARG001
    with upkeep_site(tmp_path) as made:
        yield made


def signed(version: int) -> tuple[bytes, str, str]:
    """Return a bundle of a signed image, the digest of its index, and that of its signature."""
    layout = Layout()
    image = ImageSpec([f"quay.io/site/app:{version}"], [layer_tar(version, 5000)])
    index = layout.index(*attested(layout, image))
    kind = "application/vnd.cncf.notary.signature"
    signature = referrer(layout, index, SIGNATURE + str(version).encode(), kind)
    data = layout.tar(noted(index, full_name(image.tags[0])), signature)
    return data, str(index["digest"]), str(signature["digest"])


def listed(site: Upkeep, index: str) -> list[str]:
    """Return the referrers of a manifest, as its tag lists them."""
    text = raw(f"docker://{site.address}/site/app:{index.replace(':', '-')}")
    return [one["digest"] for one in json.loads(text)["manifests"]]


async def test_clearing_up_leaves_what_a_name_leads_to(site: Upkeep) -> None:
    data, index, signature = signed(1)
    site.put("tools-1.tar", data)
    before = site.seen()
    await site.done(RunKind.GC)
    assert (before, [signature]) == (site.seen(), listed(site, index))
    assert {} == (await site.told(RunKind.REGISTRY_VERIFY)).missing


async def test_signatures_go_with_the_image_that_is_deleted(site: Upkeep) -> None:
    for version in (1, 2):
        site.put(f"tools-{version}.tar", signed(version)[0])
    _, index, signature = signed(2)
    delete_held(site.site_config, ["site/app:1"])
    assert ["site/app:2", f"site/app:{index.replace(':', '-')}"] == site.names()
    await site.done(RunKind.GC)
    assert [signature] == listed(site, index)
    assert not site.storage.has(digest_of(SIGNATURE + b"1"))
    assert site.storage.has(digest_of(SIGNATURE + b"2"))


async def test_signatures_of_an_old_generation_go_with_it(site: Upkeep) -> None:
    for version in (1, 2):
        site.put(f"tools-{version}.tar", signed(version)[0])
    _, index, signature = signed(2)
    (site.images / "tools-1.tar").unlink()
    told = await site.done(RunKind.KEEP, generations=1)
    assert ["site/app:2", f"site/app:{index.replace(':', '-')}"] == site.names()
    assert [signature] == listed(site, index)
    assert {} == (await site.told(RunKind.GC)).missing
    assert told.outcomes


async def test_a_damaged_signature_is_mended_from_its_bundle(site: Upkeep) -> None:
    data, index, signature = signed(1)
    site.put("tools-1.tar", data)
    blob = digest_of(SIGNATURE + b"1")
    site.storage.blob_path(blob).write_bytes(b"rotten")
    assert (await site.told(RunKind.REGISTRY_VERIFY)).missing
    await site.done(RunKind.REPAIR)
    assert SIGNATURE + b"1" == site.storage.blob_path(blob).read_bytes()
    assert [signature] == listed(site, index)
    assert {} == (await site.told(RunKind.REGISTRY_VERIFY)).missing
