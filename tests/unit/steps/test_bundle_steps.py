"""The steps about bundles: which image gets a name, what is kept, what mode none cannot use."""

from __future__ import annotations

import gzip
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from core.bundle.discovery import bundle_file
from core.bundle.model import BundleFile
from core.bundle.reference import parse_reference
from core.config import Config, Mode
from core.errors import BundleCorrupt, BundleError, NameCollision
from core.steps.base import Missing
from core.steps.bundles import BundleImport, BundleRead
from core.steps.du import RegistryVerify
from core.steps.work import ImportOptions, Work
from tests.support.archives import ImageSpec, docker_archive, layer_tar, write_bundle
from tests.support.fakes import FakeTeller
from tests.support.layouts import entries_of, tar_bytes
from tests.support.oci import DOCKER_MANIFEST, GZIP, ZSTD, zstd_packed
from tests.support.platforms import (
    layout_of,
    several,
    split,
    two_platforms,
    with_layers_packed,
    write_layout,
)
from tests.support.stored import Storage

OLD = ImageSpec(["quay.io/a/b:1"], [layer_tar(1, 9000)])
NEW = ImageSpec(["registry.k8s.io/a/b:1"], [layer_tar(2, 9000)])
OTHER = ImageSpec(["quay.io/a/other:1"], [layer_tar(3, 5000)])
NAMELESS = ImageSpec([], [layer_tar(4, 5000)])
MakeWork = Callable[..., Work]


@pytest.fixture
async def make_work(address: str, tmp_path: Path) -> AsyncIterator[MakeWork]:
    """Make what the steps of one run share; the site's registry is a real one."""
    made: list[Work] = []
    config = Config(
        tmp_path / "airctl-config.yaml",
        mode=Mode.CUSTOM,
        registry_base=address,
        registry_insecure=True,
        state_dir=tmp_path / "state",
    )

    def make(
        paths: Sequence[Path], options: ImportOptions | None = None, **changes: object
    ) -> Work:
        files = tuple(bundle_file(path) for path in paths)
        made.append(
            Work(
                replace(config, **changes),  # type: ignore[arg-type]
                files,
                options=options or ImportOptions(),
            )
        )
        return made[-1]

    yield make
    for work in made:
        await work.close()


async def import_one(work: Work, file: BundleFile) -> FakeTeller:
    """Import a bundle, and see that nothing is missing then."""
    step, tell = BundleImport(work, file), FakeTeller()
    missing = await step.check(tell)
    assert missing is not None
    await step.apply(missing, tell)
    assert None is await step.check(tell)
    return tell


async def import_all(work: Work) -> FakeTeller:
    for file in work.files:
        tell = await import_one(work, file)
    assert None is await RegistryVerify(work).check(FakeTeller())
    return tell


def digest(work: Work, name: str = "a/b", tag: str = "1") -> str | None:
    return work.registry.manifest_digest(name, tag)


def image_of(work: Work, number: int) -> str:
    """Return the manifest digest of the only image of a bundle."""
    known = work.known(work.files[number])
    assert known is not None
    return known.images[0].manifest_digest


@pytest.fixture
def both(tmp_path: Path) -> list[Path]:
    """Two bundles with different images that get the same name on the site."""
    return [
        write_bundle(tmp_path / "one.tar", [OLD, OTHER]),
        write_bundle(tmp_path / "two.tar", [NEW]),
    ]


async def test_two_images_of_one_name_are_refused_and_both_bundles_named(
    make_work: MakeWork, both: list[Path], stored: Storage
) -> None:
    work = make_work(both)
    await import_one(work, work.files[0])
    step = BundleImport(work, work.files[1])
    with pytest.raises(NameCollision) as caught:
        await step.apply(Missing("all"), FakeTeller())
    assert [True] * 4 == [
        word in caught.value.what for word in ("one.tar", "two.tar", *OLD.tags, *NEW.tags)
    ]
    assert "--later-wins" in caught.value.remedy
    assert ["a/b:1", "a/other:1"] == stored.tags()
    assert image_of(work, 0) == digest(work)


@pytest.mark.parametrize("from_config", [False, True])
@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
async def test_the_bundle_whose_name_comes_later_wins(
    make_work: MakeWork, both: list[Path], order: list[int], from_config: bool
) -> None:
    """In whatever order they are imported, and in the next run as well."""
    options = ImportOptions(later_wins=not from_config)
    paths = [both[number] for number in order]
    work = make_work(paths, options, later_bundle_wins=from_config)
    await import_all(work)
    assert image_of(work, order.index(1)) == digest(work)
    again = make_work(paths, options, later_bundle_wins=from_config)
    for file in again.files:
        assert None is await BundleImport(again, file).check(FakeTeller())
    assert None is await RegistryVerify(again).check(FakeTeller())


