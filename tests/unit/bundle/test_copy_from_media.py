"""Taking bundles from a stick: what goes along, what is refused, and what a pulled stick leaves."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.bundle.copy_from_media import DRAFT, Taken, is_taken, take
from core.bundle.discovery import bundle_file, find_bundles
from core.bundle.listing import verify_bundle
from core.bundle.model import BundleFile
from core.cli import main
from core.config import Config
from core.engine.journal import JournalReader, State, TaskRow
from core.errors import (
    BundleCorrupt,
    BundleError,
    BundleExists,
    BundleTruncated,
    Cancelled,
    DuDiskFull,
)
from core.steps.base import Missing
from core.steps.bundles import BundleTake
from core.steps.work import Work
from tests.support.archives import docker_archive, sample_images
from tests.support.disks import refuse_to_sync_directories
from tests.support.fakes import FakeTeller
from tests.support.oci import GZIP
from tests.support.platforms import layout_of, split, write_layout
from tests.support.processes import running
from tests.support.waiting import HANG_S, until

IMAGES = sample_images()
ARCHIVE = docker_archive(IMAGES)


@dataclass
class Sides:
    """A stick and an imagesDir."""

    stick: Path
    images: Path

    def put(self, name: str = "b.tar", data: bytes = ARCHIVE) -> BundleFile:
        path = self.stick / name
        path.write_bytes(data)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        return bundle_file(path)

    def take(self, file: BundleFile, go_on: Callable[[], None] = lambda: None) -> Taken:
        return take(file, self.images, go_on, lambda _: None)

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.images.iterdir())


@pytest.fixture
def sides(tmp_path: Path) -> Sides:
    made = Sides(tmp_path / "stick", tmp_path / "imgs")
    made.stick.mkdir()
    made.images.mkdir()
    return made


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_bundle_is_the_same_afterwards(sides: Sides) -> None:
    file, told = sides.put(), list[int]()
    assert not is_taken(file, sides.images)
    assert Taken(len(ARCHIVE), 0) == take(file, sides.images, lambda: None, told.append)
    copy = sides.images / "b.tar"
    assert (ARCHIVE, file.modified_ns) == (copy.read_bytes(), copy.stat().st_mtime_ns)
    assert (["b.tar"], len(ARCHIVE), sorted(told)) == (sides.names, told[-1], told)
    assert (True, file.key) == (is_taken(file, sides.images), bundle_file(copy).key)


def test_parts_and_checksums_go_along(sides: Sides) -> None:
    parts = split(ARCHIVE, sides.stick / "b.tar", 3)
    sums = [f"{sha256(part.read_bytes())}  {part.name}" for part in parts]
    (sides.stick / "SHA256SUMS").write_text("\n".join(["0" * 64 + "  other.tar", *sums]))
    (sides.stick / "b.tar.md5").write_text(hashlib.md5(ARCHIVE).hexdigest())  # noqa: S324
    assert Taken(len(ARCHIVE), 4) == sides.take(bundle_file(parts[1]))
    names = [part.name for part in parts]
    assert sorted([*names, *(f"{name}.sha256" for name in names), "b.tar.md5"]) == sides.names
    (found,), _ = find_bundles(sides.images)
    assert len(IMAGES) == len(verify_bundle(found).images)


def test_a_layout_is_taken_as_a_directory(sides: Sides) -> None:
    directory = write_layout(sides.stick / "layout", layout_of(IMAGES[0], GZIP))
    file = bundle_file(directory)
    assert 4 == sides.take(file).compared
    assert (["layout"], True) == (sides.names, is_taken(file, sides.images))
    assert 1 == len(verify_bundle(bundle_file(sides.images / "layout")).images)


def test_a_disk_that_syncs_no_directory(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundle is whole and compared by then: that must not cost it."""
    refuse_to_sync_directories(monkeypatch, errno.ENOTSUP)
    sides.take(sides.put())
    assert (["b.tar"], ARCHIVE) == (sides.names, (sides.images / "b.tar").read_bytes())


