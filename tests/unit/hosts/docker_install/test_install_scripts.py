"""Parts of the scripts that install Docker, run under dash with the real dpkg."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from core.hosts.docker_install.install import SCRIPTS
from tests.support.packages import deb
from tests.support.waiting import HANG_S


@pytest.fixture(scope="module")
def dash() -> str:
    found = shutil.which("dash")
    assert found, "the scripts for hosts are tested under dash: install the package dash"
    return found


def run(dash: str, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run shell text as a host does: through standard input."""
    command = [dash, "-s", "--", *arguments]
    return subprocess.run(
        command, input=script, capture_output=True, text=True, timeout=HANG_S, check=False
    )


@pytest.mark.parametrize(
    ("name", "version", "news"),
    [("dpkg", "0.1", False), ("dpkg", "999:1", True), ("docker-nowhere", "1", True)],
)
def test_a_package_is_news_if_it_is_not_there_or_older(
    dash: str, tmp_path: Path, name: str, version: str, news: bool
) -> None:
    """So that bare packages never put an older library in the place of the host's own."""
    path = tmp_path / "x.deb"
    path.write_bytes(deb(name, version, "all"))
    script = SCRIPTS["debs"] + '\nset -eu\nif is_news "$1"; then echo news; fi\n'
    assert ("news\n" if news else "") == run(dash, script, str(path)).stdout


def test_what_did_not_arrive_whole_is_not_installed(dash: str, tmp_path: Path) -> None:
    arrived = tmp_path / "airferry-docker.x"
    arrived.mkdir()
    never = "remember() { echo changed; }\n"

    done = run(dash, never + SCRIPTS["docker"], str(arrived), "docker-ce", "", "")

    assert (7, "not all of it has arrived\n") == (done.returncode, done.stderr)
    assert not arrived.exists()
