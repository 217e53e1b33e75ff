"""What travels with images, as a run counts it, and the option that leaves it out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.bundle.discovery import bundle_file
from core.config import Config, Mode
from core.steps.bundles import BundleImport
from core.steps.work import ImportOptions, Work
from tests.support.archives import ImageSpec, layer_tar
from tests.support.carried import attested, referrer
from tests.support.fakes import FakeTeller
from tests.support.oci import Layout, full_name, noted

NAME = "quay.io/case/app:v1"
Make = Callable[..., Work]


@pytest.fixture
async def make(address: str, tmp_path: Path) -> AsyncIterator[Make]:
    """Return a run about a bundle with an attestation, a signature and an SBOM."""
    layout = Layout()
    index = layout.index(*attested(layout, ImageSpec([NAME], [layer_tar(1, 3000)])))
    signature = referrer(layout, index, b"signed", "application/vnd.cncf.notary.signature")
    path = tmp_path / "b.tar"
    path.write_bytes(layout.tar(noted(index, full_name(NAME)), signature, referrer(layout, index)))
    config = Config(
        tmp_path / "airctl-config.yaml",
        mode=Mode.CUSTOM,
        registry_base=f"{address}/site",
        registry_insecure=True,
        state_dir=tmp_path / "state",
    )
    made: list[Work] = []

    def of(*, carries: bool = True, option: bool = False) -> Work:
        options = ImportOptions(without_artifacts=option)
        site = replace(config, carry_artifacts=carries)
        made.append(Work(site, (bundle_file(path),), options=options))
        return made[-1]

    yield of
    for work in made:
        await work.close()


async def imported(work: Work) -> FakeTeller:
    tell, step = FakeTeller(), BundleImport(work, work.files[0])
    missing = await step.check(tell)
    assert missing is not None
    await step.apply(missing, tell)
    assert None is await step.check(tell)
    return tell


async def test_the_result_says_how_many_of_each(make: Make) -> None:
    tell = await imported(make())
    assert "1 image, 1 attestation, 1 signature, 1 SBOM; 1 layer sent" in tell.outcomes[-1]


@pytest.mark.parametrize("key", [{"carries": False}, {"option": True}])
async def test_left_out_they_are_told_and_come_when_they_are_wanted(
    make: Make, key: dict[str, bool]
) -> None:
    tell = await imported(make(**key))
    assert tell.outcomes[-1].startswith("1 image; ")
    notes = [one.note for one in tell.listed]
    assert 3 == sum("--without-artifacts" in note for note in notes), notes
    again = await imported(make())
    assert "1 image, 1 attestation, 1 signature, 1 SBOM" in again.outcomes[-1]
    work = make(**key)
    assert None is await BundleImport(work, work.files[0]).check(FakeTeller())
