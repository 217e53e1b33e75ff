"""Faults while hosts are being warmed.

Each time the others finish as if nothing had happened, and the one that was hurt finishes too: in
the same run where trying again can do it, else in the next one.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.lab.conftest import Install
from tests.lab.labhost import LabHost
from tests.lab.program import Program
from tests.lab.shell import run, until
from tests.lab.site import Site
from tests.lab.warming import (
    KILL_SSHD,
    Warming,
    begin_with,
    forget_images,
    lasts,
    slow_down,
    write_noise,
)
from tests.support.archives import ImageSpec

pytestmark = pytest.mark.hosts(2)

Begin = Callable[..., Warming]
KILLS = 20
LATEST_KILL_S = 10.0
HOST_KEYS = "/etc/ssh/ssh_host_ed25519_key"
OLD, NEW = "sudo-Qx71mR", "sudo-Lp93vT"
SMALL_STORE = """
set -eu
systemctl stop docker.socket docker.service
mount -t tmpfs -o size=160m,mode=711 tmpfs /var/lib/docker
systemctl start docker.service
"""
# What is being pulled takes room meanwhile, so it may not be there any more.
FILL_STORE = """
for spare in 5000 10000 20000; do
    free=$(df -Pk /var/lib/docker | sed -n '2s/^[^ ]* *[0-9]* *[0-9]* *\\([0-9]*\\).*/\\1/p')
    if fallocate -l "$((free - spare))k" /var/lib/docker/filling; then exit 0; fi
done
exit 1
"""
OTHER_HOST_KEY = f"""
set -eu
cp -p {HOST_KEYS} {HOST_KEYS}.kept && cp -p {HOST_KEYS}.pub {HOST_KEYS}.pub.kept
rm {HOST_KEYS} && ssh-keygen -q -t ed25519 -N '' -f {HOST_KEYS}
{KILL_SSHD}"""
OLD_HOST_KEY = f"""
mv {HOST_KEYS}.kept {HOST_KEYS} && mv {HOST_KEYS}.pub.kept {HOST_KEYS}.pub
systemctl restart ssh
"""
SLOW_SHUTDOWN = """
set -eu
cat >/run/systemd/system/lingering.service <<END
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/sleep 10
END
mkdir -p /etc/systemd/system/systemd-user-sessions.service.d
cat >/etc/systemd/system/systemd-user-sessions.service.d/late.conf <<END
[Service]
ExecStartPre=/bin/sleep 10
END
systemctl daemon-reload
systemctl start lingering
"""
USER = """
set -eu
id tech >/dev/null 2>&1 || useradd -m -s /bin/sh tech
install -d -m 700 -o tech /home/tech/.ssh
install -m 600 -o tech /root/.ssh/authorized_keys /home/tech/.ssh/authorized_keys
echo 'tech ALL=(ALL) ALL' >/etc/sudoers.d/tech
"""


def test_sshd_killed(warming: Begin) -> None:
    busy = warming()
    busy.hurt.run("sh", input=KILL_SSHD)
    busy.assert_healed(busy.wait())


def test_link_down_for_ten_seconds(warming: Begin) -> None:
    """Shorter than the time after which a silent line is given up: TCP may mend it by itself.

    A second engine that is begun meanwhile is refused, and disturbs nobody.
    """
    busy = warming()
    with unplugged(busy.hurt):
        lasts(10)
        second = busy.program.run("install", expect=2)
    assert f"run {busy.run}" in second.stderr, "one engine at a time"
    steps = busy.wait()
    busy.assert_others_unmoved(steps)
    busy.assert_warmed(busy.hurt)
    assert {"done"} == {busy.program.report()["state"]}


def test_link_down_for_five_minutes(warming: Begin) -> None:
    busy = warming()
    busy.lift()
    with unplugged(busy.hurt):
        lasts(300)
        busy.assert_warmed(*busy.others)
    busy.assert_healed(busy.wait())


def test_host_rebooted(warming: Begin) -> None:
    """Its shutdown takes a while, in which it still answers and lets nothing be started.

    When it boots, sshd lets only root in at first, and our login is another.
    """

    def prepare(program: Program) -> None:
        host = program.site.hosts[1]
        host.run("sh", input=USER + "echo 'tech ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/tech\n")
        host.run("sh", input=SLOW_SHUTDOWN)
        log_in_as_tech(program)

    busy = warming(prepare)
    busy.hurt.reboot()
    busy.assert_healed(busy.wait())


def test_dockerd_killed(warming: Begin) -> None:
    busy = warming()
    busy.hurt.run("sh", "-c", "kill -9 $(cat /run/docker.pid)")
    # It may be that the step asked while systemd had not started it again.
    busy.assert_healed(busy.wait(), "docker.install")


def test_registry_killed(warming: Begin) -> None:
    """The lab's DU has no systemd: whoever tries again starts it."""
    busy = warming()
    os.kill(busy.program.json("registry", "status")["pid"], signal.SIGKILL)
    steps = busy.wait()
    busy.assert_warmed()
    assert 1 == steps["du"]["bundle.import:docker-imgs-noise.tar"]["attempt"]
    for host in busy.site.hosts:
        assert [1] * 4 == [step["attempt"] for step in list(steps[host.name].values())[:4]]