def test_a_damaged_blob_of_a_layout(sides: Sides) -> None:
    directory = write_layout(sides.stick / "layout", layout_of(IMAGES[0], GZIP))
    blob = max((directory / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleCorrupt, match="its name is not its digest"):
        sides.take(bundle_file(directory))
    assert [] == sides.names


def test_a_stick_that_is_damaged(sides: Sides) -> None:
    file = sides.put()
    (sides.stick / "b.tar.sha256").write_text("1" * 64)
    with pytest.raises(BundleCorrupt, match="its sha256 checksum is") as caught:
        sides.take(file)
    assert ([], True) == (sides.names, "stick" in caught.value.remedy)


@pytest.mark.parametrize("number", [0, 1])
def test_a_stick_that_is_pulled(sides: Sides, number: int) -> None:
    """Reading the memory of a process at 0 is the input/output error that a pulled stick gives."""
    parts = split(ARCHIVE, sides.stick / "b.tar", 2)
    file = bundle_file(parts[0])
    parts[number].unlink()
    parts[number].symlink_to("/proc/self/mem")
    with pytest.raises(BundleError, match=r"cannot be read: Input/output error") as caught:
        sides.take(file)
    assert ([], True) == (sides.names, "stick" in caught.value.remedy)


def test_a_file_that_got_shorter(sides: Sides) -> None:
    file = sides.put()
    counted = 0

    def cut_now() -> None:
        nonlocal counted
        counted += 1
        if counted == 2:
            os.truncate(file.path, len(ARCHIVE) // 2)

    with pytest.raises(BundleTruncated, match="changed while it was copied"):
        sides.take(file, cut_now)
    assert [] == sides.names


@pytest.mark.parametrize("other", [b"x", ARCHIVE[:-1] + b"x"])
def test_another_file_of_that_name(sides: Sides, other: bytes) -> None:
    file = sides.put()
    (sides.images / "b.tar").write_bytes(other)
    with pytest.raises(BundleExists, match="with other content") as caught:
        sides.take(file)
    assert "Delete or rename" in caught.value.remedy
    assert (["b.tar"], other) == (sides.names, (sides.images / "b.tar").read_bytes())


def test_a_part_too_many(sides: Sides) -> None:
    first, *_ = split(ARCHIVE, sides.stick / "b.tar", 2)
    (sides.images / "b.tar.02").write_bytes(b"old")
    with pytest.raises(BundleExists, match=r"b\.tar\.02: is a part of another b\.tar"):
        sides.take(bundle_file(first))


def test_another_layout_of_that_name(sides: Sides) -> None:
    directory = write_layout(sides.stick / "layout", layout_of(IMAGES[0], GZIP))
    (sides.images / "layout").mkdir()
    with pytest.raises(BundleExists):
        sides.take(bundle_file(directory))


def test_parts_that_are_there_are_not_copied_again(sides: Sides) -> None:
    first, *others = split(ARCHIVE, sides.stick / "b.tar", 3)
    for part in others:
        (sides.images / part.name).write_bytes(part.read_bytes())
    assert first.stat().st_size == sides.take(bundle_file(first)).size_bytes
    assert is_taken(bundle_file(first), sides.images)


def test_what_a_killed_run_left_is_cleared(sides: Sides) -> None:
    (sides.images / f"{DRAFT}x").write_bytes(b"half")
    (sides.images / f"{DRAFT}y" / "blobs").mkdir(parents=True)
    sides.take(sides.put())
    assert ["b.tar"] == sides.names


def test_hostile_names(sides: Sides) -> None:
    name = os.fsdecode(b"[x]\x1b[31m\xff\n" + b"y" * 200 + b".tar")
    file = sides.put(name)
    sides.take(file)
    assert ([name], True) == (sides.names, is_taken(file, sides.images))


def hanging(sides: Sides) -> BundleFile:
    """Return a bundle whose second part says nothing: nobody writes into that pipe."""
    parts = split(ARCHIVE, sides.stick / "b.tar", 2)
    file = bundle_file(parts[0])
    parts[1].unlink()
    os.mkfifo(parts[1])
    return file


def let_go(sides: Sides) -> None:
    """End the thread that waits for the pipe."""
    os.close(os.open(sides.stick / "b.tar.01", os.O_WRONLY))


def test_a_stick_that_hangs_holds_up_no_cancel(sides: Sides) -> None:
    file, stop, hangs = hanging(sides), threading.Event(), threading.Event()

    def go_on() -> None:
        if (path := sides.images / f"{DRAFT}{sha256(b'b.tar.01')[:16]}").exists():
            assert path.stat().st_size == 0
            hangs.set()
        if stop.is_set():
            raise Cancelled("ended")

    with ThreadPoolExecutor(1) as threads:
        taking = threads.submit(sides.take, file, go_on)
        assert hangs.wait(HANG_S)
        stop.set()
        try:
            assert isinstance(taking.exception(HANG_S), Cancelled)
        finally:
            let_go(sides)
    assert [] == sides.names


@pytest.fixture
def work(sides: Sides, tmp_path: Path) -> Callable[..., Work]:
    def make(*files: BundleFile, images: Path = sides.images) -> Work:
        config = Config(tmp_path / "c.yaml", images_dir=images, state_dir=tmp_path / "state")
        return Work(config, files)

    return make


async def test_the_step(sides: Sides, work: Callable[..., Work], tmp_path: Path) -> None:
    file, tell = sides.put(), FakeTeller()
    (sides.stick / "b.tar.sha256").write_text(sha256(ARCHIVE))
    images = tmp_path / "new" / "imgs"
    step = BundleTake(work(file, images=images), file)
    missing = await step.check(tell)
    assert Missing(f"b.tar is not in {images}", len(ARCHIVE)) == missing
    await step.apply(missing, tell)
    assert None is await step.check(tell)
    assert (["checksum ok"], (len(ARCHIVE), len(ARCHIVE))) == (tell.outcomes, tell.told[-1])


async def test_room_is_checked_for_all_before_the_first_byte(
    sides: Sides, work: Callable[..., Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room is faked: no disk here is small enough."""
    files = [sides.put("a.tar"), sides.put("b.tar", ARCHIVE + b"\0" * 512)]
    usage = type("Usage", (), {"free": len(ARCHIVE) + 1})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(DuDiskFull, match="2 bundles need") as caught:
        await BundleTake(work(*files), files[0]).apply(Missing("all"), FakeTeller())
    assert ([], True) == (sides.names, "imagesDir" in caught.value.remedy)


@dataclass
class Site:
    """A site whose engine is the real one."""

    sides: Sides
    config: Path
    state_dir: Path

    def command(self, *words: object) -> list[str]:
        program = "import core.cli; raise SystemExit(core.cli.main())"
        options = [str(word) for word in words]
        return [
            *(sys.executable, "-c", program, "bundle", "take"),
            *("--config", str(self.config), *options),
        ]

    @property
    def reader(self) -> JournalReader:
        return JournalReader(self.state_dir)

    def task(self, number: int = 0) -> TaskRow:
        return self.reader.tasks(self.reader.runs()[0].id)[number]


@pytest.fixture
def site(sides: Sides, tmp_path: Path) -> Site:
    config = tmp_path / "airctl-config.yaml"
    config.write_text(f"imagesDir: {sides.images}\nstateDir: {tmp_path / 'state'}\n")
    return Site(sides, config, tmp_path / "state")


def test_headless(site: Site) -> None:
    files = [site.sides.put("a.tar").path, site.sides.put("b.tar", ARCHIVE + b"\0" * 512).path]
    for state in (State.DONE, State.PRESENT):
        done = subprocess.run(site.command(*files), capture_output=True, timeout=HANG_S)
        assert (0, b"") == (done.returncode, done.stderr)
        assert b"The bundles are in imagesDir." in done.stdout or state is State.PRESENT
        assert [("bundle.take:a.tar", state), ("bundle.take:b.tar", state)] == [
            (task.step, task.state) for task in site.reader.tasks(site.reader.runs()[0].id)
        ]
    assert ["a.tar", "b.tar"] == site.sides.names


def test_headless_as_data(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    path = site.sides.put().path
    assert 0 == main(["bundle", "take", "--json", "--config", str(site.config), str(path)])
    record = json.loads(capsys.readouterr().out)
    assert ("take", len(ARCHIVE)) == (record["kind"], record["targets"][0]["steps"][0]["bytes"])


def test_a_file_that_is_not_there(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    path = site.sides.stick / "none.tar"
    assert 1 == main(["bundle", "take", "--config", str(site.config), str(path)])
    assert (True, []) == ("No such file" in capsys.readouterr().err, site.reader.runs())


def test_a_name_that_is_taken_headless(site: Site) -> None:
    path = site.sides.put().path
    (site.sides.images / "b.tar").write_bytes(b"x")
    done = subprocess.run(site.command(path), capture_output=True, timeout=HANG_S)
    assert (1, "E-BUNDLE-EXISTS") == (done.returncode, site.task().error_code)


def at_the_pipe(site: Site) -> bool:
    return (site.sides.images / f"{DRAFT}{sha256(b'b.tar.01')[:16]}").exists()


def hanging_command(site: Site) -> list[str]:
    """Return a command about a bundle whose second part will say nothing.

    The engine asks every part how long it is and reads the ends of the outer ones; a pipe in the
    middle is first read when it is copied.
    """
    parts = split(ARCHIVE, site.sides.stick / "b.tar", 3)
    parts[1].unlink()
    os.mkfifo(parts[1])
    return site.command(parts[0])


def test_ctrl_c_while_the_stick_hangs(site: Site) -> None:
    with running(hanging_command(site), stdout=subprocess.DEVNULL) as process:
        until(lambda: at_the_pipe(site), "the engine waits for the pipe")
        process.send_signal(signal.SIGINT)
        assert 130 == process.wait(HANG_S)
    assert (State.CANCELLED, []) == (site.task().state, site.sides.names)


def test_kill_9_leaves_nothing_under_the_final_name(site: Site) -> None:
    with running(hanging_command(site), stdout=subprocess.DEVNULL) as process:
        until(lambda: at_the_pipe(site), "the engine waits for the pipe")
        os.kill(site.reader.runs()[0].pid, signal.SIGKILL)
        assert 1 == process.wait(HANG_S)
    assert all(name.startswith(DRAFT) for name in site.sides.names)
    (site.sides.stick / "b.tar.01").unlink()
    parts = split(ARCHIVE, site.sides.stick / "b.tar", 3)
    assert 0 == main(["bundle", "take", "--config", str(site.config), str(parts[0])])
    assert [part.name for part in parts] == site.sides.names
