"""What the dry run of an import tells of bundles: all that would stop it, each read once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.bundle.model import Bundle, BundleFile
from core.config import Mode
from core.errors import AirferryError, BundleCorrupt, BundleTruncated, NameCollision
from core.steps import looking
from core.steps import work as work_module
from core.steps.base import Missing
from core.steps.bundles import BundleImport, BundleRead
from core.steps.work import ImportOptions, Work
from tests.support.archives import ImageSpec, docker_archive, layer_tar, write_bundle
from tests.support.fakes import FakeTeller
from tests.support.layouts import entries_of, tar_bytes
from tests.support.stored import Storage
from tests.unit.steps.test_bundle_steps import MakeWork, import_all, make_work

__all__ = ["make_work"]
ONE = ImageSpec(["quay.io/a/one:1"], [layer_tar(1, 9000)])
TWO = ImageSpec(["quay.io/a/two:1"], [layer_tar(2, 9000)])
OTHER_ONE = ImageSpec(["a/one:1"], [layer_tar(3, 9000)])
OTHER_TWO = ImageSpec(["a/two:1"], [layer_tar(4, 9000)])


def planned(
    make_work: MakeWork, paths: list[Path], options: ImportOptions | None = None, **changes: object
) -> Work:
    """Return what the steps of a dry run share."""
    work = make_work(paths, options, **changes)
    work.dry = work.examines = True
    return work


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The bundles that were listed or read whole, in order."""
    found: list[str] = []
    for module, name in ((work_module, "list_bundle"), (looking, "verify_bundle")):
        real = getattr(module, name)

        def noted(file: BundleFile, *rest: object, read: Callable[..., Bundle] = real) -> Bundle:
            found.append(file.name)
            return read(file, *rest)

        monkeypatch.setattr(module, name, noted)
    return found


def flipped(data: bytes, layer: bytes) -> bytes:
    """Return an archive in which one bit of a layer's content is another."""
    at = data.index(layer[:600]) + 600
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


async def told_by(work: Work) -> list[Missing | AirferryError | None]:
    """Return what each bundle's step finds."""
    found: list[Missing | AirferryError | None] = []
    for file in work.files:
        try:
            found.append(await BundleImport(work, file).check(FakeTeller()))
        except AirferryError as error:
            found.append(error)
    return found


async def test_damage_anywhere_in_a_bundle_is_told_and_nothing_is_changed(
    make_work: MakeWork, tmp_path: Path, stored: Storage
) -> None:
    """Also such as only the digests tell; a bundle's headers are right."""
    paths = [tmp_path / f"{n}.tar" for n in range(3)]
    paths[0].write_bytes(flipped(docker_archive([ONE]), ONE.layers[0]))
    paths[1].write_bytes(docker_archive([TWO]))
    paths[2].write_bytes(docker_archive([OTHER_ONE])[:3000])
    flip, good, cut = await told_by(planned(make_work, paths))
    assert isinstance(flip, BundleCorrupt)
    assert "--keep-going" in flip.remedy
    assert isinstance(good, Missing)
    assert isinstance(cut, BundleTruncated)
    assert [] == stored.tags()


async def test_all_that_is_wrong_with_one_bundle_is_told(
    make_work: MakeWork, tmp_path: Path
) -> None:
    data = flipped(docker_archive([ONE, TWO, OTHER_ONE]), ONE.layers[0])
    path = tmp_path / "b.tar"
    path.write_bytes(tar_bytes(e for e in entries_of(data) if e.data != TWO.layers[0]))
    (found,) = await told_by(planned(make_work, [path]))
    assert isinstance(found, BundleCorrupt)
    assert [True] * 2 == [image.tags[0] in found.what for image in (ONE, TWO)]


async def test_every_name_that_two_bundles_claim_is_told(
    make_work: MakeWork, tmp_path: Path
) -> None:
    paths = [
        write_bundle(tmp_path / "a.tar", [ONE, TWO]),
        write_bundle(tmp_path / "b.tar", [OTHER_ONE, OTHER_TWO]),
    ]
    work = planned(make_work, paths)
    first, second = await told_by(work)
    assert isinstance(first, Missing)
    assert isinstance(second, NameCollision)
    assert [True] * 2 == [name in second.what for name in ("a/one:1", "a/two:1")]
    kept = planned(make_work, paths, ImportOptions(keep_going=True))
    step, tell = BundleImport(kept, kept.files[1]), FakeTeller()
    await BundleImport(kept, kept.files[0]).check(FakeTeller())
    missing = await step.check(tell)
    assert missing is not None
    assert "2 left out" in missing.what
    assert ["left out"] * 2 == [one.what for one in tell.listed]


