"""A run that is caught while it warms hosts, so that something can be done to it."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.labhost import LabHost
from tests.lab.outside import image_id, site_name
from tests.lab.program import Program
from tests.lab.shell import GUARD_S, until
from tests.lab.site import Site
from tests.support.archives import ImageSpec, tar_of, write_bundle

LAYERS = 8
LAYER_BYTES = 8 << 20
TAG = "example.org/big/noise:1"
REMOVE_IMAGES = "docker images --quiet | xargs -r docker rmi --force >/dev/null"
# Bytes a second that come in through a slow line: enough for everything but images.
SLOW_BYTES_S = 1 << 20
KILL_SSHD = """
for process in /proc/[0-9]*; do
    case $(cat "$process/comm" 2>/dev/null) in sshd*) kill -9 "${process#/proc/}" ;; esac
done
"""
# Once complete, they are never done again; a tunnel may have to be.
LASTING = ("connect", "preflight", "docker.install", "docker.configure")


def noise_images() -> list[ImageSpec]:
    """Return an image of incompressible layers: warming it takes a while."""
    layers = [
        tar_of(f"noise/{n}", random.Random(n).randbytes(LAYER_BYTES))  # noqa: S311
        for n in range(LAYERS)
    ]
    return [ImageSpec([TAG], layers)]


def write_noise(directory: Path, images: list[ImageSpec]) -> Path:
    """Make an imagesDir with that image's bundle."""
    directory.mkdir()
    write_bundle(directory / "docker-imgs-noise.tar", images)
    return directory


@dataclass
class Warming:
    """A run that is warming the site's hosts.

    Args:
        site: The site.
        program: The installation.
        run: The run's number.
        expected_id: The ID of the image that each host is to get.
    """

    site: Site
    program: Program
    run: int
    expected_id: str

    @property
    def hurt(self) -> LabHost:
        """The host to which things are done."""
        return self.site.hosts[1]

    @property
    def others(self) -> list[LabHost]:
        """The hosts that must not even notice."""
        return [host for host in self.site.hosts if host is not self.hurt]

    def wait_until_busy(self) -> None:
        """Wait until every host is at it, and the one to be hurt has got a whole layer."""

        def busy() -> bool:
            steps = steps_of(self.program.peek(self.run))
            warming = [steps[host.name]["images.warm"] for host in self.site.hosts]
            states = {step["state"] for step in warming}
            assert states <= {"waiting", "running"}, "the images are too small to be caught"
            least = min(int(step["bytes"]) for step in warming)
            return least > 0 and int(warming[1]["bytes"]) > LAYER_BYTES

        until(busy, "all hosts are being warmed", every_s=0.05)

    def lift(self) -> None:
        """Make the lines fast: what was to be met while it went on has been met."""
        for host in self.site.hosts:
            lift(host)

    def wait(self) -> dict[str, Any]:
        """Wait for the end of the run; return the steps of each target by their ids."""
        self.lift()
        return steps_of(self.program.wait(self.run))

    def assert_warmed(self, *hosts: LabHost) -> None:
        """Ask the hosts' engines, not Airferry."""
        for host in hosts or self.site.hosts:
            for name in (TAG, site_name(TAG)):
                assert self.expected_id == image_id(host, name), f"{host.name}: {name}"

    def assert_others_unmoved(self, steps: dict[str, Any]) -> None:
        """The other hosts finished, and did nothing twice."""
        self.assert_warmed(*self.others)
        for host in self.others:
            for name, step in steps[host.name].items():
                assert step["state"] in ("done", "present"), (host.name, name, step)
                assert 1 == step["attempt"], (host.name, name, step)

    def assert_healed(self, steps: dict[str, Any], *again: str) -> None:
        """All finished in the same run; only what the fault undid was done again.

        Args:
            steps: The run's steps.
            again: The lasting steps that the fault undid.
        """
        self.assert_others_unmoved(steps)
        for name, step in steps[self.hurt.name].items():
            assert step["state"] in ("done", "present"), (name, step)
            if name in LASTING and name not in again:
                assert 1 == step["attempt"], (name, step)
        assert steps[self.hurt.name]["images.warm"]["attempt"] > 1, "the fault was not noticed"
        self.assert_warmed(self.hurt)


def slow_down(host: LabHost, bytes_s: int = SLOW_BYTES_S) -> None:
    """Let only so much come in through a host's sshd, until the line is lifted.

    Args:
        host: The host.
        bytes_s: Bytes a second.
    """
    match = ("-p", "tcp", "--dport", "22", "-m", "hashlimit", "--hashlimit-name", "slow")
    limit = ("--hashlimit-above", f"{bytes_s}b/s", "--hashlimit-burst", f"{2 * bytes_s}b")
    host.run("iptables", "-A", "INPUT", *match, *limit, "-j", "DROP")


def lift(host: LabHost) -> None:
    """Make a line fast again."""
    host.run("iptables", "--flush", "INPUT")


def steps_of(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report's steps by target and by id."""
    return {
        target["name"]: {step["id"]: step for step in target["steps"]}
        for target in report["targets"]
    }


def begin_with(program: Program, secrets: dict[str, str], *arguments: str) -> int:
    """Start a job with what was typed to log in, and return the number of its run at once."""
    if not secrets:
        return program.begin(*arguments)
    read, write = os.pipe()
    os.write(write, json.dumps(secrets).encode())
    os.close(write)
    try:
        options = ("--detach", "--json", "--secrets-fd", str(read))
        done = program.run(*arguments, *options, handles=(read,))
    finally:
        os.close(read)
    return int(json.loads(done.stdout)["run"])


def forget_images(site: Site) -> None:
    """Empty the caches of all hosts."""
    for host in site.hosts:
        host.run("sh", "-c", REMOVE_IMAGES)


def lasts(seconds: float, meanwhile: Callable[[], bool] = lambda: False) -> None:
    """Let a fault last for so long, or until something happens."""
    end = time.monotonic() + seconds
    until(
        lambda: meanwhile() or time.monotonic() >= end,
        "the end of a fault",
        timeout_s=seconds + GUARD_S,
    )
