"""A technician's first day, with nothing but the screens: an empty machine, a stick, three hosts.

Keys only, at 80x24; the line drops while the run is paused, and is taken up on another terminal.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import Install
from tests.lab.outside import assert_warmed
from tests.lab.program import AIRFERRY, Program
from tests.lab.shell import run
from tests.lab.site import Site
from tests.lab.terminal import Terminal, terminal

JOB_S = 240


@pytest.fixture
def stick(site: Site, tmp_path: Path) -> Iterator[Path]:
    """A stick that is mounted, with the lab's bundles on it."""
    directory = tmp_path / "media" / "AIRFERRY"
    directory.mkdir(parents=True)
    run("mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", directory)
    try:
        for path in site.images_dir.iterdir():
            shutil.copy2(path, directory)
        yield directory
    finally:
        run("umount", directory)


def screens(program: Program, stick: Path) -> list[str]:
    """Return the command line that opens the screens of a site that has no config yet."""
    home, media = f"HOME={program.directory}", f"AIRFERRY_MEDIA={stick.parent}"
    return ["env", home, media, str(AIRFERRY)]


def write_config(console: Terminal, program: Program, known_hosts: Path) -> None:
    """Choose the mode, and type the rest of the config as text."""
    ssh = f"{{key: {program.config['ssh']['key']}, knownHosts: {known_hosts}}}"
    console.wait_for("How do the hosts of this site get their images?")
    console.keys("Down", "Enter")
    console.wait_for("[Config]", "[x] du")
    console.keys("t")
    console.wait_for("privateRegistryType: du", "back to the form")
    console.keys("C-End")
    for key in ("dockerRepo", "imagesDir", "registryDir", "stateDir", "registryPort"):
        console.type(f"{key}: {program.config[key]}")
        console.keys("Enter")
    console.type(f"ssh: {ssh}")
    console.keys("Enter")
    console.wait_for("No problem.")
    console.keys("Escape")
    console.wait_for("Next: Hosts", "No problem.")
    console.keys("n")
    console.wait_for("Save these changes?", "> Save and go on")
    console.keys("Enter")


def add_hosts(console: Terminal, site: Site) -> None:
    """Type the hosts as a range, and accept their keys."""
    network = site.hosts[0].address.rpartition(".")[0]
    last = [host.address.rpartition(".")[2] for host in site.hosts]
    console.wait_for("No hosts yet")
    console.keys("a")
    console.wait_for("Add a host")
    console.type("worker-0[1-3]")
    console.keys("Tab")
    console.type(f"{network}.[{last[0]}-{last[-1]}]")
    console.wait_for("3 hosts: worker-01 to worker-03")
    console.keys("C-o")
    console.wait_for("3 hosts: 3 new key")
    console.keys("K")
    console.wait_for("Accept 3 new host keys?", "SHA256:", "> No")
    console.keys("Tab", "Enter")
    console.wait_for("3 hosts: 3 ok")
    console.keys("n")


def take_bundles(console: Terminal) -> None:
    """Copy what is on the stick."""
    console.wait_for("[Bundles]", "2 new bundles")
    console.keys("+")
    console.wait_for("Take these 2 bundles from the stick?", "> No")
    console.keys("Tab", "Enter")
    console.wait_for("the bundles are in imagesDir", "> To Bundles")
    console.keys("Enter")
    console.wait_for("[Bundles]", "free in")
    console.keys("n")


def test_from_an_empty_machine_to_a_report_on_the_stick(
    bare_site: Site, installation: Install, tmp_path: Path, stick: Path
) -> None:
    images, known_hosts = tmp_path / "imgs", tmp_path / "known_hosts"
    images.mkdir()
    known_hosts.touch()
    program = installation(imagesDir=str(images))
    program.config_path.unlink()
    with terminal() as console:
        console.start(screens(program, stick))
        console.wait_for("not there yet", "2 new bundles", "> Set up this site")
        console.keys("Enter")
        write_config(console, program, known_hosts)
        add_hosts(console, bare_site)
        take_bundles(console)
        console.wait_for("Start?", "3 can be done", "install Docker", "> No")
        console.keys("Right", "Enter")
        console.wait_for("p pause", "at work", "worker-01")
        console.keys("p")
        console.wait_for("PAUSED", "p go on")

    with terminal() as console:
        console.start(screens(program, stick), kind="vt100")
        console.wait_for("> Watch the run that is at work")
        console.keys("Enter")
        console.wait_for("PAUSED", "p go on")
        console.keys("p")
        shown = console.wait_for("All hosts are ready", "> Save report")
        console.keys("Enter")
        console.wait_for("Save the report", str(stick)[:40])
        console.keys("Enter")
        console.wait_for("Written:")
    assert shown.isascii()
    [record] = stick.glob("airferry-report-*.json")
    assert "done" == json.loads(record.read_text())["state"]
    assert record.with_suffix(".md").read_text().startswith("# Run")
    assert "hosts" in program.config_path.read_text()
    for host in bare_site.hosts:
        assert_warmed(bare_site, host)
