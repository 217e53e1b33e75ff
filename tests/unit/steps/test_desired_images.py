"""Which images a host must have, by name, and which of several platforms is its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from core.bundle.discovery import bundle_file
from core.config import Config, HostConfig, Mode
from core.errors import HostUnfit
from core.hosts.facts import Facts
from core.steps.desired_images import unfit_names, wanted_names
from core.steps.work import ImportOptions, Work
from tests.support.archives import ImageSpec, layer_tar, write_bundle
from tests.support.layouts import tar_bytes
from tests.support.platforms import several, two_platforms

HOST = HostConfig("a", "10.0.0.1")
AMD64, ARM64 = two_platforms()
PAUSE = ImageSpec(["registry.k8s.io/pause:3.5", "pause:3.5"], [layer_tar(5, 4000)])
OTHER_PAUSE = ImageSpec(["quay.io/pause:3.5"], [layer_tar(6, 4000)])
MakeWork = Callable[..., Work]


def facts(arch: str) -> Facts:
    """Return what is known of a host that is as it should be."""
    return Facts(
        os_id="debian",
        os_version="12",
        os_like=(),
        os_name="Debian 12",
        arch=arch,
        kernel="6.1",
        cpus=4,
        memory_bytes=8 << 30,
        store_free_bytes=100 << 30,
        tmp_free_bytes=10 << 30,
        clock_skew_s=0.0,
        init="systemd",
        root="yes",
    )


@pytest.fixture
async def make_work(tmp_path: Path) -> AsyncIterator[MakeWork]:
    made: list[Work] = []

    def make(
        paths: Sequence[Path],
        arch: str = "amd64",
        *,
        mode: Mode = Mode.DU,
        options: ImportOptions | None = None,
    ) -> Work:
        config = Config(
            tmp_path / "airctl-config.yaml",
            mode=mode,
            registry_base="registry.site:5000/images",
            hosts=(HOST,),
            state_dir=tmp_path / "state",
        )
        files = tuple(bundle_file(path) for path in paths)
        made.append(Work(config, files, options=options or ImportOptions()))
        made[-1].facts[HOST.name] = facts(arch)
        return made[-1]

    yield make
    for work in made:
        await work.close()


@pytest.fixture
def platforms(tmp_path: Path) -> Path:
    """A bundle with one name for two platforms."""
    path = tmp_path / "platforms.tar"
    path.write_bytes(tar_bytes(several([AMD64, ARM64])))
    return path


@pytest.fixture
def pause(tmp_path: Path) -> Path:
    """A bundle with an image for one platform, under two names that are one on the site."""
    return write_bundle(tmp_path / "pause.tar", [PAUSE])


@pytest.mark.parametrize(("arch", "image"), [("amd64", AMD64), ("arm64", ARM64)])
async def test_a_host_gets_the_image_for_its_platform(
    make_work: MakeWork, platforms: Path, arch: str, image: ImageSpec
) -> None:
    work = make_work([platforms], arch)
    wanted = await wanted_names(work, HOST)
    assert {
        "quay.io/site/both:1": image.image_id,
        "localhost:5001/site/both:1": image.image_id,
    } == {want.name: want.image.image_id for want in wanted}


@pytest.mark.parametrize("arch", ["ppc64le", "arm"])
async def test_a_host_whose_platform_is_not_there_is_refused(
    make_work: MakeWork, platforms: Path, arch: str
) -> None:
    """`arm` is not `arm64`, whatever the names begin with."""
    with pytest.raises(HostUnfit) as caught:
        await wanted_names(make_work([platforms], arch), HOST)
    assert (
        f"a is linux/{arch}, and every image is for another platform: "
        "quay.io/site/both:1 (linux/amd64, linux/arm64/v8)" == caught.value.what
    )
    assert "platform" in caught.value.remedy


async def test_names_of_other_platforms_are_left_out_where_some_fit(
    make_work: MakeWork, platforms: Path, tmp_path: Path
) -> None:
    """A site of two platforms may have an image that only some of its hosts can run."""
    other = ImageSpec(["quay.io/site/only-arm:1"], [layer_tar(7)], platform="linux/arm64")
    write_bundle(tmp_path / "arm.tar", [other])
    work = make_work([platforms, tmp_path / "arm.tar"], "amd64")
    assert {"quay.io/site/both:1", "localhost:5001/site/both:1"} == {
        want.name for want in await wanted_names(work, HOST)
    }
    assert ("quay.io/site/only-arm:1 (linux/arm64)",) == unfit_names(await work.bundles(), "amd64")


@pytest.mark.parametrize(
    ("mode", "pull_name"),
    [
        (Mode.DU, "localhost:5001/pause:3.5"),
        (Mode.CUSTOM, "registry.site:5000/images/pause:3.5"),
    ],
)
async def test_an_image_has_its_own_names_and_the_one_it_is_pulled_by(
    make_work: MakeWork, pause: Path, mode: Mode, pull_name: str
) -> None:
    work = make_work([pause], mode=mode)
    wanted = await wanted_names(work, HOST)
    assert {"registry.k8s.io/pause:3.5", "pause:3.5", pull_name} == {want.name for want in wanted}
    assert {pull_name} == {want.reference.at(work.config.name_prefix) for want in wanted}


async def test_without_a_registry_an_image_has_its_own_names_only(
    make_work: MakeWork, pause: Path
) -> None:
    wanted = await wanted_names(make_work([pause], mode=Mode.NONE), HOST)
    assert ["registry.k8s.io/pause:3.5", "pause:3.5"] == [want.name for want in wanted]


@pytest.mark.parametrize("later_wins", [False, True])
async def test_a_name_that_two_bundles_claim(
    make_work: MakeWork, pause: Path, tmp_path: Path, later_wins: bool
) -> None:
    """The image that has lost has no name left, so no host is asked for it."""
    other = write_bundle(tmp_path / "z.tar", [OTHER_PAUSE])
    work = make_work([pause, other], options=ImportOptions(later_wins=later_wins))
    wanted = await wanted_names(work, HOST)
    found = {want.name: want.image.image_id for want in wanted}
    left = [(one.subject, "E-BUNDLE-NAMES" in one.note) for one in work.left_out()]
    if later_wins:
        names = ("quay.io/pause:3.5", "localhost:5001/pause:3.5")
        assert (dict.fromkeys(names, OTHER_PAUSE.image_id), []) == (found, left)
    else:
        assert OTHER_PAUSE.image_id not in found.values()
        assert "localhost:5001/pause:3.5" in found
        assert [("z.tar", True)] == left
