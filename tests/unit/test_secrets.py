"""Secrets: who gets which, how they come in, and that nothing shows them."""

from __future__ import annotations

import io
import json
import os
import sys
from argparse import Namespace

import pytest

from core.cli.secrets import asked_secrets
from core.errors import UsageError
from core.secrets import NO_SECRETS, Login, Secrets

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
    asked = asked_secrets(Namespace(ask_pass=True, ask_sudo_pass=False, ask_key_pass=True))
    assert Secrets(Login("one", "", "two")) == asked
    with pytest.raises(UsageError, match="nothing comes in"):
        asked_secrets(Namespace(ask_pass=True))


def test_they_come_through_a_descriptor() -> None:
    read, write = os.pipe()
    os.write(write, json.dumps({"sudo": "s"}).encode())
    os.close(write)
    assert Secrets(Login(sudo="s")) == asked_secrets(Namespace(secrets_fd=read))
    with pytest.raises(UsageError, match="Bad file descriptor"):
        asked_secrets(Namespace(secrets_fd=read))
