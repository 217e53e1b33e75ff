"""Lines that are cut again and again while hosts warm: the run ends well all the same.

Docker's classic store keeps nothing of an image whose pull was broken off, so what is kept in
between is whole images.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.lab.conftest import Install
from tests.lab.labhost import LabHost
from tests.lab.network import DU_ADDRESS
from tests.lab.outside import assert_images
from tests.lab.program import Program
from tests.lab.shell import until
from tests.lab.site import Site
from tests.lab.warming import lasts, lift, slow_down, steps_of
from tests.support.archives import ImageSpec, tar_of, write_bundle
from tests.support.oddfront import Asked, Front, Reply, odd_front
from tests.support.registry import running_registry

CUTS_S = 60
AWAY_S = 16.0
IMAGES = 4
LAYER_BYTES = 3 << 20
SAID = r"tried again in \d+ s \(since [\d:]{8}, until [\d:]{8} if it gets no further\): .+"
# Ways to cut a line, each of which a script of sh in the host does once.
SESSIONS_KILLED = """
for process in /proc/[0-9]*; do
    comm=
    read -r comm 2>/dev/null <"$process/comm"
    [ "$comm" != sshd ] || [ "${process#/proc/}" = "$sshd" ] || kill -9 "${process#/proc/}"
done
"""
RESET = """
iptables -I INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset
sleep 0.3
iptables -D INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset
"""
DROPPED = """
iptables -I INPUT -p tcp --dport 22 -j DROP
sleep 1.5
iptables -D INPUT -p tcp --dport 22 -j DROP
"""
REGISTRY_S_PORT_RESET = """
iptables -I INPUT -i lo -p tcp --dport 5001 -j REJECT --reject-with tcp-reset
sleep 0.3
iptables -D INPUT -i lo -p tcp --dport 5001 -j REJECT --reject-with tcp-reset
"""


def over_and_over(every_s: float, *cuts: str) -> str:
    """Return a script that makes cuts in turn, for a minute."""
    turns = "".join(f"sleep {every_s}\n(\n{cut}\n) 2>/dev/null\n" for cut in cuts)
    head = f"read -r sshd </run/sshd.pid\nend=$(($(date +%s) + {CUTS_S}))\n"
    return f'{head}while [ "$(date +%s)" -lt "$end" ]; do\n{turns}done\n'


@pytest.mark.hosts(3)
def test_lines_cut_for_a_minute_in_every_way(
    docker_site: Site, installation: Install, several: list[ImageSpec], images_dir: Path
) -> None:
    """Every half second and every three: the tunnel, the run's own line, or both.

    Meanwhile the tunnel service and the registry are killed.
    """
    program = installation(imagesDir=str(images_dir))
    for host in docker_site.hosts:
        slow_down(host)
    run = program.begin("install")
    until(lambda: all_warm(program, run, docker_site), "all hosts are being warmed", every_s=0.05)
    cuts = [
        over_and_over(0.5, SESSIONS_KILLED),
        over_and_over(3, RESET, REGISTRY_S_PORT_RESET, SESSIONS_KILLED),
        over_and_over(1.5, DROPPED, SESSIONS_KILLED),
    ]
    with ThreadPoolExecutor(len(cuts) + 1) as pool:
        looking = pool.submit(said_meanwhile, program, run, docker_site.hosts[0])
        made = [pool.submit(cut, *each) for each in zip(docker_site.hosts, cuts, strict=True)]
        for service in ("tunnels", "registry", "tunnels"):
            lasts(CUTS_S / 4)
            kill_service(program, service)
        for each in made:
            each.result()
    for host in docker_site.hosts:
        lift(host)

    report = program.wait(run)

    assert "done" == report["state"], report
    for host in docker_site.hosts:
        assert_images(host, ids_of(several), ["localhost:5001"])
        assert steps_of(report)[host.name]["images.verify"]["state"] in ("done", "present")
    assert any(re.fullmatch(SAID, words) for words in looking.result()), looking.result()


@pytest.mark.hosts(2)
def test_the_site_s_registry_restarted_behind_its_proxy(
    docker_site: Site,
    installation: Install,
    several: list[ImageSpec],
    images_dir: Path,
    tmp_path: Path,
) -> None:
    """From the first layer on nothing is got for a while: the proxy answers for it, or nobody."""
    away = Away()
    with (
        running_registry(tmp_path, "127.0.0.1") as registry,
        odd_front(Front(registry.address, early=away.answer), DU_ADDRESS) as front,
    ):
        program = installation(
            imagesDir=str(images_dir),
            privateRegistryType="Custom",
            privateRegistryBase=f"{front.address}/site",
            privateRegistryInsecure=True,
        )
        program.run("install")
    for host in docker_site.hosts:
        assert_images(host, ids_of(several), [f"{front.address}/site"])
        step = program.step(host.name, "images.warm")
        assert ("done", True) == (step["state"], step["attempt"] > 1)


@dataclass
class Away:
    """A proxy whose registry is restarted once hosts have begun to pull.

    (Who imports asks for no blob's bytes.)
    """

    since: float = 0.0
    answers: list[Reply] = field(
        default_factory=lambda: [
            Reply(502, (("Content-Type", "text/html"),), b"<html>Bad Gateway</html>"),
            Reply(404, (("Content-Type", "text/html"),), b"<html>Not Found</html>"),
            Reply(0, raw=b"HTTP/1.1 200 OK\r\nContent-Le"),
            Reply(503, (("Content-Type", "text/html"),), b"<html>Unavailable</html>"),
        ]
    )

    def answer(self, asked: Asked) -> Reply | None:
        """Return what is answered instead of the registry."""
        if not self.since:
            if asked.method != "GET" or "/blobs/" not in asked.path:
                return None
            self.since = time.monotonic()
        at = int((time.monotonic() - self.since) / AWAY_S * len(self.answers))
        return self.answers[at] if at < len(self.answers) else None


@pytest.fixture(scope="module")
def several() -> list[ImageSpec]:
    """A few images of incompressible layers."""
    return [
        ImageSpec(
            [f"example.org/part/noise{number}:1"],
            [
                tar_of(f"{number}/{n}", random.Random(2 * number + n).randbytes(LAYER_BYTES))  # noqa: S311
                for n in range(2)
            ],
        )
        for number in range(IMAGES)
    ]


@pytest.fixture
def images_dir(several: list[ImageSpec], tmp_path: Path) -> Path:
    """An imagesDir with their bundle."""
    directory = tmp_path / "several"
    directory.mkdir()
    write_bundle(directory / "docker-imgs-several.tar", several)
    return directory


def ids_of(images: list[ImageSpec]) -> dict[str, str]:
    """Return the images' names with their IDs."""
    return {tag: image.image_id for image in images for tag in image.tags}


def all_warm(program: Program, run: int, site: Site) -> bool:
    """Whether all hosts are at their images."""
    steps = steps_of(program.peek(run))
    return all(steps[host.name]["images.warm"]["state"] == "running" for host in site.hosts)


def cut(host: LabHost, script: str) -> None:
    """Have a host cut its lines."""
    host.run("sh", input=script)


def kill_service(program: Program, name: str) -> None:
    """Kill a service of the DU, if it runs just now."""
    with suppress(FileNotFoundError, ProcessLookupError):
        record = json.loads((program.state_dir / f"airferry-{name}.pid").read_text())
        pid = record["pid"]
        if str(program.directory) in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(pid, signal.SIGKILL)


def said_meanwhile(program: Program, run: int, host: LabHost) -> set[str]:
    """Return what is said of a host's images until the cuts have ended."""
    said: set[str] = set()

    def note() -> bool:
        said.add(steps_of(program.peek(run))[host.name]["images.warm"]["message"])
        return False

    lasts(CUTS_S, meanwhile=note)
    return said
