"""One image in several bundles, each encoded otherwise: the name stands for one of them, and stays.

The bundles are rebuilt from public reports: `docker save` beside crane, skopeo and Docker 25, and a
list of platforms beside one of its images.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.bundle.discovery import bundle_file
from core.cluster.place import TABLE_NAME
from core.config import Config, Mode
from core.registry.api.client import RegistryClient
from core.steps.bundles import BundleImport
from core.steps.cluster import files_of_site
from core.steps.desired_images import unfit_names
from core.steps.du import RegistryVerify
from core.steps.work import Work
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.fakes import FakeTeller
from tests.support.layouts import crane_entries, docker25_entries, tar_bytes
from tests.support.oci import ZSTD, Layout, full_name, noted, on_platform
from tests.support.stored import Storage

NAME = "registry.example:5000/case/shared:v1"
REPOSITORY, TAG = "case/shared", "v1"
AMD = ImageSpec([NAME], [layer_tar(1, 3000), layer_tar(2, 2000)])
ARM = ImageSpec([NAME], [layer_tar(3, 2000)], "linux/arm64")


def skopeo_s() -> bytes:
    layout = Layout()
    return layout.tar(noted(layout.image(AMD), full_name(NAME)))


def of_two_platforms() -> bytes:
    layout = Layout()
    entries = [noted(layout.image(image), on_platform(image.platform)) for image in (AMD, ARM)]
    return layout.tar(noted(layout.index(*entries), full_name(NAME)))


def with_zstd() -> bytes:
    layout = Layout()
    return layout.tar(noted(layout.image(AMD, ZSTD), full_name(NAME)))


BUNDLES: dict[str, Callable[[], bytes]] = {
    "docker-save": lambda: docker_archive([AMD]),
    "crane": lambda: tar_bytes(crane_entries([AMD])),
    "skopeo": skopeo_s,
    "docker-25": lambda: tar_bytes(docker25_entries([AMD])),
    "list": of_two_platforms,
    "zstd": with_zstd,
}


class Site:
    """A site in mode custom whose registry is a real one; each run is a `Work` of its own."""

    def __init__(self, address: str, base: Path, name: str = "site") -> None:
        self.directory = directory = base / name
        directory.mkdir()
        self.config = Config(
            directory / "airctl-config.yaml",
            mode=Mode.CUSTOM,
            registry_base=f"{address}/{name}",
            registry_insecure=True,
            state_dir=directory / "state",
        )

    def path(self, kind: str, place: int = 0) -> Path:
        path = self.directory / f"{place}-{kind}.tar"
        if not path.exists():
            path.write_bytes(BUNDLES[kind]())
        return path

    @asynccontextmanager
    async def run(self, *paths: Path) -> AsyncIterator[Work]:
        work = Work(self.config, tuple(bundle_file(path) for path in paths))
        try:
            yield work
        finally:
            await work.close()

    async def import_all(self, *paths: Path) -> None:
        """Import as the runner does: every step is asked again when it is done."""
        async with self.run(*paths) as work:
            for file in work.files:
                step = BundleImport(work, file)
                missing = await step.check(FakeTeller())
                if missing is not None:
                    await step.apply(missing, FakeTeller())
                assert None is await step.check(FakeTeller())

    async def require_all_there(self, *paths: Path) -> None:
        """See that nothing is missing for any of the bundles, and nothing is to be done again."""
        async with self.run(*paths) as work:
            assert None is await RegistryVerify(work).check(FakeTeller())
            for file in work.files:
                assert None is await BundleImport(work, file).check(FakeTeller())


@pytest.fixture
def site(address: str, tmp_path: Path) -> Site:
    return Site(address, tmp_path)


def raw(site: Site, reference: str) -> bytes:
    """Return what skopeo gets of a name, as it is."""
    name = f"docker://{site.config.registry_base}/{reference}"
    done = subprocess.run(
        ["skopeo", "inspect", "--raw", "--tls-verify=false", name], capture_output=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("first", BUNDLES)
async def test_two_encodings_in_one_run_end_well(address: str, tmp_path: Path, first: str) -> None:
    for number, second in enumerate(set(BUNDLES) - {first}):
        site = Site(address, tmp_path, f"site-{number}")
        paths = [site.path(kind, place) for place, kind in enumerate((first, second))]
        await site.import_all(*paths)
        await site.require_all_there(*paths)


@pytest.mark.parametrize("first", BUNDLES)
async def test_two_encodings_in_two_runs_end_well(address: str, tmp_path: Path, first: str) -> None:
    for number, second in enumerate(set(BUNDLES) - {first}):
        site = Site(address, tmp_path, f"site-{number}")
        paths = [site.path(kind, place) for place, kind in enumerate((first, second))]
        await site.import_all(paths[0])
        await site.import_all(paths[1])
        for asked in ([paths[1]], [paths[0]], paths):
            await site.require_all_there(*asked)


async def test_all_of_them_agree_on_one_manifest(site: Site) -> None:
    paths = [site.path(kind) for kind in BUNDLES]
    await site.import_all(*paths)
    before = raw(site, f"{REPOSITORY}:{TAG}")
    await site.import_all(*reversed(paths))
    assert before == raw(site, f"{REPOSITORY}:{TAG}")
    platforms = [one["platform"]["architecture"] for one in json.loads(before)["manifests"]]
    assert ["amd64", "arm64"] == platforms
    await site.require_all_there(*paths)


@pytest.mark.parametrize("order", [("zstd", "crane"), ("crane", "zstd")], ids=" then ".join)
async def test_what_every_engine_reads_has_the_name(site: Site, order: tuple[str, str]) -> None:
    for place, kind in enumerate(order):
        await site.import_all(site.path(kind, place))
    kinds = [layer["mediaType"] for layer in json.loads(raw(site, f"{REPOSITORY}:{TAG}"))["layers"]]
    assert [False, False] == ["zstd" in kind for kind in kinds]


async def test_a_part_lost_of_the_other_bundles_manifest_is_told_and_mended(
    site: Site, stored: Storage
) -> None:
    plain, crane = site.path("docker-save"), site.path("crane")
    await site.import_all(plain, crane)
    manifest = json.loads(raw(site, f"{REPOSITORY}:{TAG}"))
    stored.lose_blob(manifest["layers"][0]["digest"])
    for path in (plain, crane):
        async with site.run(path) as work:
            missing = await RegistryVerify(work).check(FakeTeller())
            assert missing is not None
    await site.import_all(plain, crane)
    await site.require_all_there(plain, crane)


async def test_the_cluster_is_told_the_digest_that_is_filed(site: Site) -> None:
    first, second = site.path("crane", 0), site.path("skopeo", 1)
    await site.import_all(second)
    await site.import_all(first)
    client = RegistryClient(site.config.registry_base.partition("/")[0], prefix="site")
    try:
        filed = client.manifest_digest(REPOSITORY, TAG)
        files = files_of_site(site.config, client, map(bundle_file, (first, second)))
    finally:
        client.close()
    assert [True] == [str(filed) in text for name, text in files.items() if name == TABLE_NAME]


async def test_no_host_is_unfit_for_a_name_that_another_bundle_has_for_it(site: Site) -> None:
    async with site.run(site.path("crane"), site.path("list")) as work:
        assert () == unfit_names(await work.bundles(), "arm64")
