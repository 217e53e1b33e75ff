"""The installed wheel at work, where nothing of the checkout can be imported."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import core
from core.engine.journal import JournalReader, State
from core.service import start_time_of, under_systemd
from core.steps.base import DU
from tests.package.building import Installed
from tests.support.archives import sample_images, write_bundle
from tests.support.console import Console
from tests.support.ports import free_port
from tests.support.waiting import until

ENTER, CTRL_C, RIGHT = b"\r", b"\x03", b"\x1b[C"
WITHOUT_SYSTEMD = ("unshare", "--mount", "sh", "-c")
HIDDEN = 'mount -t tmpfs none /run/systemd && exec "$@"'
"""Where the tests are root of a machine with systemd: services are to be plain processes here."""


@dataclass(frozen=True)
class Site:
    """A site in mode du with one bundle, and one host that nobody can reach."""

    installed: Installed
    directory: Path

    @property
    def config(self) -> Path:
        return self.directory / "airctl-config.yaml"

    @property
    def state_dir(self) -> Path:
        return self.directory / "state"

    @property
    def bundle(self) -> Path:
        return self.directory / "imgs" / "docker-imgs-v-1.tar"

    @property
    def tunnels_pid(self) -> int:
        """The process that says it keeps the tunnels; 0 while there is none."""
        lock = self.state_dir / "tunnels" / "service.lock"
        return int((lock.exists() and lock.read_text()) or 0)

    def command(self, *words: str) -> list[str]:
        argv = [str(self.installed.program), *words, "--config", str(self.config)]
        return [*WITHOUT_SYSTEMD, HIDDEN, "sh", *argv] if under_systemd() else argv

    def run(self, *words: str) -> str:
        return self.installed.run(*self.command(*words))


@pytest.fixture
def site(installed: Installed, tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "imgs").mkdir()
    made = Site(installed, tmp_path)
    write_bundle(made.bundle, sample_images())
    with socket.socket() as nobody:  # has a port, and does not listen on it
        nobody.bind(("127.0.0.1", 0))
        made.config.write_text(
            f"privateRegistryType: du\nimagesDir: {tmp_path}/imgs\n"
            f"registryDir: {tmp_path}/registry\nstateDir: {tmp_path}/state\n"
            f"registryPort: {free_port()}\nhosts:\n"
            f"  - name: away\n    address: 127.0.0.1\n    port: {nobody.getsockname()[1]}\n"
        )
        yield made
    for words in (["cancel"], ["tunnels", "stop"], ["registry", "stop"]):
        made.run(*words)


def argv_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")


def test_its_code_is_that_of_the_wheel(installed: Installed) -> None:
    modules = ["core.engine.process", "core.cli", "core.cluster", "core.hosts.tunnel.service"]
    modules += ["tui.entry", "tui.app"]
    code = (
        "import sys, importlib; [print(importlib.import_module(m).__file__) for m in sys.argv[1:]]"
    )
    places = installed.run(installed.python, "-c", code, *modules).splitlines()
    assert len(modules) == len(places)
    assert [] == [place for place in places if installed.packages not in Path(place).parents]


def test_everything_in_it_can_be_imported(installed: Installed) -> None:
    """With no more than the distributions that the wheel says it needs."""
    code = (
        "import pkgutil, core, tui, importlib\n"
        "for package in (core, tui):\n"
        "    for found in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        if not found.name.endswith('__main__'):\n"
        "            print(importlib.import_module(found.name).__name__)\n"
    )
    assert "core.cluster.place" in installed.run(installed.python, "-c", code).splitlines()


def test_version(installed: Installed) -> None:
    assert f"airferry {core.__version__}\n" == installed.run(installed.program, "--version")


def test_a_bundle_is_listed(installed: Installed, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "b.tar.gz", sample_images(), compress=True)
    listed = json.loads(installed.run(installed.program, "bundle", "list", bundle, "--json"))
    assert [image.tags for image in sample_images()] == [i["names"] for i in listed[0]["images"]]


def test_the_screens_from_the_first_to_the_last(site: Site) -> None:
    argv = ["/usr/bin/env", "-i", *(f"{k}={v}" for k, v in site.installed.environ.items())]
    console = Console([*argv, "TERM=xterm", *site.command()], {})
    try:
        console.sees("[Start]", "Set up", "Enter choose")
        console.press(ENTER)
        console.sees("[Mode]", gone="[Start]")
        console.press(ENTER)
        console.sees("[Config]", "Next: Hosts", gone="[Mode]")
        console.press(CTRL_C)
        console.sees("Leave Airferry?", "> Stay")
        console.press(RIGHT + ENTER)
        assert 0 == console.wait()
        assert b"Traceback" not in console.sent
    finally:
        console.close()


def test_a_job_with_its_engine_its_registry_and_its_tunnels(site: Site) -> None:
    """All that the DU does is done; the host cannot be reached, so the job is ended then."""
    run = int(site.run("install", "--detach").split()[-1])
    reader = JournalReader(site.state_dir)
    row = reader.run(run)
    assert row is not None
    python = str(site.installed.python)
    assert [python, "-m", "core.engine"] == argv_of(row.pid)

    def here() -> set[State]:
        return {task.state for task in reader.tasks(run) if task.target == DU}

    until(lambda: {State.DONE, State.PRESENT} >= here(), "all that the DU does is done")
    tunnels = argv_of(site.tunnels_pid)
    assert [python, "-m", "core.hosts.tunnel.service", str(site.state_dir)] == tunnels
    held = [entry["name"] for entry in json.loads(site.run("registry", "list", "--json"))]
    assert ["calico/node:v3.20.0", "nginx-like:1.21", "pause:3.5", "pause:latest"] == sorted(held)
    assert "was cancelled" in site.run("cancel")
    assert "" == start_time_of(row.pid)
    assert "Traceback" not in (site.state_dir / "engine.log").read_text()
    assert "Traceback" not in (site.state_dir / "airferry-tunnels.log").read_text()
