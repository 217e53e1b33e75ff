"""Host keys that are believed: read once, and again when somebody has changed them."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from core.config import SshConfig
from core.errors import LocalFilesError
from core.hosts.ssh.host_keys import Trust, trust_of
from core.hosts.ssh.route import Route
from tests.support.sshservers import new_key, public


def trust(directory: Path) -> Trust:
    notes = directory / "known_hosts"
    return Trust((directory / "missing", notes), notes)


def route(address: str, port: int = 22) -> Route:
    return Route(address, port, "root")


def fingerprints(site: Trust, place: Route) -> set[str]:
    return {known.key.get_fingerprint() for known in site.keys(place).own}


def test_files_that_have_not_changed_are_not_read_again(tmp_path: Path) -> None:
    site, host = trust(tmp_path), route("10.0.0.1")
    site.note(host, new_key())
    assert site.known_hosts(host).files[0] is site.known_hosts(host).files[0]


def test_a_key_that_another_console_noted_is_known_at_once(tmp_path: Path) -> None:
    site, other_console, host = trust(tmp_path), trust(tmp_path), route("10.0.0.2", 2222)
    assert set() == fingerprints(site, host)
    key = new_key()
    other_console.note(host, key)
    assert {key.get_fingerprint()} == fingerprints(site, host)


def test_a_replaced_file_of_the_same_size_is_read_again(tmp_path: Path) -> None:
    site, key = trust(tmp_path), new_key()
    site.note(route("10.0.0.3"), key)
    assert set() == fingerprints(site, route("10.0.0.4"))
    replacement = tmp_path / "new"
    replacement.write_text(site.notes.read_text().replace("10.0.0.3", "10.0.0.4"))
    replacement.rename(site.notes)
    assert {key.get_fingerprint()} == fingerprints(site, route("10.0.0.4"))


def test_only_the_key_that_was_compared_is_taken(tmp_path: Path) -> None:
    shown, other = new_key(), new_key()
    site = trust_of(SshConfig(), tmp_path, compared=(shown.get_fingerprint(),))
    assert (True, False) == (site.takes(shown), site.takes(other))


def test_files_that_are_not_there_are_made_for_us_alone(tmp_path: Path) -> None:
    sites = tmp_path / "site" / "known_hosts"
    site = trust_of(SshConfig(known_hosts=sites), tmp_path / "state")
    key = new_key()
    site.note(route("fd83::13", 2222), key)
    for path in (sites, tmp_path / "state" / "known_hosts"):
        assert f"[fd83::13]:2222 {public(key)}\n" == path.read_text()
        assert (0o600, 0o700) == (
            stat.S_IMODE(path.stat().st_mode),
            stat.S_IMODE(path.parent.stat().st_mode),
        )


def test_a_site_s_file_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    sites = tmp_path / "known"
    sites.touch()
    trust_of(SshConfig(known_hosts=sites), tmp_path).note(route("10.0.0.1"), new_key())
    assert "" == sites.read_text()


def test_a_last_line_without_an_end_stays_a_line_of_its_own(tmp_path: Path) -> None:
    site, first, second = trust(tmp_path), new_key(), new_key()
    site.notes.write_text(f"10.0.0.1 {public(first)}")
    site.note(route("10.0.0.2"), second)
    assert [{first.get_fingerprint()}, {second.get_fingerprint()}] == [
        fingerprints(site, route(f"10.0.0.{number}")) for number in (1, 2)
    ]


def test_notes_that_cannot_be_written(tmp_path: Path) -> None:
    site = trust(tmp_path)
    site.notes.mkdir()
    with pytest.raises(LocalFilesError, match="known_hosts"):
        site.note(route("10.0.0.1"), new_key())


def lines(*keys: asyncssh.SSHKey) -> str:
    return "".join(f"10.0.0.1 {public(key)}\n" for key in keys)


def test_an_openssh_config_names_other_files(tmp_path: Path) -> None:
    """Its UserKnownHostsFile stands for the user's, GlobalKnownHostsFile for the machine's."""
    users, systems, named, own = (new_key() for _ in range(4))
    paths = {name: tmp_path / name for name in ("users", "systems", "named", "own")}
    for path, key in zip(paths.values(), (users, systems, named, own), strict=True):
        path.write_text(lines(key))
    site = Trust(
        (paths["own"],), paths["own"], users=(paths["users"],), systems=(paths["systems"],)
    )
    host = route("10.0.0.1")
    found = [
        fingerprints(site, each)
        for each in (
            host,
            replace(host, users_known_hosts=(paths["named"],)),
            replace(host, users_known_hosts=(), systems_known_hosts=()),
        )
    ]
    assert [
        {key.get_fingerprint() for key in keys}
        for keys in ((users, systems, own), (named, systems, own), (own,))
    ] == found
