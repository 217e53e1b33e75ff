"""Logins other than root by key, each ending in a warmed host."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import Install
from tests.lab.labhost import LabHost
from tests.lab.network import DU_ADDRESS
from tests.lab.outside import assert_warmed, host_listeners
from tests.lab.program import Program
from tests.lab.shell import run
from tests.lab.site import Site

LOGIN, SUDO, PASSPHRASE = "login-f3Qz81", "sudo-9Kx2mB", "phrase-7Vt4pQ"
MAKE_USER = """
set -eu
id tech >/dev/null 2>&1 || useradd -m -s /bin/sh tech
install -d -m 700 -o tech /home/tech/.ssh
install -m 600 -o tech /root/.ssh/authorized_keys /home/tech/.ssh/authorized_keys
"""
SUDO_THAT_ASKS = "echo 'tech ALL=(ALL) ALL' >/etc/sudoers.d/tech"
BY_KEYBOARD_INTERACTIVE = """
set -eu
rm /home/tech/.ssh/authorized_keys
printf 'PasswordAuthentication no\\nKbdInteractiveAuthentication yes\\n' \\
    >/etc/ssh/sshd_config.d/00-test.conf
systemctl reload ssh
"""
SEARCH = """
grep -rlsF -e login-f3Qz81 -e sudo-9Kx2mB -e phrase-7Vt4pQ \\
    /etc /home /root /tmp /var /run/user --exclude-dir=docker || true
"""


def make_user(host: LabHost, *scripts: str) -> None:
    """Make the login `tech`, let in by the site's key, and run more on the host."""
    host.run("sh", input=MAKE_USER)
    for script in scripts:
        host.run("sh", input=script)


def with_password(host: LabHost, password: str) -> None:
    """Give `tech` a password."""
    host.run("chpasswd", input=f"tech:{password}\n")


@pytest.fixture
def agent(site: Site, tmp_path: Path) -> Iterator[dict[str, str]]:
    """An agent that holds the site's key; the variables by which it is found."""
    socket = tmp_path / "agent"
    said = run("ssh-agent", "-s", "-a", str(socket)).stdout
    pid = re.search(r"SSH_AGENT_PID=([0-9]+)", said)
    assert pid
    environment = {"SSH_AUTH_SOCK": str(socket), "SSH_AGENT_PID": pid[1]}
    add = ("env", f"SSH_AUTH_SOCK={socket}", "ssh-add", "-q", str(site.key_path))
    run(*add)
    yield environment
    run("env", *(f"{name}={value}" for name, value in environment.items()), "ssh-agent", "-k")


def _locked_key(host: LabHost, directory: Path) -> Path:
    """Make a key with a passphrase, and let it in."""
    key = directory / "locked"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", PASSPHRASE, "-f", str(key))
    public = (directory / "locked.pub").read_text()
    host.run("tee", "-a", "/root/.ssh/authorized_keys", input=public)
    return key


def _assert_told_nobody(program: Program, site: Site) -> None:
    """Look for the secrets wherever they could have been left."""
    for secret in (LOGIN, SUDO, PASSPHRASE):
        for path in program.directory.rglob("*"):
            if path.is_file() and path.name != "locked":
                assert secret.encode() not in path.read_bytes(), path
        assert secret not in program.run("report", "--log").stdout
    for host in site.hosts:
        assert "" == host.run("sh", input=SEARCH).stdout


def test_agent_passwords_and_passphrase_at_once(
    docker_site: Site, installation: Install, agent: dict[str, str], tmp_path: Path
) -> None:
    by_agent, by_password, by_locked_key = docker_site.hosts
    for host in (by_agent, by_password):
        make_user(host, SUDO_THAT_ASKS)
    with_password(by_agent, SUDO)
    with_password(by_password, LOGIN)
    by_password.run("sh", input=BY_KEYBOARD_INTERACTIVE)
    program = installation()
    hosts = program.config["hosts"]
    for host in hosts[:2]:
        host["user"] = "tech"
    hosts[2]["key"] = str(_locked_key(by_locked_key, tmp_path))
    del program.config["ssh"]["key"]
    program.write_config(hosts=hosts)
    secrets = json.dumps(
        {
            "sudo": SUDO,
            "passphrase": PASSPHRASE,
            "hosts": {by_password.name: {"password": LOGIN, "sudo": LOGIN}},
        }
    )
    read, write = os.pipe()
    os.write(write, secrets.encode())
    os.close(write)

    program.run("install", "--secrets-fd", str(read), environment=agent, handles=(read,))
    os.close(read)

    for host in docker_site.hosts:
        assert_warmed(docker_site, host)
        assert ["127.0.0.1:5001"] == host_listeners(host, 5001)
    _assert_told_nobody(program, docker_site)


