"""The registry's login in root's Docker config on a host: merged, and taken away again.

The shell that does it is run under dash, with another place for root's home.
"""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from core.errors import DockerFailed
from core.hosts.docker import registry_login as docker_login
from core.hosts.docker.registry_login import with_login, without_logins
from core.hosts.managed_state import DIRECTORY
from core.secrets import RegistryLogin

LOGIN = RegistryLogin("carrier", "pw")
ENTRY = {"auth": "Y2Fycmllcjpwdw=="}


def test_it_is_merged_and_taken_away_again() -> None:
    before = json.dumps({"auths": {"other": {"auth": "eA=="}}, "detachKeys": "ctrl-x"})
    given = with_login(before, "r:5000", LOGIN, "h")
    expected = {"auths": {"other": {"auth": "eA=="}, "r:5000": ENTRY}, "detachKeys": "ctrl-x"}
    assert expected == json.loads(given)
    assert given == with_login(given, "r:5000", LOGIN, "h")
    assert json.loads(before) == json.loads(without_logins(given, before, ["r:5000"], "h"))


def test_the_first_one_and_nothing_left_of_it() -> None:
    given = with_login("", "r:5000", LOGIN, "h")
    assert {"auths": {"r:5000": ENTRY}} == json.loads(given)
    assert "" == without_logins(given, "", ["r:5000"], "h")


def test_another_s_login_for_the_same_registry_comes_back() -> None:
    before = json.dumps({"auths": {"r:5000": {"auth": "eA=="}}})
    given = with_login(before, "r:5000", LOGIN, "h")
    assert {"r:5000": ENTRY} == json.loads(given)["auths"]
    assert json.loads(before) == json.loads(without_logins(given, before, ["r:5000"], "h"))


def test_an_identity_token() -> None:
    token = RegistryLogin("carrier", "", "t-1")
    entry = json.loads(with_login("", "r", token, "h"))["auths"]["r"]
    assert {"auth": "Y2Fycmllcjo=", "identitytoken": "t-1"} == entry


@pytest.mark.parametrize("text", ["{", "[]", '{"auths": [1]}'])
def test_what_docker_does_not_read_is_left_alone(text: str) -> None:
    with pytest.raises(DockerFailed, match=r"h: /root/\.docker/config\.json"):
        with_login(text, "r", LOGIN, "h")


@pytest.mark.parametrize(
    "text", ['{"credsStore": "pass"}', '{"credHelpers": {"r:5000": "pass", "other": "x"}}']
)
def test_where_docker_asks_a_helper_nothing_is_written(text: str) -> None:
    with pytest.raises(DockerFailed, match="helper 'pass'"):
        with_login(text, "r:5000", LOGIN, "h")
    assert "auths" in with_login('{"credHelpers": {"other": "x"}}', "r:5000", LOGIN, "h")


class Root:
    """Root's home and the notes of a host, elsewhere."""

    def __init__(self, directory: Path) -> None:
        self.home, self.notes = directory / "root", directory / "notes"
        self.home.mkdir()
        self.config = self.home / ".docker" / "config.json"

    def run(self, script: str, text: str, *arguments: str) -> None:
        script = docker_login._assigned(text) + script
        for theirs, ours in (("/root", self.home), (DIRECTORY, self.notes)):
            script = script.replace(theirs, str(ours))
        dash = shutil.which("dash")
        assert dash, "the scripts for hosts are tested under dash: install the package dash"
        done = subprocess.run(
            [dash, "-s", "--", *arguments],
            input=script,
            text=True,
            capture_output=True,
            check=False,
        )
        assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize("before", ["", '{"detachKeys": "it\'s"}'])
def test_the_shell_writes_for_root_only_and_leaves_nothing(tmp_path: Path, before: str) -> None:
    root = Root(tmp_path)
    if before:
        root.config.parent.mkdir()
        root.config.write_text(before)
    for text in ("first\n", "a 'second' $one\n"):  # the second time nothing old is kept
        root.run(docker_login._GIVE, text, "r:5000")
        assert text == root.config.read_text()
        assert 0o600 == stat.S_IMODE(root.config.stat().st_mode)
    kept = root.config.with_name("config.json.airferry-orig")
    assert bool(before) == kept.exists()
    assert "r:5000\nr:5000\n" == (root.notes / "registry-logins").read_text()
    root.run(docker_login._TAKE, before)
    left = sorted(path.name for path in tmp_path.rglob("*"))
    assert left == ([".docker", "config.json", "root"] if before else ["root"])
    assert not before or before == root.config.read_text()