async def test_platforms_of_a_later_bundle_win_over_one_image(
    make_work: MakeWork, tmp_path: Path
) -> None:
    one = write_bundle(tmp_path / "a.tar", [replace(OLD, tags=["quay.io/site/both:1"])])
    (tmp_path / "b.tar").write_bytes(tar_bytes(several(two_platforms())))
    work = make_work([one, tmp_path / "b.tar"], ImportOptions(later_wins=True))
    await import_all(work)
    known = work.known(work.files[1])
    assert known is not None
    assert known.lists[0].manifest_digest == digest(work, "site/both")


async def test_the_same_image_in_two_bundles_is_no_collision(
    make_work: MakeWork, tmp_path: Path, stored: Storage
) -> None:
    paths = [
        write_bundle(tmp_path / "a.tar", [OLD]),
        write_bundle(tmp_path / "b.tar", [OTHER, OLD]),
    ]
    tell = await import_all(make_work(paths))
    assert ["a/b:1", "a/other:1"] == stored.tags()
    assert ["2 images; 1 layer sent, 1 were there already"] == tell.outcomes


@pytest.mark.parametrize("same_time", [False, True])
async def test_two_files_of_one_name_are_two_bundles(
    make_work: MakeWork, tmp_path: Path, stored: Storage, same_time: bool
) -> None:
    """Copied with their times kept, as a stick's are, they may differ in nothing but content."""
    paths = []
    for directory, image in (("v1", OLD), ("v2", replace(NEW, tags=["quay.io/a/c:1"]))):
        (tmp_path / directory).mkdir()
        paths.append(write_bundle(tmp_path / directory / "images.tar", [image]))
        if same_time:
            os.utime(paths[-1], (1, 1))
    work = make_work(paths)
    ids = [BundleImport(work, file).id for file in work.files]
    assert [f"bundle.import:{path}" for path in paths] == ids
    await import_all(work)
    assert ["a/b:1", "a/c:1"] == stored.tags()


async def test_a_bundle_of_a_name_of_its_own_is_called_by_it(
    make_work: MakeWork, both: list[Path]
) -> None:
    work = make_work(both)
    assert ["bundle.import:one.tar", "bundle.import:two.tar"] == [
        BundleImport(work, file).id for file in work.files
    ]


@pytest.mark.parametrize("image", [NAMELESS, OLD])
async def test_a_name_for_the_image_of_a_bundle(
    make_work: MakeWork, tmp_path: Path, stored: Storage, image: ImageSpec
) -> None:
    options = ImportOptions(name=parse_reference("quay.io/mine/app:7"))
    path = write_bundle(tmp_path / "b.tar", [image])
    tell = await import_all(make_work([path], options))
    assert (["mine/app:7"], []) == (stored.tags(), tell.warned)


async def test_a_name_for_platforms(make_work: MakeWork, tmp_path: Path, stored: Storage) -> None:
    path = tmp_path / "b.tar"
    path.write_bytes(tar_bytes(several(two_platforms())))
    work = make_work([path], ImportOptions(name=parse_reference("mine:7")))
    await import_all(work)
    known = work.known(work.files[0])
    assert known is not None
    assert (["mine:7"], known.lists[0].manifest_digest) == (
        stored.tags(),
        digest(work, "mine", "7"),
    )


async def test_a_name_for_a_bundle_that_was_imported_before_is_kept(
    make_work: MakeWork, tmp_path: Path, stored: Storage
) -> None:
    """Later runs, which are not told the name, verify it and warm the hosts with it."""
    path = write_bundle(tmp_path / "b.tar", [NAMELESS])
    await import_all(make_work([path]))
    await import_all(make_work([path], ImportOptions(name=parse_reference("mine:7"))))
    assert ["mine:7"] == stored.tags()
    (later,) = await make_work([path]).bundles()
    assert [parse_reference("mine:7")] == list(later.references)


async def test_a_name_for_several_images_is_refused(
    make_work: MakeWork, tmp_path: Path, stored: Storage
) -> None:
    path = write_bundle(tmp_path / "b.tar", [OLD, OTHER])
    work = make_work([path], ImportOptions(name=parse_reference("mine:7")))
    with pytest.raises(BundleError, match="holds 2 images, so it takes no name") as caught:
        await BundleImport(work, work.files[0]).apply(Missing("all"), FakeTeller())
    assert "--name" in caught.value.remedy
    assert [] == stored.tags()


async def test_images_without_a_name_are_told(
    make_work: MakeWork, tmp_path: Path, stored: Storage
) -> None:
    work = make_work([write_bundle(tmp_path / "b.tar", [NAMELESS, OLD])])
    tell = await import_one(work, work.files[0])
    (warned,) = tell.warned
    assert warned.what.startswith("b.tar: 1 image has no name and")
    assert "--name" in warned.text
    assert ["a/b:1"] == stored.tags()


