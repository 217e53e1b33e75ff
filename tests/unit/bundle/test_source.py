"""A bundle's bytes: compression told by content, damage and ends told apart, pipes, cancel."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from core.bundle import source as source_module
from core.bundle.discovery import bundle_file
from core.bundle.listing import list_bundle, verify_bundle
from core.bundle.model import BundleFile
from core.bundle.source import DESCRIPTORS, open_bundle
from core.errors import (
    BundleCorrupt,
    BundleError,
    BundleTruncated,
    Cancelled,
    NotABundle,
)
from tests.support.archives import ImageSpec, docker_archive, layer_tar
from tests.support.oci import Layout, zstd_packed
from tests.support.pipes import fed_pipe, stalled_pipe
from tests.support.reading import cancelled_after, facts_of, facts_wanted

IMAGES = [ImageSpec(["a.b/c:1"], [layer_tar(1, 20_000), layer_tar(2, 300)])]
DATA = docker_archive(IMAGES)
HALF = len(DATA) // 2
SKIPPABLE = b"\x50\x2a\x4d\x18\x04\0\0\0\0\1\2\3"
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": lambda data: gzip.compress(data, 1),
    "gzip members": lambda data: gzip.compress(data[:HALF], 1) + gzip.compress(data[HALF:], 9),
    "zstd": zstd_packed,
    "zstd frames": lambda data: zstd_packed(data[:HALF]) + zstd_packed(data[HALF:]),
    "pzstd": lambda data: (
        SKIPPABLE + zstd_packed(data[:HALF]) + SKIPPABLE + zstd_packed(data[HALF:])
    ),
    "xz": lambda data: lzma.compress(data, preset=0),
    "xz streams": lambda data: lzma.compress(data[:HALF]) + lzma.compress(data[HALF:]),
    "bzip2": bz2.compress,
    "bzip2 streams": lambda data: bz2.compress(data[:HALF]) + bz2.compress(data[HALF:]),
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return a path whose name says nothing of the content."""
    return tmp_path / "bundle.img"


def read_through(file: BundleFile) -> list[tuple[int, int]]:
    """Read all of a bundle; return the bytes read so far and the file's, after each piece."""
    found = []
    with open_bundle(file) as opened:
        for _ in opened.archive:
            while opened.archive.read(1 << 12):
                found.append((opened.read_bytes, file.size_bytes))
        opened.finish()
        found.append((opened.read_bytes, file.size_bytes))
    return found


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_whole_bundles(bundle: Path, kind: str) -> None:
    bundle.write_bytes(COMPRESSIONS[kind](DATA))
    for found in (list_bundle(bundle_file(bundle)), verify_bundle(bundle_file(bundle))):
        assert facts_wanted(IMAGES) == facts_of(found.images)
        assert ("bundle.img", bundle.stat().st_size, False) == (
            found.name,
            found.size_bytes,
            found.imported,
        )


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_cut_anywhere_before_the_end(bundle: Path, kind: str) -> None:
    """A compressed file is only whole with its last byte; a tar may lack its padding."""
    data = COMPRESSIONS[kind](DATA)
    last = len(DATA.rstrip(b"\0")) if kind == "plain" else len(data) - 1
    random_cuts = random.Random(1).sample(range(513, last), 12)  # noqa: S311 - any cuts will do
    for cut in [*random_cuts, last]:
        bundle.write_bytes(data[:cut])
        with pytest.raises(BundleTruncated, match=r"bundle\.img"):
            list_bundle(bundle_file(bundle))


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_cut_in_the_first_bytes(bundle: Path, kind: str) -> None:
    data = COMPRESSIONS[kind](DATA)
    for cut in range(1, 20):
        bundle.write_bytes(data[:cut])
        with pytest.raises(BundleError, match=r"bundle\.img"):
            list_bundle(bundle_file(bundle))