def test_user_with_sudo_and_user_without_and_wrong_passwords(
    bare_site: Site, installation: Install
) -> None:
    with_sudo, without_sudo, wrong = bare_site.hosts
    make_user(with_sudo, "echo 'tech ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/tech")
    make_user(without_sudo)
    with_password(without_sudo, SUDO)
    make_user(wrong, SUDO_THAT_ASKS)
    with_password(wrong, LOGIN)
    program = installation()
    program.write_config(hosts=[{**host, "user": "tech"} for host in program.config["hosts"]])

    done = program.run("install", "--ask-sudo-pass", typed=f"{SUDO}\n", expect=1)

    assert_warmed(bare_site, with_sudo)
    assert ["127.0.0.1:5001"] == host_listeners(with_sudo, 5001)
    for host, words in ((without_sudo, "may not use sudo"), (wrong, "sudo refuses the password")):
        assert words in program.step(host.name, "preflight")["error"]["what"]
        assert 0 != host.run("test", "-e", "/usr/bin/docker", check=False).returncode
    assert "NOPASSWD" in done.stdout
    tried = wrong.run("sh", "-c", "journalctl -q _COMM=sudo | grep -c 'authentication failure'")
    assert "1" == tried.stdout.strip(), "a wrong password is sent once, for accounts get locked"


@pytest.mark.hosts(1)
def test_wrong_login_password(bare_site: Site, installation: Install) -> None:
    host = bare_site.hosts[0]
    make_user(host, SUDO_THAT_ASKS)
    host.run("rm", "/home/tech/.ssh/authorized_keys")
    with_password(host, LOGIN)
    program = installation()
    program.write_config(hosts=[{**program.config["hosts"][0], "user": "tech"}])

    program.run("check", "--ask-pass", typed="wrong\n", expect=1)

    error = program.step(host.name, "connect")["error"]
    assert "E-SSH-LOGIN" == error["code"]
    assert "refuses the password of tech" in error["what"]
    program.run("check", "--ask-pass", typed=f"{LOGIN}\n")


def test_behind_a_jump_host_and_by_an_openssh_config(
    docker_site: Site, installation: Install, tmp_path: Path
) -> None:
    gate, inner, alias = docker_site.hosts
    for host in (inner, alias):
        host.run(
            "iptables", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-s", DU_ADDRESS, "-j", "DROP"
        )
    make_user(alias, "echo 'tech ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/tech")
    program = installation()
    openssh = tmp_path / "ssh_config"
    openssh.write_text(
        f"Host third\n  HostName {alias.address}\n  User tech\n  ProxyJump root@{gate.address}\n"
        f"Host *\n  IdentityFile {docker_site.key_path}\n"
    )
    first, second, third = program.config["hosts"]
    del program.config["ssh"]["key"], program.config["ssh"]["user"]
    program.config["ssh"].update(config=str(openssh), connectTimeout=5)
    second["jump"] = f"root@{gate.address}"
    third["address"] = "third"
    program.write_config(hosts=[first, second, third])

    program.run("install")

    for host in docker_site.hosts:
        assert_warmed(docker_site, host)
        assert ["127.0.0.1:5001"] == host_listeners(host, 5001)

    gate.run("systemctl", "stop", "ssh.socket", "ssh.service", check=False)
    program.run("tunnels", "stop")
    report = program.json("verify", expect=1)
    for name in (inner.name, alias.name):
        target = next(target for target in report["targets"] if target["name"] == name)
        error = target["steps"][0]["error"]
        assert "E-SSH-ROUTE" == error["code"]
        assert f"behind root@{gate.address}" in error["what"]


@pytest.mark.hosts(2)
@pytest.mark.usefixtures("bare_site")
def test_keys_accepted_by_their_fingerprints(installation: Install) -> None:
    program = installation()
    del program.config["ssh"]["knownHosts"]
    hosts = program.config["hosts"][:2]
    program.write_config(hosts=hosts)
    program.run("check", expect=1)
    fingerprints = [
        re.search(r"SHA256:\S+", program.step(host["name"], "connect")["error"]["what"])
        for host in hosts
    ]
    assert fingerprints[0]
    program.config["ssh"]["hostKeys"] = [fingerprints[0][0]]
    program.write_config()

    program.run("check", expect=1)

    assert "done" == program.step(hosts[0]["name"], "preflight")["state"].replace("present", "done")
    assert "E-SSH-KEY-NEW" == program.step(hosts[1]["name"], "connect")["error"]["code"]
    assert hosts[0]["address"] in (program.state_dir / "known_hosts").read_text()
