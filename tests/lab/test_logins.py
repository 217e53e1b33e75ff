"""Logins other than root by key."""

from __future__ import annotations

from tests.lab.conftest import Install
from tests.lab.labhost import LabHost
from tests.lab.outside import assert_warmed, host_listeners
from tests.lab.site import Site

MAKE_USER = """
set -eu
id tech >/dev/null 2>&1 || useradd -m -s /bin/sh tech
install -d -m 700 -o tech /home/tech/.ssh
install -m 600 -o tech /root/.ssh/authorized_keys /home/tech/.ssh/authorized_keys
"""


def _make_user(host: LabHost, *, sudo: bool) -> None:
    host.run("sh", input=MAKE_USER)
    if sudo:
        host.run("sh", input="echo 'tech ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/tech")


def test_user_with_sudo_and_user_without(fresh_site: Site, installation: Install) -> None:
    with_sudo, without_sudo = fresh_site.hosts[:2]
    _make_user(with_sudo, sudo=True)
    _make_user(without_sudo, sudo=False)
    program = installation()
    hosts = program.config["hosts"][:2]
    program.write_config(hosts=[{**host, "user": "tech"} for host in hosts])

    done = program.run("install", expect=1)

    assert_warmed(fresh_site, with_sudo)
    assert ["127.0.0.1:5001"] == host_listeners(with_sudo, 5001)
    assert "worker-02 the login is not root and has no sudo" in done.stdout
    assert "NOPASSWD" in done.stdout
    step = program.step("worker-02", "preflight")
    assert "E-HOST-UNFIT" == step["error"]["code"]
    assert 0 != without_sudo.run("test", "-e", "/usr/bin/docker", check=False).returncode
