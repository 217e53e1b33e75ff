"""One build for all tests: a clean copy, the wheel made of it, and the wheel installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.package.building import Installed, build_wheel, clean_copy, install


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clean clone holds."""
    return clean_copy(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="session")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is built of it."""
    return build_wheel(source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, installed into an empty environment outside the checkout."""
    return install(wheel, tmp_path_factory.mktemp("installed"))
