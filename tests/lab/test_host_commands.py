"""`airferry host facts|check|clean`, and what preflight finds, on real hosts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lab.conftest import Install
from tests.lab.network import DU_ADDRESS
from tests.lab.outside import assert_warmed, expected_ids, host_listeners, image_id, site_name
from tests.lab.shell import until
from tests.lab.site import Site
from tests.support.registry import fresh_registry

DAEMON_JSON = "/etc/docker/daemon.json"
OURS = (
    "find /var/lib/airferry-host -type f ! -name docker 2>/dev/null; "  # docker: for --docker
    "ls -d /root/.airferry-* /etc/docker/*.airferry-* /var/tmp/airferry-* "
    "2>/dev/null; grep -ls 'airferry-[tj]' /root/.ssh/authorized_keys; true"
)
FORBID_FORWARDING = "echo 'AllowTcpForwarding no' >/etc/ssh/sshd_config.d/00-test.conf"
# Planted: empty packages of the vendor's names, which is what a host is asked for.
VENDOR_PACKAGES = """
set -eu
for package in pf9-kube=5.1.0 pf9-hostagent=5.1.4-1230.ab12cd; do
    rm -rf /tmp/p
    mkdir -p /tmp/p/DEBIAN
    cat >/tmp/p/DEBIAN/control <<END
