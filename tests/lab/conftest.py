"""The lab's site and an installation of the program on it."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab import packing
from tests.lab.hostkinds import Has, warm_directory
from tests.lab.program import AIRFERRY, Program
from tests.lab.shell import run
from tests.lab.site import DEFAULT_HOSTS, Site
from tests.lab.warming import noise_images
from tests.support.archives import ImageSpec

Install = Callable[..., Program]
WORKERS_VARIABLE = "PYTEST_XDIST_WORKER_COUNT"
MEASURE_VARIABLE = "AIRFERRY_LAB_MEASURE"


HERE = Path(__file__).parent
TEST_LIMIT_S = 1500
"""Of one test, with the lab that it may have to make first: guards within it speak earlier."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.lab)
        item.add_marker(pytest.mark.timeout(TEST_LIMIT_S))
    queues = int(os.environ.get(WORKERS_VARIABLE, "1"))
    if len(ours) == len(items) and queues > 1:
        known = packing.read_seconds()
        unknown = packing.guess(known)
        seconds = [known.get(item.nodeid, unknown) for item in ours]
        items[:] = packing.packed(ours, seconds, queues)


_taken: dict[str, float] = defaultdict(float)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _taken[report.nodeid] += report.duration


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep the times of a parallel run where that is asked for; its workers know only their own."""
    if os.environ.get(MEASURE_VARIABLE) and not hasattr(session.config, "workerinput"):
        packing.write_seconds({**packing.read_seconds(), **_taken})


@pytest.fixture(scope="session")
def site() -> Site:
    """The running lab, whatever its hosts are like; made if there is none, kept for the next run.

    A demo may have left its registry and tunnels on it; the tests need the ports.
    """
    running = Site.up(has=None)
    for service in ("tunnels", "registry"):
        run(str(AIRFERRY), service, "stop", "--config", str(running.config_path), check=False)
    return running


@pytest.fixture
def bare_site(site: Site, request: pytest.FixtureRequest) -> Site:
    """The site with hosts as they were on their first day: no Docker."""
    return _reset(site, Has.NOTHING, request)


@pytest.fixture
def docker_site(site: Site, request: pytest.FixtureRequest) -> Site:
    """The site with hosts on which Airferry has installed Docker; they have no images."""
    return _reset(site, Has.DOCKER, request)


@pytest.fixture
def warm_site(site: Site, request: pytest.FixtureRequest) -> Site:
    """The site with hosts that have the sample bundles' images as well, as mode du leaves them."""
    return _reset(site, Has.IMAGES, request)


def _reset(site: Site, has: Has, request: pytest.FixtureRequest) -> Site:
    """Give hosts of a kind: three, or as many as the test's mark `hosts` says."""
    mark = request.node.get_closest_marker("hosts")
    site.reset_hosts(has, mark.args[0] if mark else DEFAULT_HOSTS)
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


@pytest.fixture
def warm_installation(site: Site, installation: Install) -> Install:
    """Make installations whose DU has imported the sample bundles into its registry."""
    kept = warm_directory(site.engine, site)

    def make(**changes: object) -> Program:
        program = installation(**changes)
        shutil.copytree(kept / "registry", program.directory / "registry")
        shutil.copytree(kept / "bundles", program.state_dir / "bundles")
        return program

    return make