async def test_what_is_whole_of_a_damaged_bundle_is_named_where_that_is_asked_for(
    make_work: MakeWork, tmp_path: Path, stored: Storage
) -> None:
    data = docker_archive([OLD, OTHER])
    path = tmp_path / "b.tar"
    path.write_bytes(tar_bytes(e for e in entries_of(data) if e.data != OTHER.layers[0]))
    in_part = ImportOptions(keep_going=True)
    work = make_work([path], in_part)
    tell = await import_one(work, work.files[0])
    assert ["a/b:1"] == stored.tags()
    assert ["1 image; 1 layer sent, 0 were there already; 1 left out"] == tell.outcomes
    (left,) = tell.listed
    assert ("left out", "b.tar") == (left.what, left.subject)
    assert "quay.io/a/other:1" in left.note
    assert "E-BUNDLE-CORRUPT" in left.note
    again, tell = make_work([path], in_part), FakeTeller()
    assert None is await BundleImport(again, work.files[0]).check(tell)
    assert [left] == tell.listed
    tell = FakeTeller()
    assert None is await RegistryVerify(make_work([path])).check(tell)
    assert [left] == tell.listed
    path.write_bytes(data)
    await import_all(make_work([path]))
    assert ["a/b:1", "a/other:1"] == stored.tags()


async def test_without_that_nothing_of_it_is_named_and_all_that_is_wrong_is_told(
    make_work: MakeWork, tmp_path: Path, stored: Storage
) -> None:
    lacking = (OLD.layers[0], OTHER.layers[0])
    third = replace(NAMELESS, tags=["a/third:1"])
    entries = entries_of(docker_archive([OLD, OTHER, third]))
    path = tmp_path / "b.tar"
    path.write_bytes(tar_bytes(entry for entry in entries if entry.data not in lacking))
    work = make_work([path])
    step = BundleImport(work, work.files[0])
    with pytest.raises(BundleCorrupt, match=r"^b\.tar: 2 faults: ") as caught:
        await step.apply(Missing("all"), FakeTeller())
    assert [True] * 2 == [name in caught.value.what for name in (*OLD.tags, *OTHER.tags)]
    assert [] == stored.tags()
    missing = await BundleImport(make_work([path]), work.files[0]).check(FakeTeller())
    assert missing is not None
    assert None is await RegistryVerify(make_work([path])).check(tell := FakeTeller())
    assert ["b.tar", "b.tar"] == [one.subject for one in tell.listed]


async def test_zstd_can_be_turned_into_gzip_after_it_was_imported(
    make_work: MakeWork, tmp_path: Path
) -> None:
    """That is when people find out that their hosts' Docker does not take zstd."""
    path = tmp_path / "b.tar"
    path.write_bytes(with_layers_packed(docker_archive([OLD]), zstd_packed))
    await import_all(make_work([path]))
    work = make_work([path], ImportOptions(recompress=True))
    await import_all(work)
    assert DOCKER_MANIFEST == work.registry.manifest("a/b", "1")["mediaType"]
    assert None is await RegistryVerify(make_work([path])).check(FakeTeller())
    again = make_work([path], ImportOptions(recompress=True))
    assert None is await BundleImport(again, again.files[0]).check(FakeTeller())


async def test_a_bundle_in_parts(make_work: MakeWork, tmp_path: Path, stored: Storage) -> None:
    first, *_ = split(docker_archive([OLD]), tmp_path / "b.tar", 3)
    work = make_work([first])
    await import_all(work)
    assert (["bundle.import:b.tar"], ["a/b:1"]) == (
        [BundleImport(work, file).id for file in work.files],
        stored.tags(),
    )


async def read_in_mode_none(make_work: MakeWork, path: Path) -> Missing | None:
    """Read a bundle as mode none does, and return what is missing then."""
    work = make_work([path], mode=Mode.NONE)
    step = BundleRead(work, work.files[0])
    missing = await step.check(FakeTeller())
    assert missing is not None
    await step.apply(missing, FakeTeller())
    return await step.check(FakeTeller())


def layout_archive(path: Path) -> Path:
    path.write_bytes(tar_bytes(layout_of(OLD, GZIP)))
    return path


def layout_directory(path: Path) -> Path:
    return write_layout(path, layout_of(OLD, ZSTD))


def zstd_archive(path: Path) -> Path:
    path.write_bytes(zstd_packed(docker_archive([OLD])))
    return path


def zstd_parts(path: Path) -> Path:
    return split(zstd_packed(docker_archive([OLD])), path.with_suffix(".tar.zst"), 3)[0]


def plain_archive(path: Path) -> Path:
    return write_bundle(path, [OLD])


def gzip_archive(path: Path) -> Path:
    path.write_bytes(gzip.compress(docker_archive([OLD])))
    return path


@pytest.mark.parametrize(
    "write",
    [plain_archive, gzip_archive, layout_archive, layout_directory, zstd_archive, zstd_parts],
)
async def test_reading_alone_takes_every_kind(
    make_work: MakeWork, tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    assert None is await read_in_mode_none(make_work, write(tmp_path / "b.tar"))
