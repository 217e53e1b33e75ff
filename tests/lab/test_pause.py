"""A run is paused and resumed: on real hosts and with a real registry nothing is cut or begun."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from core.hosts.docker.engine import PULLS_AT_ONCE
from tests.lab.conftest import Install
from tests.lab.outside import image_id, site_name
from tests.lab.program import Program
from tests.lab.shell import until
from tests.lab.site import Site
from tests.lab.warming import lasts, lift, slow_down, steps_of
from tests.support.archives import ImageSpec, tar_of, write_bundle

IMAGES = PULLS_AT_ONCE + 4
LAYER_BYTES = 3 << 20
LONG_S = 20.0  # longer than the line's keep-alives take to miss somebody


@pytest.fixture(scope="module")
def many() -> list[ImageSpec]:
    """More images than are pulled at a time, of one layer each."""
    return [
        ImageSpec(
            [f"example.org/many/noise:{n}"],
            [tar_of(f"noise/{n}", random.Random(n).randbytes(LAYER_BYTES))],  # noqa: S311
        )
        for n in range(IMAGES)
    ]


@pytest.fixture
def images_dir(tmp_path: Path, many: list[ImageSpec]) -> Path:
    directory = tmp_path / "imgs"
    directory.mkdir()
    write_bundle(directory / "docker-imgs-many.tar", many)
    return directory


@pytest.fixture
def slow_site(docker_site: Site) -> Site:
    """The site with hosts that have Docker but no images, behind slow lines."""
    for host in docker_site.hosts:
        slow_down(host)
    return docker_site


def messages(program: Program, run: int, step: str) -> list[str]:
    """Return what a step says on every target that has it."""
    steps = steps_of(program.peek(run))
    return [of[step]["message"] for of in steps.values() if step in of]


def there(site: Site, many: list[ImageSpec]) -> list[int]:
    """Return how many of the images each host has."""
    names = [image.tags[0] for image in many]
    return [sum(bool(image_id(host, name)) for name in names) for host in site.hosts]


def test_hosts_that_are_being_warmed(
    slow_site: Site, installation: Install, images_dir: Path, many: list[ImageSpec]
) -> None:
    program = installation(imagesDir=str(images_dir))
    run = program.begin("install")
    program.wait_for_step("worker-02", "images.warm", lambda step: bool(step["bytes"]))

    program.run("pause")

    until(
        lambda: set(messages(program, run, "images.warm")) == {"paused"},
        "every host has come to its next stop",
    )
    until(lambda: not _pulling(slow_site), "what was on its way has arrived")
    before = there(slow_site, many)
    assert all(0 < count < IMAGES for count in before), before
    lasts(LONG_S)
    assert before == there(slow_site, many)
    assert "paused" in program.run("runs").stdout
    assert program.peek(run)["paused"]

    for host in slow_site.hosts:
        lift(host)
    program.run("resume")

    report = program.wait(run)
    assert ("done", False) == (report["state"], report["paused"])
    assert report["seconds"] - report["seconds_worked"] > LONG_S
    _assert_done_once(report)
    for host in slow_site.hosts:
        for image in many:
            for name in (image.tags[0], site_name(image.tags[0])):
                assert image.image_id == image_id(host, name), f"{host.name}: {name}"


def _pulling(site: Site) -> bool:
    """Tell whether a host's Docker still fetches or unpacks a layer."""
    fetched = "find /var/lib/docker/tmp -name 'GetImageBlob*'"
    return any(host.run("sh", "-c", fetched).stdout for host in site.hosts)


def _assert_done_once(report: dict[str, Any]) -> None:
    for target, steps in steps_of(report).items():
        for name, step in steps.items():
            assert step["state"] in ("done", "present"), (target, name, step)
            assert 1 == step["attempt"], (target, name, step)


def test_an_import(installation: Install, images_dir: Path) -> None:
    program = installation(hosts=[], imagesDir=str(images_dir))
    run = program.begin("install")
    program.wait_for_step("du", "bundle.import", lambda step: bool(step["bytes"]))

    os.kill(program.engine_pid(run), signal.SIGUSR1)  # the command would take too long to start

    until(
        lambda: any(
            step["message"].startswith("paused")
            for step in steps_of(program.peek(run))["du"].values()
        ),
        "the import has come to its next stop",
    )
    registry = program.directory / "registry"
    until(
        lambda: not list(registry.rglob("_uploads/*/data")),
        "what was being sent has been sent",
    )
    before = _bytes(program, run)
    lasts(LONG_S)
    assert before == _bytes(program, run)

    program.run("resume")

    report = program.wait(run)
    assert "done" == report["state"]
    _assert_done_once(report)
    assert IMAGES == len(program.json("registry", "list"))


def _bytes(program: Program, run: int) -> int:
    """Return how much of its bundles a run has read."""
    return sum(int(step["bytes"]) for step in steps_of(program.peek(run))["du"].values())
