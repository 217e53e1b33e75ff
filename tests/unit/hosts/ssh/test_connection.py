"""What a connection to a host knows without being made."""

from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest

from core.config import HostConfig, SshConfig
from core.errors import HostSudoRefused
from core.hosts.ssh import key_files
from core.hosts.ssh.connection import ConnectionPool, HostConnection, shown
from core.hosts.ssh.host_keys import Trust
from core.hosts.ssh.sudo import Refused
from core.secrets import Login, Secrets

PHRASE = "phrase-Zk41uV"
WRONG = "Sorry, try again.\nsudo: no password was provided\nsudo: 1 incorrect password attempt\n"


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(key_files, "USERS_KEYS", ())


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(path))
    return path


def link_of(
    tmp_path: Path, key: Path | None = None, login: Login | None = None, jump: str = ""
) -> HostConnection:
    ssh = SshConfig(config_file=tmp_path / "none")
    secrets = Secrets(login or Login())
    links = ConnectionPool(ssh, Trust((), tmp_path / "known_hosts"), secrets)
    return links.link(HostConfig("a", "10.0.0.1", user="tech", key=key, jump=jump))


def test_a_plain_key_can_be_used_again(tmp_path: Path, key: Path) -> None:
    assert link_of(tmp_path, key).can_be_repeated


def test_a_key_of_the_user_s_own(
    tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not link_of(tmp_path).can_be_repeated
    monkeypatch.setattr(key_files, "USERS_KEYS", (tmp_path / "missing", key))
    assert link_of(tmp_path).can_be_repeated
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    assert not link_of(tmp_path).can_be_repeated


def test_what_was_typed_cannot_be_used_again(tmp_path: Path, key: Path) -> None:
    assert not link_of(tmp_path, key, Login(password=PHRASE)).can_be_repeated
    locked = tmp_path / "locked"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(locked), "openssh", PHRASE)
    assert not link_of(tmp_path, locked, Login(passphrase=PHRASE)).can_be_repeated


def test_the_hosts_on_the_way(tmp_path: Path) -> None:
    link = link_of(tmp_path, jump="root@gate:2222,inner")
    assert ["root@gate:2222", "inner"] == [spec for spec, _ in link.jumps]
    assert ["gate:2222", "inner:22"] == [jump.route.place for _, jump in link.jumps]
    assert [(), ("root@gate:2222",)] == [jump.route.jumps for _, jump in link.jumps]
    assert [jump for _, jump in link.jumps] == [jump for _, jump in link.jumps], "they are shared"


async def test_a_password_that_sudo_refused_is_not_sent_again(tmp_path: Path) -> None:
    link = link_of(tmp_path, login=Login(sudo=PHRASE))
    link._root = None
    refused = link._refusal(Refused(WRONG, sent=True))
    with pytest.raises(HostSudoRefused) as raised:
        await link.root_way()
    assert refused is raised.value


def test_a_script_that_may_hold_a_secret_is_not_shown() -> None:
    assert "'systemctl start docker'" == shown("systemctl start docker\n")
    assert "a script" == shown(f"new={PHRASE}\nset -eu\n")
