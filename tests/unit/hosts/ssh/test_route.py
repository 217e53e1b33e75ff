"""The way to a host, by the site's config and by OpenSSH's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.config import HostConfig, SshConfig
from core.errors import SshConfigWrong
from core.hosts.ssh.route import Route, jump_host, route_to

OPENSSH = """\
Host worker
  HostName 10.0.0.9
  User tech
  Port 2222
  IdentityFile /keys/site
  ProxyJump ops@bastion:2200,inner
Host gate
  ProxyCommand nc %h %p
Match exec "touch {mark}"
  User evil
Host *
  User everyone
"""
SILENT = ()


@pytest.fixture
def ssh(tmp_path: Path) -> SshConfig:
    path = tmp_path / "config"
    path.write_text(OPENSSH.format(mark=tmp_path / "ran"))
    return SshConfig(config_file=path, said=SILENT)


def test_the_openssh_config_fills_what_the_site_leaves_open(ssh: SshConfig) -> None:
    assert Route(
        "10.0.0.9", 2222, "tech", (Path("/keys/site"),), ("ops@bastion:2200", "inner")
    ) == route_to(HostConfig("w", "worker", said=SILENT), ssh)


def test_what_the_site_says_counts_first(ssh: SshConfig) -> None:
    host = HostConfig("w", "worker", 22, "root", Path("/keys/own"), "other")
    assert Route("10.0.0.9", 22, "root", (Path("/keys/own"),), ("other",)) == route_to(host, ssh)
    assert "everyone" == route_to(HostConfig("x", "10.0.0.1", said=SILENT), ssh).user


def test_no_program_is_run(ssh: SshConfig, tmp_path: Path) -> None:
    route_to(HostConfig("w", "worker", said=SILENT), ssh)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(SshConfigWrong, match="names a ProxyCommand"):
        route_to(HostConfig("gate", "gate"), ssh)
    assert ("j",) == route_to(HostConfig("gate", "gate", jump="j"), ssh).jumps


def test_a_config_that_cannot_be_followed_is_named_with_its_line(ssh: SshConfig) -> None:
    assert ssh.config_file is not None
    ssh.config_file.write_text("Host *\n  Port many\n")
    with pytest.raises(SshConfigWrong, match="config line 2: Invalid Port integer value"):
        route_to(HostConfig("a", "b"), ssh)


def test_without_one_the_defaults_hold(tmp_path: Path) -> None:
    ssh = SshConfig(config_file=tmp_path / "none")
    assert Route("10.0.0.1", 22, "root") == route_to(HostConfig("a", "10.0.0.1"), ssh)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("bastion", ("bastion", 22, "tech", ())),
        ("ops@bastion:2200", ("bastion", 2200, "ops", ("user", "port"))),
        ("[fe80::1]:2200", ("fe80::1", 2200, "tech", ("port",))),
        ("ops@[fe80::1]", ("fe80::1", 22, "ops", ("user",))),
        ("fe80::1", ("fe80::1", 22, "tech", ())),
    ],
)
def test_jump_hosts(spec: str, expected: tuple[str, int, str, tuple[str, ...]]) -> None:
    ssh = replace(SshConfig(said=SILENT), user="tech")
    found = jump_host(spec, ssh)
    assert expected == (found.address, found.port, found.user, found.said)
    assert spec == found.name
