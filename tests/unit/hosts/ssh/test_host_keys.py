"""Host keys that are believed: read once, and again when somebody has changed them."""

from __future__ import annotations

from pathlib import Path

import asyncssh

from core.config import SshConfig
from core.hosts.ssh.host_keys import Trust, trust_of


def trust(directory: Path) -> Trust:
    notes = directory / "known_hosts"
    return Trust((directory / "missing", notes), notes)


def fingerprints(site: Trust, address: str, port: int) -> set[str]:
    return {key.get_fingerprint() for key in site.keys().match(address, address, port)[0]}


def test_files_that_have_not_changed_are_not_read_again(tmp_path: Path) -> None:
    site = trust(tmp_path)
    site.note("10.0.0.1", 22, asyncssh.generate_private_key("ssh-ed25519"))
    assert site.keys() is site.keys()


def test_a_key_that_another_console_noted_is_known_at_once(tmp_path: Path) -> None:
    site, other_console = trust(tmp_path), trust(tmp_path)
    assert set() == fingerprints(site, "10.0.0.2", 2222)
    key = asyncssh.generate_private_key("ssh-ed25519")
    other_console.note("10.0.0.2", 2222, key)
    assert {key.get_fingerprint()} == fingerprints(site, "10.0.0.2", 2222)


def test_a_replaced_file_of_the_same_size_is_read_again(tmp_path: Path) -> None:
    site = trust(tmp_path)
    key = asyncssh.generate_private_key("ssh-ed25519")
    site.note("10.0.0.3", 22, key)
    assert set() == fingerprints(site, "10.0.0.4", 22)
    replacement = tmp_path / "new"
    replacement.write_text(site.notes.read_text().replace("10.0.0.3", "10.0.0.4"))
    replacement.rename(site.notes)
    assert {key.get_fingerprint()} == fingerprints(site, "10.0.0.4", 22)


def test_only_the_key_that_was_compared_is_taken(tmp_path: Path) -> None:
    shown, other = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    site = trust_of(SshConfig(), tmp_path, compared=(shown.get_fingerprint(),))
    assert (True, False) == (site.takes(shown), site.takes(other))
