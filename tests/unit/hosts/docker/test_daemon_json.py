"""What an engine says of itself, and what is written into its daemon.json."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.errors import DockerSettingsRefused
from core.hosts.docker.daemon_json import (
    KEY,
    LOOPBACK,
    no_longer_wanted,
    with_insecure,
)
from core.hosts.docker.engine import EngineFacts, engine_facts
from core.hosts.docker.json_layout import without_items
from core.hosts.docker.pull_stream import short_digest

# Cut down from `docker info` of Debian 12's Docker 20.10.
CLASSIC: dict[str, Any] = {
    "ServerVersion": "20.10.24+dfsg1",
    "Driver": "overlay2",
    "DriverStatus": [
        ["Backing Filesystem", "extfs"],
        ["Supports d_type", "true"],
        ["Native Overlay Diff", "true"],
        ["userxattr", "false"],
    ],
    "RegistryConfig": {
        "AllowNondistributableArtifactsCIDRs": [],
        "InsecureRegistryCIDRs": ["127.0.0.0/8"],
        "IndexConfigs": {
            "docker.io": {"Name": "docker.io", "Mirrors": [], "Secure": True, "Official": True},
            "10.0.0.1:5000": {
                "Name": "10.0.0.1:5000",
                "Mirrors": [],
                "Secure": False,
                "Official": False,
            },
        },
        "Mirrors": [],
    },
}
# Written by hand from Docker's documentation of 29: no such engine was at hand to record it.
CONTAINERD: dict[str, Any] = {
    "ServerVersion": "29.0.1",
    "Driver": "overlayfs",
    "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
    "RegistryConfig": {
        "InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8"],
        "IndexConfigs": {"docker.io": {"Name": "docker.io", "Secure": True, "Official": True}},
    },
}


def test_the_classic_store() -> None:
    found = engine_facts(CLASSIC)
    assert EngineFacts("20.10.24+dfsg1", "classic", True, ("10.0.0.1:5000",)) == found
    assert found.ids_are_config_digests


def test_the_containerd_store() -> None:
    found = engine_facts(CONTAINERD)
    assert EngineFacts("29.0.1", "containerd", True, ()) == found
    assert not found.ids_are_config_digests


def test_an_engine_whose_loopback_is_not_insecure() -> None:
    """Docker 29.10 and later, where insecure-registries is set without loopback."""
    registries = {"InsecureRegistryCIDRs": ["10.0.0.0/8"], "IndexConfigs": {}}
    assert not engine_facts({**CONTAINERD, "RegistryConfig": registries}).insecure_loopback


@pytest.mark.parametrize(
    "info", [{}, {"DriverStatus": None, "RegistryConfig": None}, {"DriverStatus": [["x"]]}]
)
def test_an_engine_that_says_next_to_nothing(info: dict[str, Any]) -> None:
    assert EngineFacts("", "classic", False, ()) == engine_facts(info)


def test_short_digests_are_those_of_the_engine() -> None:
    assert "0123456789ab" == short_digest("sha256:0123456789abcdef")


REGISTRY = "registry.example.com:5000"


@pytest.mark.parametrize("text", ["", " \n", "{}", '{"insecure-registries": null}'])
def test_a_daemon_json_of_our_own(text: str) -> None:
    assert {"insecure-registries": [*LOOPBACK, REGISTRY]} == json.loads(
        with_insecure(text, [REGISTRY], "a")
    )


def test_what_is_there_stays_and_keeps_its_order() -> None:
    old = {
        "log-driver": "journald",
        "insecure-registries": ["b", "127.0.0.0/8"],
        "data-root": "/data",
        "nested": {"x": [1]},
    }
    new = json.loads(with_insecure(json.dumps(old), [REGISTRY, "b"], "a"))
    assert list(old) == list(new)
    assert {**old, "insecure-registries": ["b", "127.0.0.0/8", "::1/128", REGISTRY]} == new


@pytest.mark.parametrize("registries", [[], [REGISTRY]])
def test_what_is_enough_is_not_touched(registries: list[str]) -> None:
    text = f'{{ "insecure-registries":["{REGISTRY}", "127.0.0.0/8","::1/128"]  }}'
    assert text == with_insecure(text, registries, "a")


def test_it_is_enough_the_second_time() -> None:
    once = with_insecure('{"debug": true}', [REGISTRY], "a")
    assert once == with_insecure(once, [REGISTRY], "a")


@pytest.mark.parametrize("text", ["{", "debug: true", "[]", '"x"', "// words\n{}"])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(DockerSettingsRefused, match=r"^a is not"):
        with_insecure(text, [REGISTRY], "a")


@pytest.mark.parametrize("value", ['"10.0.0.1:5000"', "7", '{"a": 1}'])
def test_insecure_registries_that_are_no_list_are_left_alone(value: str) -> None:
    with pytest.raises(DockerSettingsRefused, match=r"^w1: insecure-registries is not a list"):
        with_insecure(f'{{"insecure-registries": {value}}}', ["10.0.0.1:5000"], "w1")


ADDED = [*LOOPBACK, REGISTRY]
THEIRS = '{"insecure-registries": ["b:5000"]}'


@pytest.mark.parametrize(
    ("text", "named", "loopback", "gone"),
    [
        ("{}", [], True, ADDED),  # loopback is what an engine has of its own
        ("{}", [], False, ADDED),
        ("{}", [REGISTRY], False, []),
        ("{}", ["other:5000"], False, [REGISTRY]),
        (THEIRS, [], True, [REGISTRY]),  # who sets the key has no loopback but the one it says
        (THEIRS, [], False, ADDED),
    ],
)
def test_what_an_earlier_registry_left(
    text: str, named: list[str], loopback: bool, gone: list[str]
) -> None:
    now = with_insecure(with_insecure(text, [REGISTRY], "a"), named, "a")
    assert gone == no_longer_wanted(now, [*ADDED, REGISTRY], named, loopback=loopback)
    left = json.loads(without_items(now, KEY, gone)).get(KEY, [])
    assert ("b:5000" in left) is (text is THEIRS)
    assert set(named) <= set(left)