Package: ${package%=*}
Version: ${package#*=}
Architecture: all
Maintainer: a
Description: a
END
    dpkg-deb -b /tmp/p /tmp/p.deb >/dev/null
    dpkg -i /tmp/p.deb >/dev/null
done
"""


@pytest.mark.hosts(2)
def test_facts_of_hosts(bare_site: Site, installation: Install) -> None:
    program = installation()
    first, second = bare_site.hosts
    program.run("install", "--host", first.name, "--skip-docker-img-import")

    found = {
        entry["name"]: entry for entry in program.json("host", "facts", first.name, second.address)
    }

    assert {first.name, second.name} == set(found)
    with_docker, without = (found[host.name]["facts"] for host in (first, second))
    assert with_docker["Docker"].startswith("20.10.24")
    assert "classic store" in with_docker["Docker"]
    assert "not installed" == without["Docker"]
    for facts in (with_docker, without):
        assert "Debian GNU/Linux 12" in facts["system"]
        assert "yes" == facts["sshd forwarding"]
        assert "logs in as root" == facts["root"]
        assert "systemd" == facts["init"]
    assert "taken by sshd" == with_docker["registry port"]
    assert "free" == without["registry port"]
    shown = program.run("host", "facts", second.name).stdout
    assert "kernel" in shown
    assert "not-there" in program.run("host", "facts", "not-there", expect=2).stderr


@pytest.mark.hosts(2)
def test_everything_that_would_stop_the_job_is_found_at_once(
    bare_site: Site, installation: Install
) -> None:
    program = installation()
    host = bare_site.hosts[0]
    host.run("sh", "-c", FORBID_FORWARDING)
    host.run("systemctl", "reload", "ssh")
    host.run("sh", input=VENDOR_PACKAGES)
    host.run("sh", "-c", "mount -t tmpfs -o size=30m none /var/tmp")
    host.run("sh", "-c", "mount -t tmpfs -o size=30m none /var/lib/docker")
    host.run("sh", "-c", "mkdir -p /opt/pf9/nodelet /run/sshd; /usr/sbin/sshd -p 5001")

    done = program.run("plan", "--host", host.name, expect=1)

    error = program.json("report", "1")["targets"][1]["steps"][1]["error"]
    assert "E-HOST-UNFIT" == error["code"]
    for words in (
        "port 5001 taken by sshd",
        "AllowTcpForwarding no",
        "pf9-kube 5.1.0; a registry needs release 5.2 or later",
        "pf9-hostagent 5.1.4-1230.ab12cd; a registry needs release 5.2 or later",
        "free in /var/tmp",
        "free where Docker stores images",
    ):
        assert words in error["what"], error["what"]
    for words in ("AllowTcpForwarding yes", "mode none", "/var/tmp"):
        assert words in error["remedy"], error["remedy"]
    assert "E-HOST-UNFIT" in done.stdout
    assert "node agent (nodelet)" in program.run("report", "1", "--log").stdout
    program.run("install", "--host", host.name, expect=1)
    assert 0 != host.run("test", "-e", "/usr/bin/docker", check=False).returncode
    assert "preflight" not in program.run("host", "check", bare_site.hosts[1].name).stderr


@pytest.mark.hosts(2)
def test_clean_takes_away_what_was_brought_and_no_more(
    warm_site: Site, warm_installation: Install
) -> None:
    program = warm_installation()
    host, other = warm_site.hosts
    program.run("install")
    tag = "k8s.gcr.io/pause:3.5"
    host.run("docker", "tag", tag, "my/own:1")
    host.run("docker", "image", "rm", "busybox:1.35")
    refused = program.run("host", "clean", host.name, expect=2)
    assert "--yes" in refused.stderr
    assert image_id(host, tag)

    program.run("host", "clean", host.name, "--yes")

    for name in expected_ids(warm_site):
        assert "" == image_id(host, name)
        assert "" == image_id(host, site_name(name))
    assert image_id(host, "my/own:1"), "what others named stays"
    until(lambda: not host_listeners(host, 5001), "the tunnel is closed")
    assert "active" == host.run("systemctl", "is-active", "docker").stdout.strip()
    assert "" == host.run("sh", "-c", OURS).stdout
    assert ["127.0.0.1:5001"] == host_listeners(other, 5001)
    again = program.run("host", "clean", host.name, "--yes").stdout
    assert "Nothing had to be done" in again
    program.run("configure-hosts", "--host", host.name)
    assert expected_ids(warm_site)[tag] == image_id(host, tag)


@pytest.mark.hosts(2)
def test_clean_puts_settings_back(docker_site: Site, installation: Install, tmp_path: Path) -> None:
    """Mode custom without TLS writes daemon.json: the old one is there afterwards."""
    host, without_file = docker_site.hosts
    old = {"log-driver": "json-file", "insecure-registries": ["10.1.2.3:5000"]}
    host.run("mkdir", "-p", "/etc/docker")
    host.run("sh", "-c", f"cat >{DAEMON_JSON}", input=json.dumps(old))
    with fresh_registry(tmp_path, DU_ADDRESS) as base:
        program = installation(
            privateRegistryType="custom", privateRegistryBase=base, privateRegistryInsecure=True
        )
        # It is empty: the hosts' settings are written all the same, their images are not there.
        program.run("configure-hosts", expect=1)
    written = json.loads(host.run("cat", DAEMON_JSON).stdout)
    assert base in written["insecure-registries"]

    program.run("host", "clean", host.name, without_file.name, "--yes")

    assert old == json.loads(host.run("cat", DAEMON_JSON).stdout)
    assert 0 != without_file.run("test", "-e", DAEMON_JSON, check=False).returncode
    for cleaned in (host, without_file):
        assert "" == cleaned.run("sh", "-c", OURS).stdout
        info = json.loads(cleaned.run("docker", "info", "--format", "{{json .}}").stdout)
        assert base not in info["RegistryConfig"]["IndexConfigs"]


@pytest.mark.hosts(2)
def test_clean_takes_docker_away_where_it_came_with_us(
    bare_site: Site, installation: Install
) -> None:
    program = installation()
    host, own = bare_site.hosts
    packages = "dpkg-query -W -f '${Package} ${db:Status-Status}\\n'"
    before = host.run("sh", "-c", packages).stdout
    names = [host.name, own.name]
    program.run("install", "--host", host.name, "--host", own.name)
    own.run("rm", "/var/lib/airferry-host/docker")  # as if it had been there before

    program.run("host", "clean", *names, "--docker", "--yes")

    assert before == host.run("sh", "-c", packages).stdout
    assert "" == host.run("sh", "-c", OURS).stdout
    assert 0 != host.run("test", "-e", "/var/lib/airferry-host", check=False).returncode
    assert "active" == own.run("systemctl", "is-active", "docker").stdout.strip()
    program.run("install", "--host", host.name)
    assert_warmed(bare_site, host)
