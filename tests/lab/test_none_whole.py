"""Mode none, whole: what it leaves is images and nothing else, and they need nobody afterwards.

The management host is switched off as seen from the host: nothing of Airferry's runs here any
more, and the host has no network at all while it boots and runs an image.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.lab.conftest import Install
from tests.lab.fleet import NETWORK
from tests.lab.labhost import LabHost
from tests.lab.outside import assert_warmed, du_listeners
from tests.lab.program import Program
from tests.lab.shell import until
from tests.lab.site import Site
from tests.lab.siteconfig import REGISTRY_PORT

# Everything by which Airferry is known on a host, but its notes of what it brought: those are
# what `host clean` goes by.
LEFTOVERS = r"""
ls -d /root/.airferry-* /etc/docker/*airferry* /etc/docker/certs.d /tmp/airferry-* \
    /var/tmp/airferry-* /etc/systemd/system/*airferry* /opt/airferry 2>/dev/null
grep -s 'airferry-[tj]' /root/.ssh/authorized_keys
grep -lsa 'airferr[y]' /proc/[0-9]*/cmdline
find /var/lib/airferry-host -type f ! -name images ! -name docker
docker images --format '{{.Repository}}' | grep '^localhost:'
true
"""
LISTENERS = 'ss -ltnp | sed -n \'s/.*users:(("\\([^"]*\\)".*/\\1/p\' | sort -u'
# As is usual in containers, the lab's hosts mount control groups read-only.
RUN = """
mount -o remount,rw /sys/fs/cgroup
docker run --rm --network none --pull never busybox:1.35 echo runs without anybody
"""
# containerd itself listens on loopback: for exec and attach of pods.
LISTENING = {"sshd", "systemd", "containerd"}


def ours_here(program: Program) -> set[str]:
    """Return the processes of this machine that are about an installation.

    They name its directory in their command line, or hold a file in it open.
    """
    mark, found = str(program.directory), set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            held = [str(handle.readlink()) for handle in (process / "fd").iterdir()]
            if int(process.name) != os.getpid() and any(mark in text for text in (words, *held)):
                found.add(words)
    return found


@contextmanager
def alone(host: LabHost) -> Iterator[None]:
    """Take the host's network away, and reboot it: nobody can help it."""
    host.engine.cli("network", "disconnect", NETWORK, host.container_id)
    try:
        host.reboot(wait=False)
        until(host.booted, f"{host.name} has booted")
        yield
    finally:
        host.engine.cli("network", "connect", "--ip", host.address, NETWORK, host.container_id)
    host.wait_ready()


@pytest.mark.hosts(1)
@pytest.mark.parametrize("warm", ["pull", "load"])
def test_images_and_nothing_else(bare_site: Site, installation: Install, warm: str) -> None:
    host = bare_site.hosts[0]
    program = installation(privateRegistryType="None", warm=warm)
    assert 0 != host.run("test", "-e", "/usr/bin/docker", check=False).returncode
    program.run("install", "--host", host.name)

    # The engine ends a moment after its run.
    until(lambda: not ours_here(program), "nothing of Airferry's runs here")
    assert [] == du_listeners(REGISTRY_PORT)
    assert "" == host.run("sh", input=LEFTOVERS).stdout
    assert LISTENING >= set(host.run("sh", "-c", LISTENERS).stdout.split())
    assert_warmed(bare_site, host, registry_names=False)
    with alone(host):
        assert "" == host.run("ip", "-4", "route", "show", "default").stdout
        assert_warmed(bare_site, host, registry_names=False)
        assert "runs without anybody\n" == host.run("sh", input=RUN).stdout
        assert "" == host.run("sh", input=LEFTOVERS).stdout
    assert "Nothing had to be done" in program.run("install", "--host", host.name).stdout
    program.run("verify", "--host", host.name)
    readme = (program.state_dir / "cluster" / "README.txt").read_text(encoding="utf-8")
    assert "imagePullPolicy: IfNotPresent" in readme