@pytest.mark.parametrize("kind", [kind for kind in COMPRESSIONS if kind != "plain"])
def test_flipped_bits_in_compressed_bundles(bundle: Path, kind: str) -> None:
    data = COMPRESSIONS[kind](DATA)
    noise = random.Random(2)  # noqa: S311 - any places will do
    places = [*range(12), *noise.sample(range(12, len(data)), 25), len(data) - 6, len(data) - 1]
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 1 << noise.randrange(8)
        bundle.write_bytes(flipped)
        try:
            found = list_bundle(bundle_file(bundle))
        except BundleError:
            continue
        # A config in a docker-archive has no digest but its name, which is no promise.
        told = any("its config is not what its file name says" in note for note in found.notes)
        assert told or facts_wanted(IMAGES) == facts_of(found.images)


def test_damage_is_named(bundle: Path) -> None:
    data = bytearray(gzip.compress(DATA, 1))
    data[-8] ^= 1
    bundle.write_bytes(data)
    with pytest.raises(BundleCorrupt, match=r"bundle\.img: the compressed data is damaged"):
        list_bundle(bundle_file(bundle))


@pytest.mark.parametrize("junk", [b"\1" * 600, b"\x1f\x8b" + b"\1" * 600, b"{}"])
def test_junk(bundle: Path, junk: bytes) -> None:
    bundle.write_bytes(junk)
    with pytest.raises(BundleError, match=r"bundle\.img"):
        list_bundle(bundle_file(bundle))


@pytest.mark.parametrize("kind", ["plain", "gzip", "zstd", "xz", "bzip2"])
def test_empty_files_and_empty_streams(bundle: Path, kind: str) -> None:
    bundle.write_bytes(COMPRESSIONS[kind](b""))
    with pytest.raises(NotABundle, match=r"bundle\.img: the file is empty"):
        list_bundle(bundle_file(bundle))


def test_files_that_are_not_there_and_directories_that_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="No such file"):
        bundle_file(tmp_path / "nothing.tar")
    with pytest.raises(BundleError, match="No such file"):
        bundle_file(tmp_path / "nowhere" / "nothing.tar")
    with pytest.raises(BundleError, match="not a file"):
        bundle_file(tmp_path)
    with pytest.raises(BundleError, match="not a file"):
        bundle_file(Path("/dev/null"))


def test_a_file_that_vanishes(bundle: Path) -> None:
    bundle.write_bytes(DATA)
    file = bundle_file(bundle)
    bundle.unlink()
    with pytest.raises(BundleError, match="cannot be read: No such file"):
        list_bundle(file)


def test_a_stick_that_is_pulled_out(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.FileIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    bundle.write_bytes(DATA)
    monkeypatch.setattr("core.bundle.source._opened", Gone)
    with pytest.raises(BundleError, match="cannot be read: Input/output error") as caught:
        list_bundle(bundle_file(bundle))
    assert "stick" in caught.value.remedy


@pytest.mark.parametrize("error", [ValueError("ours"), OSError(28, "No space left", "/state/x")])
def test_what_else_fails_meanwhile_is_not_blamed_on_the_bundle(
    bundle: Path, error: Exception
) -> None:
    bundle.write_bytes(DATA)
    with pytest.raises(type(error)) as caught, open_bundle(bundle_file(bundle)):
        raise error
    assert error is caught.value


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_reading_ends_when_it_is_cancelled(bundle: Path, kind: str) -> None:
    bundle.write_bytes(COMPRESSIONS[kind](DATA))
    before = threading.active_count()
    with pytest.raises(Cancelled):
        list_bundle(bundle_file(bundle), cancelled_after(1))
    assert before == threading.active_count()


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_bytes_read_are_those_of_the_file(bundle: Path, kind: str) -> None:
    bundle.write_bytes(COMPRESSIONS[kind](DATA))
    steps = read_through(bundle_file(bundle))
    assert steps == sorted(steps)
    assert (bundle.stat().st_size,) * 2 == steps[-1]


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_pipes(bundle: Path, kind: str) -> None:
    data = COMPRESSIONS[kind](DATA)
    with fed_pipe(bundle, data):
        file = bundle_file(bundle)
        found = list_bundle(file)
    assert facts_wanted(IMAGES) == facts_of(found.images)
    assert 0 == file.size_bytes


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\1" * 600, id="junk"),
        pytest.param(DATA[:HALF], id="half"),
        pytest.param(zstd_packed(DATA)[:-1], id="compressed, but for a byte"),
    ],
)
def test_pipes_that_carry_no_whole_bundle(bundle: Path, data: bytes) -> None:
    with fed_pipe(bundle, data), pytest.raises(BundleError, match=r"bundle\.img"):
        list_bundle(bundle_file(bundle))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(DATA[:100], id="at once"),
        pytest.param(DATA[:2000], id="plain"),
        pytest.param(zstd_packed(DATA)[:2000], id="compressed"),
    ],
)
def test_a_pipe_that_stalls_does_not_hold_up_a_cancel(bundle: Path, data: bytes) -> None:
    with stalled_pipe(bundle, data) as writer_gave_up:
        with pytest.raises(Cancelled):
            list_bundle(bundle_file(bundle), cancelled_after(6))
        assert not writer_gave_up.is_set()