def test_tunnel_service_killed(warming: Begin) -> None:
    busy = warming()
    record = json.loads((busy.program.state_dir / "airferry-tunnels.pid").read_text())
    os.kill(record["pid"], signal.SIGKILL)
    steps = busy.wait()
    busy.assert_warmed()
    assert steps["du"]["tunnels.serve"]["attempt"] <= 2
    for host in busy.site.hosts:
        assert [1] * 4 == [step["attempt"] for step in list(steps[host.name].values())[:4]]


@pytest.mark.hosts(3)
def test_engine_killed_at_random_moments(site: Site, warming: Begin) -> None:
    moments = random.Random(9)  # noqa: S311
    busy = warming()
    busy.program.kill_engine(busy.run)
    busy.lift()
    kills = 1
    while kills < KILLS:
        if _killed_within(busy.program, moments.uniform(0, LATEST_KILL_S)):
            kills += 1
        else:
            forget_images(site)  # it was done already

    busy.program.run("install")

    busy.assert_warmed()
    busy.program.run("verify")
    for host in site.hosts:
        left = "ls -d /var/tmp/airferry* /root/.airferry*.new /root/.ssh/*airferry* 2>/dev/null"
        assert "" == host.run("sh", "-c", f"{left} || true").stdout
        assert "" == host.run("sh", "-c", "docker images --quiet --filter dangling=true").stdout
    drafts = [path for path in busy.program.directory.rglob("*.new") if path.is_file()]
    assert [] == drafts


def _killed_within(program: Program, seconds: float) -> bool:
    """Begin an install and kill it after some time; False if it ended before."""
    begun = time.monotonic()
    number = program.begin("install")

    def over() -> bool:
        return bool(program.report(str(number))["state"] != "running")

    lasts(seconds - (time.monotonic() - begun), meanwhile=over)
    with suppress(ProcessLookupError):  # it has just ended
        os.kill(program.engine_pid(number), signal.SIGKILL)
    until(over, f"run {number} is over")
    return bool(program.report(str(number))["state"] == "interrupted")


def test_no_room_on_the_du(small_state: Callable[[Program], None], warming: Begin) -> None:
    busy = warming(prepare=small_state)
    filling = busy.program.state_dir / "filling"
    fill(filling)

    steps = busy.wait()

    assert "failed" == busy.program.report()["state"]
    error = steps[busy.hurt.name]["images.warm"]["error"]
    assert "E-DU-FULL" == error["code"]
    assert "Make room on this machine" in error["remedy"]
    fill(filling)
    refused = busy.program.run("install", expect=1)
    assert "E-DU-FULL" in refused.stdout + refused.stderr

    filling.unlink()
    busy.program.run("install")
    busy.assert_warmed()
    assert "present" == busy.program.step("du", "bundle.import")["state"]