async def test_a_bundle_is_read_once_whoever_asks(
    make_work: MakeWork, tmp_path: Path, reads: list[str]
) -> None:
    """Not again for the hosts, nor by the next plan; one that is changed, or damaged, is."""
    good = write_bundle(tmp_path / "good.tar", [ONE])
    bad = tmp_path / "bad.tar"
    bad.write_bytes(flipped(docker_archive([TWO]), TWO.layers[0]))
    work = planned(make_work, [good, bad])
    for _ in range(2):
        await told_by(work)
        await work.bundles()
    assert ["good.tar", "bad.tar"] == reads
    await told_by(planned(make_work, [good, bad]))
    assert ["good.tar", "bad.tar", "bad.tar"] == reads
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  good.tar\n")
    (found,) = await told_by(planned(make_work, [good]))
    assert isinstance(found, BundleCorrupt)
    assert "SHA256SUMS" in found.what


async def test_what_a_plan_found_whole_is_imported_with_its_digests_all_the_same(
    make_work: MakeWork, tmp_path: Path, stored: Storage, reads: list[str]
) -> None:
    """The record is a hint: a file that changed and looks the same is found out."""
    path = write_bundle(tmp_path / "b.tar", [ONE])
    assert [True] == [isinstance(f, Missing) for f in await told_by(planned(make_work, [path]))]
    work = make_work([path])
    assert work.known(work.files[0]) is not None
    data = path.read_bytes()
    path.write_bytes(flipped(data, ONE.layers[0]))
    with pytest.raises(BundleCorrupt):
        await BundleImport(work, work.files[0]).apply(Missing("all"), FakeTeller())
    assert [] == stored.tags()
    path.write_bytes(data)
    await import_all(make_work([path]))
    assert (["a/one:1"], ["b.tar"]) == (stored.tags(), reads)


async def test_a_bundle_that_another_refuses_a_name_is_not_read_for_it(
    make_work: MakeWork, tmp_path: Path, stored: Storage
) -> None:
    """A plan has read it already."""
    paths = [
        write_bundle(tmp_path / "a.tar", [ONE]),
        write_bundle(tmp_path / "b.tar", [OTHER_ONE, OTHER_TWO]),
    ]
    await told_by(planned(make_work, paths))
    work = make_work(paths)
    tell = FakeTeller()
    with pytest.raises(NameCollision):
        await BundleImport(work, work.files[1]).check(tell)
    assert [] == tell.told
    first = BundleImport(work, work.files[0])
    await first.apply(Missing("all"), FakeTeller())
    assert ["a/one:1"] == stored.tags()


async def test_who_had_a_name_first_keeps_it_when_another_comes(
    make_work: MakeWork, tmp_path: Path, stored: Storage
) -> None:
    """Whatever the files are called, and run after run."""
    old = write_bundle(tmp_path / "z.tar", [ONE])
    await import_all(make_work([old]))
    held = stored.manifest("a/one", "1")
    new = write_bundle(tmp_path / "a.tar", [OTHER_ONE, OTHER_TWO])
    for _ in range(2):
        work = make_work([new, old], ImportOptions(keep_going=True))
        for file in work.files:
            step = BundleImport(work, file)
            missing = await step.check(FakeTeller())
            if missing is not None:
                await step.apply(missing, FakeTeller())
                assert None is await step.check(FakeTeller())
        assert (["a/one:1", "a/two:1"], held) == (stored.tags(), stored.manifest("a/one", "1"))


async def test_reading_alone_compares_every_byte(make_work: MakeWork, tmp_path: Path) -> None:
    """Where hosts load bundles, nothing else would before the first host."""
    path = tmp_path / "b.tar"
    path.write_bytes(flipped(docker_archive([ONE, TWO]), ONE.layers[0]))
    for options in (ImportOptions(), ImportOptions(keep_going=True)):
        work = make_work([path], options, mode=Mode.NONE)
        step, tell = BundleRead(work, work.files[0]), FakeTeller()
        missing = await step.check(tell)
        assert missing is not None
        await step.apply(missing, tell)
        if options.keep_going:
            assert None is await step.check(tell)
            assert ["left out"] == [one.what for one in tell.listed]
            assert [TWO.image_id] == [i.image_id for b in await work.bundles() for i in b.images]
        else:
            with pytest.raises(BundleCorrupt):
                await step.check(tell)
            assert [] == await work.bundles()
