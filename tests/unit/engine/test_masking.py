"""Secrets are taken out of whatever leaves the site, and what helps stays."""

from __future__ import annotations

import pytest

from core.engine.masking import MASK, masked, masked_config

SECRET = "hunter2/Xy+z=="  # noqa: S105 - what must not be found
KEY = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
    "QyNTUxOQAAACB0\n"
    "-----END OPENSSH PRIVATE KEY-----"
)


@pytest.mark.parametrize(
    "text",
    [
        f"password: {SECRET}",
        f"Password = {SECRET}",
        f'"sudo_password": "{SECRET}", "x": 1',
        f"login failed, passphrase: '{SECRET}'",
        f"registry.example/v2: token={SECRET}",
        f"curl --password {SECRET} x",
        f"curl --api-key='{SECRET}' x",
        f"https://tech:{SECRET}@registry.example:5000/v2/",
        f"https://{SECRET}@registry.example/v2/",
        "http://tech:hunter2@r/x",
        "pull from tech:hunter2@registry.example:5000/a",
        f"Authorization: Basic {SECRET}",
        f"sent Bearer {SECRET}",
        f'{{"auths": {{"r": {{"auth": "{SECRET}"}}}}}}',
        "tech:$2y$05$hunter2hunter2hunter2",
        "root:$6$salt$hunter2hunter2hunter2",
        f"clientSecret: {SECRET}",
        f"AWS_SECRET_ACCESS_KEY={SECRET}",
        f"password: '{SECRET}",
        f'"password": "a\\"{SECRET}"',
    ],
)
def test_a_secret_is_gone(text: str) -> None:
    found = masked(f"before\n{text}\nafter")
    assert "hunter2" not in found
    assert MASK in found
    assert ("before", "after") == (found.splitlines()[0], found.splitlines()[-1])


@pytest.mark.parametrize("begins", range(4))
def test_a_private_key_is_gone_wherever_its_log_was_cut(begins: int) -> None:
    tail = "\n".join(KEY.splitlines()[begins:])
    assert f"{MASK}\nafter\n" == masked(f"{tail}\nafter\n")


def test_a_private_key_that_does_not_end() -> None:
    assert f"before\n{MASK}" == masked("before\n" + KEY[:90])


def test_a_key_of_putty() -> None:
    text = "Private-Lines: 2\nAAAAIB0\nhunter2=\nPrivate-MAC: x\n"
    assert f"Private-Lines: 2\n{MASK}\nPrivate-MAC: x\n" == masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "worker-03 (10.0.0.13): no route to host [E-SSH-ROUTE]",
        "worker-03: the password of tech was refused",
        "root@10.0.0.13:22",
        "localhost:5001/a/calico-node:3.15@sha256:" + "ab" * 32,
        "docker.io/library/busybox:1.36",
        "http://127.0.0.1:5100/v2/",
        "12:30:01 images.warm: 3 of 6",
        "key: /root/.ssh/id_ed25519",
        "author: somebody",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert text == masked(text)


CONFIG = f"""\
privateRegistryType: custom   # the password is hunter2
privateRegistryBase: tech:hunter2@registry.example:5000/x
# token of the old one was hunter2
ssh:
  user: tech # from the site
  password: {SECRET}
secrets:
  - hunter2
  - {{a: hunter2, b: [hunter2, 1]}}
passphrase: |
  hunter2
  and more hunter2
otherToken: >-
  hunter2
old: &kept
  apiKey: "hunter2"
new: *kept
note: "hunter"
imagesDir: imgs
"""


def test_a_config_keeps_all_but_its_secrets() -> None:
    assert f"""\
privateRegistryType: custom   # {MASK}
privateRegistryBase: {MASK}@registry.example:5000/x
# {MASK}
ssh:
  user: tech # from the site
  password: {MASK}
secrets:
  - "{MASK}"
  - {{a: "{MASK}", b: ["{MASK}", "{MASK}"]}}
passphrase: {MASK}
otherToken: {MASK}
old: &kept
  apiKey: {MASK}
new: *kept
note: "hunter"
imagesDir: imgs
""" == masked_config(CONFIG)


@pytest.mark.parametrize("text", ["password: [hunter2", "\tpassword: hunter2", "a: 'hunter2"])
def test_of_what_is_no_yaml_nothing_is_shown(text: str) -> None:
    assert "" == masked_config(text)


@pytest.mark.parametrize("text", ["", "# nothing\n", "a: &a [*a]\n", "password:\n", "- x\n"])
def test_odd_configs_stay_as_they_are(text: str) -> None:
    assert text == masked_config(text)


@pytest.mark.parametrize("piece", ["a", "a.", "A9+/=", "://", "x:y@", "$6$", "--token", "Bearer a"])
def test_long_lines_are_masked_as_well(piece: str) -> None:
    """Half a mebibyte of anything: what grows with its square would not end while we wait."""
    found = masked(piece * ((512 << 10) // len(piece)) + "\npassword: hunter2\nafter")
    assert ("after", False) == (found.splitlines()[-1], "hunter2" in found)
