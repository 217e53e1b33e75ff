"""`airferry import` as the processes that it is: a command, an engine, a registry, and a pipe."""

from __future__ import annotations

import gzip
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from core.engine.journal import JournalReader, RunRow, State, TaskRow
from tests.support.archives import ImageSpec, docker_archive, layer_tar, write_bundle
from tests.support.layouts import OCI_MANIFEST, entries_of, tar_bytes
from tests.support.oci import DOCKER_MANIFEST, zstd_packed
from tests.support.platforms import with_layers_packed
from tests.support.processes import running
from tests.support.stored import Storage
from tests.support.waiting import HANG_S, until

PROGRAM = [sys.executable, "-c", "import core.cli; raise SystemExit(core.cli.main())"]
APP = ImageSpec(["quay.io/site/app:1"], [layer_tar(1, 2_500_000), layer_tar(2, 4000)])
TOOL = ImageSpec(["tool:2"], [layer_tar(3, 4000)])
OTHER_TOOL = ImageSpec(["registry.site/tool:2"], [layer_tar(4, 4000)])
ARCHIVE = docker_archive([APP, TOOL])


@dataclass
class Site:
    """A site in mode custom whose registry is a real one."""

    directory: Path
    address: str

    @property
    def reader(self) -> JournalReader:
        return JournalReader(self.directory / "state")

    @property
    def run(self) -> RunRow:
        """The newest run."""
        return self.reader.runs()[0]

    def task(self, step: str) -> TaskRow:
        return next(task for task in self.reader.tasks(self.run.id) if task.step == step)

    def command(self, *arguments: str | Path) -> list[str]:
        config = self.directory / "airctl-config.yaml"
        return [*PROGRAM, "import", "--config", str(config), *map(str, arguments)]

    def do_import(
        self, *arguments: str | Path, stdin: bytes | IO[bytes] | int = b""
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the command to its end, with something on standard input."""
        with running(
            self.command(*arguments),
            stdin=subprocess.PIPE if isinstance(stdin, bytes) else stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            feed = stdin if isinstance(stdin, bytes) else None
            out, err = process.communicate(feed, HANG_S)
        assert b"Traceback" not in err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def site(address: str, tmp_path: Path) -> Site:
    (tmp_path / "airctl-config.yaml").write_text(
        f"privateRegistryType: custom\nprivateRegistryBase: {address}\n"
        f"privateRegistryInsecure: true\nstateDir: {tmp_path / 'state'}\n"
    )
    return Site(tmp_path, address)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd_packed], ids=["", "gzip", "zstd"])
def test_out_of_a_pipe(site: Site, stored: Storage, pack: Callable[[bytes], bytes]) -> None:
    done = site.do_import("-", stdin=pack(ARCHIVE))
    assert (0, b"") == (done.returncode, done.stderr)
    assert ["site/app:1", "tool:2"] == stored.tags()
    assert (State.DONE, "2 images; 3 layers sent, 0 were there already") == (
        (task := site.task("bundle.import:standard input")).state,
        task.message,
    )
    assert len(pack(ARCHIVE)) == task.bytes_done
    assert State.PRESENT is site.task("registry.verify").state


def test_out_of_a_file_on_standard_input(site: Site, stored: Storage, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "b.tar", [APP])
    with path.open("rb") as file:
        file.seek(1000)  # somebody has looked at it
        assert 0 == site.do_import("-", stdin=file).returncode
    assert ["site/app:1"] == stored.tags()


def test_a_pipe_that_ends_too_early(site: Site, stored: Storage) -> None:
    done = site.do_import("-", stdin=ARCHIVE[: len(ARCHIVE) // 2])
    assert 1 == done.returncode
    task = site.task("bundle.import:standard input")
    assert (State.FAILED, "E-BUNDLE-CUT", 1) == (task.state, task.error_code, task.attempt)
    assert task.error.startswith("standard input: ends in the middle")
    assert ([], []) == (stored.tags(), stored.upload_data())


def test_nothing_at_all_on_standard_input(site: Site) -> None:
    assert 1 == site.do_import("-").returncode
    assert "E-BUNDLE-NONE" == site.task("bundle.import:standard input").error_code


def test_a_terminal_on_standard_input_is_refused(site: Site) -> None:
    """Who types `import -` alone would wait for ever."""
    theirs, ours = pty.openpty()
    try:
        done = site.do_import("-", stdin=ours)
    finally:
        os.close(theirs)
        os.close(ours)
    assert 2 == done.returncode
    assert [
        "airferry: nothing comes in on standard input [E-USAGE]",
        "  cat FILE | airferry import -",
    ] == done.stderr.decode().splitlines()
    assert not (site.directory / "state").exists()


def test_a_bundle_and_a_pipe_together(site: Site, stored: Storage, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "b.tar", [TOOL])
    assert 0 == site.do_import(path, "-", stdin=docker_archive([APP])).returncode
    assert ["site/app:1", "tool:2"] == stored.tags()


def test_an_import_goes_on_when_nobody_follows_it(site: Site, stored: Storage) -> None:
    done = site.do_import("--detach", "-", stdin=docker_archive([TOOL]))
    assert b"run 1 is at work" in done.stdout
    until(lambda: site.run.state is not State.RUNNING, "the run has ended")
    assert (State.DONE, ["tool:2"]) == (site.run.state, stored.tags())


def test_an_interrupt_ends_it_while_the_pipe_says_nothing(site: Site, stored: Storage) -> None:
    with running(site.command("-"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        with process.stdin as pipe:
            pipe.write(ARCHIVE[:2_300_000])  # the second mebibyte is seen, too
            pipe.flush()
            until(lambda: site.reader.runs() != [] and bool(read_so_far(site)), "some was read")
            process.send_signal(signal.SIGINT)
            assert 130 == process.wait(HANG_S)
    assert State.CANCELLED is site.run.state
    assert ([], []) == (stored.tags(), stored.upload_data())


def read_so_far(site: Site) -> int:
    return sum(task.bytes_done for task in site.reader.tasks(site.run.id))


def test_two_bundles_of_one_name(site: Site, stored: Storage, tmp_path: Path) -> None:
    paths = [
        write_bundle(tmp_path / "a.tar", [TOOL]),
        write_bundle(tmp_path / "b.tar", [OTHER_TOOL]),
    ]
    assert 1 == site.do_import(*paths).returncode
    assert "E-BUNDLE-NAMES" == site.task("bundle.import:b.tar").error_code
    assert 0 == site.do_import("--later-wins", *paths).returncode
    assert (["tool:2"], True) == (stored.tags(), site.run.options["later_wins"])


def test_a_name_of_ones_own(site: Site, stored: Storage, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "b.tar", [TOOL])
    assert 0 == site.do_import("--name", "mine/app:7", path).returncode
    assert ["mine/app:7"] == stored.tags()


@pytest.mark.parametrize(
    ("name", "bundles", "words"),
    [
        ("mine:7", ["a.tar", "b.tar"], "--name is for one bundle; there are 2"),
        ("Not A Name", ["a.tar"], "is not an image name"),
    ],
)
def test_a_name_that_cannot_be_given_is_refused_before_anything_is_done(
    site: Site, tmp_path: Path, name: str, bundles: list[str], words: str
) -> None:
    paths = [write_bundle(tmp_path / bundle, [TOOL]) for bundle in bundles]
    done = site.do_import("--name", name, *paths)
    assert (2, True) == (done.returncode, words in done.stderr.decode())
    assert [] == site.reader.runs()


@pytest.mark.parametrize(
    ("options", "media_type"), [([], OCI_MANIFEST), (["--recompress", "gzip"], DOCKER_MANIFEST)]
)
def test_layers_of_zstd(
    site: Site, tmp_path: Path, options: list[str], media_type: str, stored: Storage
) -> None:
    path = tmp_path / "b.tar"
    path.write_bytes(with_layers_packed(docker_archive([TOOL]), zstd_packed))
    assert 0 == site.do_import(*options, path).returncode
    assert ["tool:2"] == stored.tags()
    assert media_type in stored.manifest("tool", "2").decode()


def test_what_is_whole_of_a_damaged_bundle(site: Site, stored: Storage, tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    path.write_bytes(tar_bytes(e for e in entries_of(ARCHIVE) if e.data != APP.layers[1]))
    assert (1, []) == (site.do_import(path).returncode, stored.tags())
    done = site.do_import("--keep-going", path)
    assert (3, ["tool:2"]) == (done.returncode, stored.tags())
    assert (State.PARTIAL, "1 left out") == (site.run.state, site.run.message)
    assert b"done, 1 left out" in done.stdout
    assert b"quay.io/site/app:1" in done.stdout
    report = json.loads(site.do_import("--keep-going", "--json", path).stdout)
    assert ("partial", 1) == (report["state"], report["left_out"])
    (left,) = report["particulars"]
    assert ("left out", "b.tar") == (left["what"], left["subject"])
