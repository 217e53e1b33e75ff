"""Directories of good and bad bundles, imported and planned by the command as people type it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.engine.journal import JournalReader, State
from core.engine.lock import lock_is_held
from tests.support.archives import ImageSpec, docker_archive, layer_tar, write_bundle
from tests.support.stored import Storage

TIMEOUT_S = 60
PROGRAM = [sys.executable, "-c", "import core.cli; raise SystemExit(core.cli.main())"]
ONE = ImageSpec(["quay.io/a/one:1"], [layer_tar(1, 9000)])
TWO = ImageSpec(["quay.io/a/two:1"], [layer_tar(2, 9000)])
ODD = ["b-cut.tar", "d-none.tar", "f-unread.tar", "g-pipe.tar"]


@dataclass
class Site:
    """A site in mode custom whose registry is a real one, with two good bundles among bad ones."""

    directory: Path

    @property
    def bundles(self) -> list[Path]:
        return sorted((self.directory / "images").iterdir())

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command, *rest = map(str, arguments)
        config = str(self.directory / "airctl-config.yaml")
        done = subprocess.run(
            [*PROGRAM, command, "--config", config, *rest],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert "Traceback" not in done.stderr
        return done


@pytest.fixture
def site(address: str, tmp_path: Path) -> Site:
    images = tmp_path / "images"
    images.mkdir()
    (tmp_path / "airctl-config.yaml").write_text(
        f"privateRegistryType: custom\nprivateRegistryBase: {address}\nimagesDir: {images}\n"
        f"privateRegistryInsecure: true\nstateDir: {tmp_path / 'state'}\n"
    )
    write_bundle(images / "a-good.tar", [ONE])
    (images / "b-cut.tar").write_bytes(docker_archive([TWO])[:3000])
    write_bundle(images / "c-good.tar", [TWO])
    (images / "d-none.tar").write_bytes(b"no archive at all" * 1000)
    # Of a file of the kernel that cannot be read from its start: root may read all others.
    (images / "f-unread.tar").symlink_to("/proc/self/mem")
    return Site(tmp_path)


def test_the_good_are_imported_and_every_bad_one_is_told_in_one_run(
    site: Site, stored: Storage
) -> None:
    done = site.run("import")
    assert 1 == done.returncode
    assert [True] * 3 == [name in done.stdout for name in ODD[:3]]
    assert ["a/one:1", "a/two:1"] == stored.tags()


def test_with_keep_going_the_run_is_done_but_for_them(site: Site, stored: Storage) -> None:
    done = site.run("import", "--keep-going", "--json")
    report = json.loads(done.stdout)
    assert (3, "partial", 3) == (done.returncode, report["state"], report["left_out"])
    assert ODD[:3] == [one["subject"] for one in report["particulars"]]
    assert ["a/one:1", "a/two:1"] == stored.tags()
    assert 3 == site.run("verify").returncode


@pytest.mark.parametrize(("options", "code"), [((), 1), (("--keep-going",), 3)])
def test_a_plan_tells_them_all_and_changes_nothing(
    site: Site, stored: Storage, options: tuple[str, ...], code: int
) -> None:
    done = site.run("plan", *options)
    assert code == done.returncode
    assert [True] * 3 == [name in done.stdout for name in ODD[:3]]
    assert [] == stored.tags()


def test_a_pipe_into_which_nobody_writes_ends_by_itself(site: Site, stored: Storage) -> None:
    """And the site is free again: what follows it is imported."""
    pipe = site.directory / "images" / "g-pipe.tar"
    os.mkfifo(pipe)
    good = site.directory / "images" / "c-good.tar"
    assert 1 == site.run("import", pipe, good).returncode
    assert ["a/two:1"] == stored.tags()
    assert not lock_is_held(site.directory / "state")
    assert State.FAILED is JournalReader(site.directory / "state").runs()[0].state


@pytest.mark.parametrize("name", ["SHA256SUMS", "a-good.tar.sha256", "x.tar", "a-good.tar.part2"])
def test_a_pipe_beside_bundles_holds_up_nothing(site: Site, stored: Storage, name: str) -> None:
    for path in site.bundles:
        if path.name != "a-good.tar":
            path.unlink()
    os.mkfifo(site.directory / "images" / name)
    assert 0 == site.run("plan").returncode
    assert 0 == site.run("import").returncode
    assert ["a/one:1"] == stored.tags()
