"""For all tests: the environment that the suite sets, and which tests may use which programs."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.environment import set_up

ENVIRONMENT = set_up()  # before anything is imported that reads it
TESTS = Path(__file__).parent
STRICT = (TESTS / "unit", TESTS / "tui")
PROGRAMS = {
    "registry_program": ("docker-registry", "registry"),
    "skopeo": ("skopeo",),
    "docker_program": ("docker",),
    "mounting": ("mount",),
}
"""Fixtures that stand for a program, by any of its names; who asks for one is marked `programs`."""

if sys.getfilesystemencoding() != "utf-8":
    raise pytest.UsageError("start the tests with a UTF-8 locale, or by `make check`")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not PROGRAMS.keys().isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.programs)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Keep programs from being found by tests that do not say that they need them."""
    strict = any(item.path.is_relative_to(room) for room in STRICT)
    programs = not strict or item.get_closest_marker("programs") is not None
    ENVIRONMENT.allow(programs=programs, downloads=not strict)


@pytest.fixture
def registry_program() -> None:
    """The real registry can be run."""
    _require("registry_program")


@pytest.fixture
def skopeo() -> None:
    """The real skopeo can be run."""
    _require("skopeo")


@pytest.fixture
def docker_program() -> None:
    """Docker's command line can be run; no daemon is asked."""
    _require("docker_program")


@pytest.fixture
def mounting() -> None:
    """A file system can be mounted."""
    _require("mounting")
    if os.geteuid():
        pytest.fail("this test needs root: it mounts a file system")


def _require(fixture: str) -> None:
    names = PROGRAMS[fixture]
    if not any(shutil.which(name) for name in names):
        pytest.fail(f"no {' or '.join(names)} here; `make test` installs what these tests need")


def pytest_unconfigure() -> None:
    ENVIRONMENT.remove()
