"""The lab's site and an installation of the program on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.program import AIRFERRY, Program
from tests.lab.shell import run
from tests.lab.site import Site
from tests.lab.warming import noise_images
from tests.support.archives import ImageSpec

HOSTS = 3
Install = Callable[..., Program]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/lab" in str(item.path):
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def site() -> Site:
    """The running site; it is made if there is none, and stays for the next test run.

    A demo may have left its registry and tunnels on it; the tests need the ports.
    """
    running = Site.up(HOSTS)
    for service in ("tunnels", "registry"):
        run(str(AIRFERRY), service, "stop", "--config", str(running.config_path), check=False)
    return running


@pytest.fixture
def fresh_site(site: Site) -> Site:
    """The site with hosts as they were on their first day: no Docker."""
    site.reset_hosts()
    return site


@pytest.fixture(scope="module")
def docker_site(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site with hosts that have Docker; made once for all tests of a file."""
    site.reset_hosts()
    program = Program(site, tmp_path_factory.mktemp("docker"))
    try:
        program.run("install", "--skip-docker-img-import")
    finally:
        program.clean_up()
    return site


@pytest.fixture(scope="session")
def noise() -> list[ImageSpec]:
    """An image that it takes a while to warm."""
    return noise_images()


@pytest.fixture
def installation(site: Site, tmp_path: Path) -> Iterator[Install]:
    """Make installations of the program; all that they started is stopped afterwards."""
    made: list[Program] = []

    def make(**changes: object) -> Program:
        directory = tmp_path / f"site-{len(made)}"
        directory.mkdir()
        made.append(Program(site, directory, **changes))
        return made[-1]

    yield make
    for program in made:
        program.clean_up()