def test_no_room_on_a_host(warming: Begin, small_store: LabHost) -> None:
    busy = warming()
    small_store.run("sh", input=FILL_STORE)

    steps = busy.wait()

    busy.assert_others_unmoved(steps)
    step = steps[busy.hurt.name]["images.warm"]
    assert ("failed", 1, "E-HOST-FULL") == (step["state"], step["attempt"], step["error"]["code"])
    assert "Make room on the host" in step["error"]["remedy"]

    small_store.run("rm", "/var/lib/docker/filling")
    busy.program.run("configure-hosts", "--only-failed")
    busy.assert_warmed()


def test_sudo_password_changed(warming: Begin, site: Site) -> None:
    host = site.hosts[1]
    host.run("sh", input=USER)
    host.run("chpasswd", input=f"tech:{OLD}\n")
    busy = warming(prepare=log_in_as_tech, secrets={"sudo": OLD})
    host.run("chpasswd", input=f"tech:{NEW}\n")
    host.run("sh", "-c", "kill -9 $(cat /run/docker.pid)")  # what was begun needs no password

    steps = busy.wait()

    busy.assert_others_unmoved(steps)
    failed = [step for step in steps[host.name].values() if step["state"] == "failed"]
    assert ["E-SUDO"] == [step["error"]["code"] for step in failed]
    assert "sudo refuses the password" in failed[0]["error"]["what"]

    number = begin_with(busy.program, {"sudo": NEW}, "configure-hosts", "--only-failed")
    assert "done" == busy.program.wait(number)["state"]
    busy.assert_warmed()


def test_host_key_changed(warming: Begin) -> None:
    busy = warming()
    busy.hurt.run("sh", input=OTHER_HOST_KEY)
    try:
        steps = busy.wait()
    finally:
        busy.hurt.run("sh", input=OLD_HOST_KEY)

    busy.assert_others_unmoved(steps)
    step = steps[busy.hurt.name]["images.warm"]
    assert ("failed", "E-SSH-KEY-CHANGED") == (step["state"], step["error"]["code"])
    assert "SHA256:" in step["error"]["what"]
    assert step["attempt"] <= 2, "a changed key is not tried again"

    busy.program.run("configure-hosts", "--only-failed")
    busy.assert_warmed()


@pytest.fixture
def warming(
    docker_site: Site, installation: Install, noise: list[ImageSpec], tmp_path: Path
) -> Begin:
    """Begin to warm hosts that have Docker but no images, over slow lines."""
    images_dir = write_noise(tmp_path / "noise", noise)

    def begin(
        prepare: Callable[[Program], None] = lambda _: None, secrets: dict[str, str] | None = None
    ) -> Warming:
        program = installation(imagesDir=str(images_dir))
        prepare(program)
        number = begin_with(program, secrets or {}, "install")
        busy = Warming(docker_site, program, number, noise[0].image_id)
        busy.wait_until_busy()
        return busy

    for host in docker_site.hosts:
        slow_down(host)
    return begin


@pytest.fixture
def small_state() -> Iterator[Callable[[Program], None]]:
    """Give an installation a state directory on a file system with little room."""
    mounted: list[Path] = []

    def make(program: Program) -> None:
        program.state_dir.mkdir(mode=0o700)
        run("mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", program.state_dir)
        mounted.append(program.state_dir)

    yield make
    for directory in mounted:
        run("umount", "--lazy", directory)  # its services still write there


@pytest.fixture
def small_store(docker_site: Site) -> LabHost:
    """The host to be hurt, with a store of its own: the lab's is shared by all of the machine."""
    host = docker_site.hosts[1]
    host.run("sh", input=SMALL_STORE)
    return host


def fill(path: Path) -> None:
    """Write until there is no room left."""
    with path.open("ab", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


@contextmanager
def unplugged(host: LabHost) -> Iterator[None]:
    """Pull a host's cable."""
    host.link_down()
    try:
        yield
    finally:
        host.link_up()


def log_in_as_tech(program: Program) -> None:
    """Have the host that is to be hurt entered by a user who is root through sudo only."""
    program.config["hosts"][1]["user"] = "tech"
    program.write_config()
