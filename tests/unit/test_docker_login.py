"""The registry's login in root's Docker config on a host: merged, and taken away again."""

from __future__ import annotations

import json

import pytest

from core.errors import DockerFailed
from core.hosts.docker_login import with_login, without_logins
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
