"""The tunnels by themselves: cut, evicted, opened again; kept without what was typed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from core.config import HostConfig, SshConfig
from core.hosts.ssh.connection import ConnectionPool
from core.hosts.ssh.host_keys import trust_of
from core.hosts.tunnel.keys import TUNNEL_MARK, forget_tunnel, withdraw_key
from core.hosts.tunnel.store import TunnelStore
from core.secrets import Login, Secrets
from tests.lab.conftest import Install
from tests.lab.labhost import LabHost
from tests.lab.outside import host_listeners, wait_until_closed
from tests.lab.program import Program
from tests.lab.shell import GUARD_S, until
from tests.lab.site import Site
from tests.lab.warming import begin_with
from tests.support.processes import running

LOGIN = "login-Wd82kT"
SOME_NAME = "localhost:5001/pause:3.5"
USER = """
set -eu
id tech >/dev/null 2>&1 || useradd -m -s /bin/sh tech
rm -rf /home/tech/.ssh
echo 'tech ALL=(ALL) ALL' >/etc/sudoers.d/tech
"""


def tunnel(program: Program, host: LabHost) -> dict[str, Any]:
    """Return the status of a host's tunnel."""
    tunnels = program.json("tunnels", "status", expect=None)["tunnels"]
    found: dict[str, Any] = next(t for t in tunnels if t["name"] == host.name)
    return found


def wait_until_up(program: Program, host: LabHost, after: int) -> None:
    """Wait until a tunnel has been opened again more often than so."""
    until(
        lambda: bool((now := tunnel(program, host))["up_since"]) and now["reconnects"] > after,
        "the tunnel is open again",
    )


def open_tunnels(program: Program, secrets: dict[str, str] | None = None) -> None:
    """Do everything but the images."""
    number = begin_with(program, secrets or {}, "install", "--skip-docker-img-import")
    assert "done" == program.wait(number)["state"]


@pytest.mark.hosts(2)
def test_a_cut_line(docker_site: Site, warm_installation: Install) -> None:
    program = warm_installation()
    open_tunnels(program)
    host, *others = docker_site.hosts
    host.link_down()
    try:
        until(lambda: not tunnel(program, host)["up_since"], "the cut is noticed")
        cut = tunnel(program, host)
        assert (0, "E-SSH-LOST") == (cut["reconnects"], cut["error_code"])
    finally:
        host.link_up()
    wait_until_up(program, host, after=0)
    host.run("docker", "pull", SOME_NAME)
    again = tunnel(program, host)
    assert again["last_error"], "the last error is kept"
    assert cut["last_error_at"] <= again["last_error_at"] <= again["up_since"]
    for other in others:
        assert (0, "") == ((it := tunnel(program, other))["reconnects"], it["last_error"])
    shown = program.run("tunnels", "status").stdout
    for words in ("up since", "reconnects 1", "last error", "reconnects 0"):
        assert words in shown


@pytest.mark.hosts(1)
def test_a_tunnel_outlives_a_typed_password(docker_site: Site, warm_installation: Install) -> None:
    """The login is no root's and has no key: the service has one, for this port only."""
    host = docker_site.hosts[0]
    host.run("sh", input=USER)
    host.run("chpasswd", input=f"tech:{LOGIN}\n")
    program = warm_installation()
    program.write_config(hosts=[{**program.config["hosts"][0], "user": "tech"}])
    open_tunnels(program, {"password": LOGIN})

    authorized = host.run("cat", "/home/tech/.ssh/authorized_keys").stdout.splitlines()
    assert 1 == len(authorized)
    assert authorized[0].endswith(" airferry-tunnel")
    assert (
        "tech 600" == host.run("stat", "-c", "%U %a", "/home/tech/.ssh/authorized_keys").stdout[:8]
    )

    host.reboot()
    wait_until_up(program, host, after=0)
    host.run("docker", "pull", SOME_NAME)
    program.run("tunnels", "stop")
    open_tunnels(program, {"password": LOGIN})
    assert "present" == program.step(host.name, "docker.install")["state"]
    assert authorized == host.run("cat", "/home/tech/.ssh/authorized_keys").stdout.splitlines()
    assert ["127.0.0.1:5001"] == host_listeners(host, 5001)

    asyncio.run(withdrawn(program, host))
    assert "" == host.run("sh", "-c", "cat /home/tech/.ssh/* /home/tech/.airferry* || true").stdout


async def withdrawn(program: Program, host: LabHost) -> None:
    """Take the key out again, as undoing a host does."""
    known_hosts = Path(program.config["ssh"]["knownHosts"])
    ssh = SshConfig(known_hosts=known_hosts)
    links = ConnectionPool(ssh, trust_of(ssh, program.state_dir), Secrets(Login(password=LOGIN)))
    link = links.link(HostConfig(host.name, host.address, user="tech"))
    try:
        keys = TunnelStore(program.state_dir).keys
        await withdraw_key(link, TUNNEL_MARK, keys.known(keys.tunnel))
        await forget_tunnel(link, [5001])
    finally:
        await link.close()


@pytest.mark.hosts(1)
def test_a_session_that_was_left_behind_is_evicted(
    docker_site: Site, warm_installation: Install
) -> None:
    """After some cuts the host's sshd does not know yet that its peer has gone."""
    host = docker_site.hosts[0]
    host.run("sh", input=USER)
    host.run("chpasswd", input=f"tech:{LOGIN}\n")
    program = warm_installation()
    program.write_config(hosts=[{**program.config["hosts"][0], "user": "tech"}])
    open_tunnels(program, {"password": LOGIN})
    ports = [peer.rpartition(":")[2] for peer in established(host)]
    rules = [("-p", "tcp", "-m", "multiport", "--sports", ",".join(ports), "-j", "DROP")]
    for rule in rules:
        host.run("iptables", "-A", "INPUT", *rule)
    try:
        program.run("tunnels", "stop")
        assert ["127.0.0.1:5001"] == host_listeners(host, 5001), "nobody told the host"
        open_tunnels(program, {"password": LOGIN})
    finally:
        for rule in rules:
            host.run("iptables", "-D", "INPUT", *rule)
    assert not set(ports) & {peer.rpartition(":")[2] for peer in established(host)}


def established(host: LabHost) -> list[str]:
    """Return who has a line to the host's sshd."""
    lines = host.run("ss", "-Htn", "state", "established", "sport", "=", ":22").stdout.splitlines()
    return [line.split()[3] for line in lines]


@pytest.mark.hosts(2)
def test_in_the_foreground_and_only_once(docker_site: Site, warm_installation: Install) -> None:
    program = warm_installation()
    open_tunnels(program)
    program.run("tunnels", "stop")
    for host in docker_site.hosts:
        wait_until_closed(host, 5001)
    with running(program.command("tunnels", "run")) as process:
        wait_until_up(program, docker_site.hosts[0], after=-1)
        refused = program.run("tunnels", "run", expect=1)
        assert "runs already" in refused.stderr
        assert program.json("tunnels", "status", expect=None)["service"]
        assert {"stopped": True} == program.json("tunnels", "stop")
        assert 0 == process.wait(GUARD_S)
    assert not program.json("tunnels", "status", expect=1)["service"]
    wait_until_closed(docker_site.hosts[0], 5001)
