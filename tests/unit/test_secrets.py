"""Secrets: who gets which, how they come in, and that nothing shows them."""

from __future__ import annotations

import io
import json
import os
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest

from core.cli.secrets import asked_secrets
from core.config import Config, Mode
from core.errors import UsageError
from core.secrets import NO_SECRETS, Login, RegistryLogin, Secrets, without_secrets

CONFIG = Config(Path("airctl-config.yaml"))
CUSTOM = Config(
    Path("airctl-config.yaml"), mode=Mode.CUSTOM, registry_base="r/p", registry_user="tech"
)
SECRETS = Secrets(Login("pw", "su", "ph"), {"b": Login("other")})


def test_a_host_gets_its_own_before_those_for_all() -> None:
    assert Login("pw", "su", "ph") == SECRETS.for_host("a")
    assert Login("other", "su", "ph") == SECRETS.for_host("b")
    assert "su" == SECRETS.for_host("b").sudo_password
    assert "pw" == Login("pw").sudo_password


def test_nothing_shows_them() -> None:
    shown = f"{SECRETS!r} {SECRETS} {SECRETS.for_host('b')!r}"
    assert not any(secret in shown for secret in ("pw", "su'", "ph", "other"))


def test_they_pass_through_the_pipe() -> None:
    assert SECRETS == Secrets.from_json(SECRETS.to_json())
    assert 1 == len(SECRETS.to_json().splitlines())
    assert NO_SECRETS == Secrets.from_json("\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hunter2", "not JSON"),
        ("[1]", "no JSON object"),
        ('{"passwort": "hunter2"}', "'passwort' is not known"),
        ('{"password": 2}', "no JSON object of texts"),
        ('{"password": "hunter2\\n"}', "line break"),
        ('{"hosts": ["a"]}', "hosts is no JSON object"),
        ('{"hosts": {"a": "hunter2"}}', "no JSON object of texts"),
        ('{"registry": {"pass": "hunter2"}}', "'pass' is not known"),
    ],
)
def test_what_is_no_secrets_is_refused_without_repeating_it(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        Secrets.from_json(text)
    assert "hunter2" not in caught.value.what
    assert "password" in caught.value.remedy


def test_without_a_terminal_they_are_lines_of_standard_input(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\ntwo\n"))
    asked = asked_secrets(Namespace(ask_pass=True, ask_sudo_pass=False, ask_key_pass=True), CONFIG)
    assert Secrets(Login("one", "", "two")) == asked
    with pytest.raises(UsageError, match="nothing comes in"):
        asked_secrets(Namespace(ask_pass=True), CONFIG)


def test_they_come_through_a_descriptor() -> None:
    read, write = os.pipe()
    os.write(write, json.dumps({"sudo": "s"}).encode())
    os.close(write)
    assert Secrets(Login(sudo="s")) == asked_secrets(Namespace(secrets_fd=read), CONFIG)
    with pytest.raises(UsageError, match="Bad file descriptor"):
        asked_secrets(Namespace(secrets_fd=read), CONFIG)


@pytest.mark.parametrize(
    ("environment", "user"), [({}, "tech"), ({"AIRFERRY_REGISTRY_USER": "carrier"}, "carrier")]
)
def test_the_registry_s_password_is_asked_for_last(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], user: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\ntwo\n"))
    asked = asked_secrets(Namespace(ask_pass=True, ask_registry_password=True), CUSTOM)
    login = RegistryLogin(user, "two", source="as it was typed")
    assert Secrets(Login("one"), registry=login) == asked
    assert asked == Secrets.from_json(asked.to_json())
    assert "two" not in f"{asked!r}"


def test_no_registry_s_password_where_there_is_no_such_registry_or_no_name() -> None:
    wanted = Namespace(ask_registry_password=True)
    with pytest.raises(UsageError, match="mode none has no registry"):
        asked_secrets(wanted, CONFIG)
    with pytest.raises(UsageError, match="no user name for the registry r/p"):
        asked_secrets(wanted, replace(CUSTOM, registry_user=""))


def test_the_environment_is_for_those_who_typed_nothing_and_for_no_child() -> None:
    environment = {
        "AIRFERRY_REGISTRY_USER": "carrier",
        "AIRFERRY_REGISTRY_PASSWORD": "hunter2",
        "PATH": "/bin",
    }
    found = NO_SECRETS.with_environment(environment)
    source = "from AIRFERRY_REGISTRY_PASSWORD"
    assert RegistryLogin("carrier", "hunter2", source=source) == found.registry
    typed = Secrets(registry=RegistryLogin("a", "b"))
    assert typed == typed.with_environment(environment)
    assert NO_SECRETS == NO_SECRETS.with_environment({})
    assert {"PATH": "/bin"} == without_secrets(environment)