def test_what_came_through_a_pipe_twice_is_not_the_same_bundle(bundle: Path) -> None:
    """Nothing is known of what will come out of it next."""
    os.mkfifo(bundle)
    first = bundle_file(bundle)
    assert first.key != bundle_file(bundle).key


def test_a_descriptor_that_is_a_file_is_read_from_its_beginning(bundle: Path) -> None:
    bundle.write_bytes(DATA)
    with bundle.open("rb") as given:
        given.seek(1000)
        file = bundle_file(DESCRIPTORS / str(given.fileno()))
        found = [list_bundle(file), list_bundle(file)]
        assert not given.closed
    assert [facts_wanted(IMAGES)] * 2 == [facts_of(one.images) for one in found]


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_descriptor_that_is_none(kind: str) -> None:
    if kind == "pipe":
        reading, writing = os.pipe()
    else:
        here, there = socket.socketpair()
        reading, writing = here.detach(), there.detach()

    def write() -> None:
        with open(writing, "wb") as out:  # noqa: PTH123 - a descriptor, no path
            out.write(DATA)

    thread = threading.Thread(target=write)
    thread.start()
    found = list_bundle(bundle_file(DESCRIPTORS / str(reading)))
    thread.join()
    os.close(reading)
    assert facts_wanted(IMAGES) == facts_of(found.images)


def test_an_image_out_of_a_descriptor_is_not_named_by_its_number(tmp_path: Path) -> None:
    layout = Layout()
    path = tmp_path / "layout.tar"
    path.write_bytes(layout.tar(layout.image(IMAGES[0])))
    with path.open("rb") as given:
        found = list_bundle(bundle_file(DESCRIPTORS / str(given.fileno())))
    assert [()] == [image.references for image in found.images]


def test_a_named_pipe_into_which_nobody_writes_is_given_up(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would hold the site's lock for ever."""
    monkeypatch.setattr(source_module, "NO_WRITER_S", 0.0)
    os.mkfifo(bundle)
    for read in (list_bundle, verify_bundle):
        with pytest.raises(BundleError, match="a named pipe into which nobody writes"):
            read(bundle_file(bundle))


def test_a_writer_that_has_nothing_to_say_yet_is_waited_for(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "NO_WRITER_S", 0.0)
    os.mkfifo(bundle)
    writer = os.open(bundle, os.O_RDWR)  # on Linux this waits for no reader
    try:
        with pytest.raises(Cancelled):
            list_bundle(bundle_file(bundle), cancelled_after(6))
    finally:
        os.close(writer)
