"""Which mounts are sticks, what is on one, and that one that hangs holds up nobody.

The kernel's lists are files in a directory here: a test has no stick to put in. What is on one is
read from real directories, and once from a real mount.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from core.bundle import media as media_module
from core.bundle.discovery import Ignored
from core.bundle.media import ROOTS, Media, OnStick, Stick, media_of
from core.threads import LateAnswers
from tests.support.archives import sample_images, write_bundle
from tests.support.platforms import split
from tests.support.sticks import Machine
from tests.support.waiting import HANG_S

IMAGES = sample_images()[1:2]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path / "machine")
    made.disk("vda", "254:0", bus="pci0000:00/virtio0")
    made.mount("/", "254:0", "/dev/vda")
    made.mount("/proc", "0:21", "proc", kind="proc")
    made.mount("/run", "0:24", "tmpfs", kind="tmpfs")
    return made


def test_a_machine_without_sticks(machine: Machine) -> None:
    assert [] == machine.media().sticks()


def test_a_stick_is_told_by_its_disk_wherever_it_is_mounted(machine: Machine) -> None:
    machine.disk("sdb", "8:16", removable=True, partitions={"sdb1": "8:17"})
    machine.label("AIR\\x20FERRY", "sdb1")
    machine.mount("/opt/stick", "8:17", "/dev/sdb1", options="ro,relatime")
    assert [Stick(Path("/opt/stick"), "/dev/sdb1", "AIR FERRY", read_only=True)] == (
        machine.media().sticks()
    )


def test_a_disk_in_a_usb_case_says_that_it_cannot_be_removed(machine: Machine) -> None:
    machine.disk("sdc", "8:32", bus="pci0000:00/usb2/2-1/host3")
    machine.mount("/opt/disk", "8:32", "/dev/sdc")
    assert ["/dev/sdc"] == [stick.device for stick in machine.media().sticks()]


@pytest.mark.parametrize("place", ["/media/A B", "/run/media/me/STICK", "/mnt", "/mnt/x"])
def test_whatever_is_mounted_where_people_mount_media(machine: Machine, place: str) -> None:
    machine.mount(place, "8:33", "/dev/sdc1")
    assert [Stick(Path(place), "/dev/sdc1")] == machine.media().sticks()


@pytest.mark.parametrize(
    ("place", "kind"),
    [("/srv/disk", "ext4"), ("/mnt/a/b/c", "tmpfs"), ("/mnt/auto", "autofs"), ("/mnts", "ext4")],
)
def test_what_is_no_stick(machine: Machine, place: str, kind: str) -> None:
    machine.disk("sdd", "8:48")
    machine.mount(place, "8:48", "/dev/sdd", kind=kind)
    assert [] == machine.media().sticks()


def test_a_system_that_was_started_from_a_stick(machine: Machine) -> None:
    machine.disk("sda", "8:0", removable=True, partitions={"sda1": "8:1", "sda2": "8:2"})
    machine.mount("/", "8:2", "/dev/sda2")
    machine.mount("/boot/efi", "8:1", "/dev/sda1")
    assert [] == machine.media().sticks()


def test_a_stick_that_is_mounted_twice_is_one(machine: Machine) -> None:
    machine.disk("sdb", "8:16", removable=True, partitions={"sdb1": "8:17"})
    for place in ("/media/one", "/media/two"):
        machine.mount(place, "8:17", "/dev/sdb1")
    assert ["/media/one"] == [str(stick.path) for stick in machine.media().sticks()]


def test_of_two_mounts_on_one_place_the_last_counts(machine: Machine) -> None:
    machine.mount("/mnt", "8:17", "/dev/sdb1")
    machine.mount("/mnt", "8:33", "/dev/sdc1")
    assert ["/dev/sdc1"] == [stick.device for stick in machine.media().sticks()]


def test_lists_that_are_cut_or_missing(machine: Machine, tmp_path: Path) -> None:
    machine.mount("/media/a", "8:17", "/dev/sdb1")
    with machine.mountinfo.open("ab") as lists:
        lists.write(b"1 2 3\n\xff\xfe - \n40 1 8:1 / /media/\xffx rw")
    assert ["/media/a"] == [str(stick.path) for stick in machine.media().sticks()]
    assert [] == Media(mountinfo=tmp_path / "none").sticks()


def test_a_person_can_say_where_media_are(machine: Machine) -> None:
    machine.disk("sdb", "8:16", removable=True)
    for place, number in (("/opt/stick", "8:16"), ("/srv/usb/a", "8:17"), ("/media/b", "8:18")):
        machine.mount(place, number, "/dev/sdb")
    for named, found in (("/srv/usb:/x", ["/srv/usb/a"]), ("", [])):
        media = replace(media_of({"AIRFERRY_MEDIA": named}), mountinfo=machine.mountinfo)
        assert found == [str(stick.path) for stick in media.sticks()]
    assert ROOTS == media_of({}).roots


def test_this_machine_can_be_asked() -> None:
    assert isinstance(Media().sticks(), list)


def looked_at(path: Path) -> OnStick:
    return Media(answer_s=HANG_S).look(Stick(path))


def test_what_is_on_a_stick(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    for directory in (folder, tmp_path / ".Trash", tmp_path / "System Volume Information"):
        directory.mkdir()
        write_bundle(directory / "b.tar", IMAGES)
    write_bundle(tmp_path / "a.tar", IMAGES)
    (tmp_path / "readme.txt").write_text("no bundle")
    found = looked_at(tmp_path)
    assert [tmp_path / "a.tar", folder / "b.tar"] == [file.path for file in found.files]
    assert Ignored("readme.txt", "not an archive") in found.ignored
    assert "images" not in [other.name for other in found.ignored]
    assert (True, "") == (found.free_bytes > 0, found.error)


def test_a_file_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """As a bad block of a stick has it: reading this file is an input/output error."""
    write_bundle(tmp_path / "a.tar", IMAGES)
    (tmp_path / "b.tar").symlink_to("/proc/self/mem")
    found = looked_at(tmp_path)
    assert ["a.tar"] == [file.name for file in found.files]
    assert (Ignored("b.tar", "cannot be read: Input/output error"),) == found.ignored


def test_a_stick_that_is_gone(tmp_path: Path) -> None:
    found = looked_at(tmp_path / "gone")
    assert ((), True, True) == (found.files, "No such file" in found.error, bool(found.remedy))


def test_a_stick_that_hangs_is_asked_once_and_may_answer_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake, because no file system here can be made to hang in a listing."""
    asked: list[Stick] = []
    go_on, answered = threading.Event(), threading.Event()

    def hanging(stick: Stick) -> OnStick:
        asked.append(stick)
        go_on.wait()
        answered.set()
        return OnStick(stick, free_bytes=7)

    monkeypatch.setattr(media_module, "_looked", hanging)
    media, stick = Media(answer_s=0.01), Stick(tmp_path)
    for _ in range(3):
        assert "does not answer" == media.look(stick).error
    assert [stick] == asked
    go_on.set()
    answered.wait()
    media.answer_s = HANG_S
    assert (7, [stick]) == (media.look(stick).free_bytes, asked)
    assert (7, [stick] * 2) == (media.look(stick).free_bytes, asked)


def test_what_a_question_raises_comes_to_who_asked() -> None:
    answers: LateAnswers[int] = LateAnswers()
    with pytest.raises(ZeroDivisionError):
        answers.wait("a", lambda: 1 // 0, HANG_S)
    assert 1 == answers.wait("a", lambda: 1, HANG_S)


@contextmanager
def mounted(place: Path) -> Iterator[None]:
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "stick", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.usefixtures("mounting")
def test_a_real_mount(tmp_path: Path) -> None:
    place = tmp_path / "media" / "AIR FERRY"
    media = Media(roots=(tmp_path / "media",))
    with mounted(place):
        first = split((write_bundle(tmp_path / "x.tar", IMAGES)).read_bytes(), place / "b.tar", 2)
        (stick,) = [stick for stick in media.sticks() if stick.path.is_relative_to(tmp_path)]
        assert Stick(place, "stick") == stick
        found = media.look(stick)
        assert [first[0]] == [file.path for file in found.files]
        assert 0 < found.free_bytes < 8 << 20
    assert [] == [stick for stick in media.sticks() if stick.path.is_relative_to(tmp_path)]
