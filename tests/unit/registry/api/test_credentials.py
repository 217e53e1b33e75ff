"""Where the login to the site's registry is found, and in which order."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from core.config import Config, Mode
from core.errors import RegistryLoginNeeded
from core.registry.api.credentials import find_login
from core.secrets import NO_REGISTRY_LOGIN, RegistryLogin

BASE = "registry.site:5000/team/images"
HELPER = """#!/bin/sh
read -r registry
[ "$1 $registry" = "get %s" ] || { echo "credentials not found" >&2; exit 1; }
[ -z "$AIRFERRY_REGISTRY_PASSWORD" ] || exit 2
echo '{"ServerURL": "x", "Username": "%s", "Secret": "of-the-helper"}'
"""


def config(user: str = "") -> Config:
    return Config(
        Path("airctl-config.yaml"), mode=Mode.CUSTOM, registry_base=BASE, registry_user=user
    )


def packed(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


class DockerConfig:
    """A `config.json`, and the environment in which it is found."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "config.json"
        self.environ = {"DOCKER_CONFIG": str(directory), "PATH": f"{directory}:/bin:/usr/bin"}

    def write(self, **settings: object) -> None:
        self.path.write_text(json.dumps(settings))

    def find(self, user: str = "") -> RegistryLogin:
        return find_login(config(user), environ=self.environ)


@pytest.fixture
def docker(tmp_path: Path) -> DockerConfig:
    return DockerConfig(tmp_path)


def test_what_was_typed_comes_first_then_the_environment(docker: DockerConfig) -> None:
    docker.write(auths={"registry.site:5000": packed("kept:by-docker")})
    source = f"from {docker.path}"
    assert RegistryLogin("kept", "by-docker", source=source) == docker.find()
    docker.environ["AIRFERRY_REGISTRY_PASSWORD"] = "of-env"  # noqa: S105 - a test's
    expected = RegistryLogin("tech", "of-env", source="from AIRFERRY_REGISTRY_PASSWORD")
    assert expected == docker.find("tech")
    typed = RegistryLogin("me", "typed")
    assert typed == find_login(config("tech"), typed, docker.environ)


def test_a_password_without_a_name_is_no_login(docker: DockerConfig) -> None:
    docker.environ["AIRFERRY_REGISTRY_PASSWORD"] = "of-env"  # noqa: S105 - a test's
    with pytest.raises(RegistryLoginNeeded, match="no user name") as caught:
        docker.find()
    assert "privateRegistryUser" in caught.value.remedy


@pytest.mark.parametrize(
    "key",
    [
        "registry.site:5000",
        "https://registry.site:5000",
        "https://registry.site:5000/v1/",
        "http://registry.site:5000/v2/",
        "registry.site:5000/team",
        "registry.site:5000/team/images",
    ],
)
def test_keys_as_the_tools_write_them(docker: DockerConfig, key: str) -> None:
    docker.write(auths={"other.site": packed("x:y"), key: packed("kept:with:colon")})
    assert ("kept", "with:colon") == (docker.find().user, docker.find().password)


def test_the_longest_path_comes_first(docker: DockerConfig) -> None:
    docker.write(
        auths={
            "registry.site:5000": packed("all:1"),
            "registry.site:5000/team": packed("team:2"),
            "registry.site:5000/other": packed("other:3"),
        }
    )
    assert "team" == docker.find().user


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        '{"auths": []}',
        '{"auths": {"registry.site:5000": "x"}}',
        '{"auths": {"registry.site:5000": {"auth": "*"}}}',
        '{"auths": {"registry.site:5000": {}}}',
    ],
)
def test_a_config_that_says_nothing_of_it(docker: DockerConfig, text: str) -> None:
    docker.path.write_text(text)
    assert NO_REGISTRY_LOGIN == docker.find() or not docker.find().is_there


def test_the_login_of_another_user_is_not_taken(docker: DockerConfig) -> None:
    docker.write(auths={"registry.site:5000": packed("kept:by-docker")})
    assert not docker.find("tech").is_there
    assert "by-docker" == docker.find("kept").password


def test_an_identity_token(docker: DockerConfig) -> None:
    docker.write(
        auths={"registry.site:5000": {**packed("kept:"), "identitytoken": "t-1"}},
    )
    assert ("kept", "", "t-1") == (
        docker.find().user,
        docker.find().password,
        docker.find().identity_token,
    )


@pytest.mark.parametrize("by", ["credHelpers", "credsStore"])
@pytest.mark.parametrize("asked", ["registry.site:5000", "https://registry.site:5000"])
def test_docker_s_credential_helpers(docker: DockerConfig, by: str, asked: str) -> None:
    program = docker.path.parent / "docker-credential-lab"
    program.write_text(HELPER % (asked, "helped"))
    program.chmod(0o755)
    value = "lab" if by == "credsStore" else {"registry.site:5000": "lab"}
    docker.write(auths={"registry.site:5000": {}}, **{by: value})
    found = docker.find()
    assert ("helped", "of-the-helper") == (found.user, found.password)
    assert found.source.endswith("(lab)")
    program.write_text(HELPER % (asked, "<token>"))
    assert "of-the-helper" == docker.find().identity_token


def test_a_helper_that_is_not_there(docker: DockerConfig) -> None:
    docker.write(credsStore="gone")
    assert not docker.find().is_there
