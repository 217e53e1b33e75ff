"""A host that is two entries of a config, or that two sites share."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.lab.conftest import Install
from tests.lab.outside import assert_images, host_listeners
from tests.lab.program import Program
from tests.lab.site import Site
from tests.lab.siteconfig import REGISTRY_PORT
from tests.support.archives import ImageSpec, tar_of, write_bundle

BOTH = "example.org/site/both:1"
ONLY = "example.org/site/only:1"
USER = """
useradd -m -s /bin/sh tech
echo 'tech ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/tech
"""
LOGIN = "x7-Lab-Word"


def with_password(program: Program, *arguments: str) -> None:
    """Run a command with the login's password, so that the tunnel needs a key of its own."""
    read, write = os.pipe()
    os.write(write, json.dumps({"password": LOGIN}).encode())
    os.close(write)
    try:
        program.run(*arguments, "--secrets-fd", str(read), handles=(read,))
    finally:
        os.close(read)


@pytest.mark.hosts(1)
def test_two_entries_that_are_one_machine(docker_site: Site, installation: Install) -> None:
    host = docker_site.hosts[0]
    program = installation()
    entries = [{"name": name, "address": host.address} for name in ("first", "again")]
    program.write_config(hosts=entries)
    said = program.run("check", expect=1)
    assert "E-HOST-UNFIT" in said.stdout
    assert "is the same machine as" in said.stdout
    found = program.json("report", expect=None)["targets"]
    targets = {each["name"]: each["state"] for each in found}
    assert ["done", "failed"] == sorted(targets[name] for name in ("first", "again"))


@pytest.mark.hosts(1)
def test_two_sites_share_a_host(docker_site: Site, installation: Install, tmp_path: Path) -> None:
    """Each has a port of its own; a clean-up of one leaves what the other needs."""
    host = docker_site.hosts[0]
    host.run("sh", input=USER)
    host.run("chpasswd", input=f"tech:{LOGIN}\n")
    both, only = (ImageSpec([name], [tar_of(name, b"x")]) for name in (BOTH, ONLY))
    sites = []
    for number, images in enumerate([[both], [both, only]]):
        directory = tmp_path / f"images-{number}"
        directory.mkdir()
        write_bundle(directory / "docker-imgs-small.tar", images)
        program = installation(
            imagesDir=str(directory),
            registryPort=REGISTRY_PORT + 100 * number,
            hostRegistryPort=5001 + number,
        )
        program.write_config(hosts=[{"name": host.name, "address": host.address, "user": "tech"}])
        with_password(program, "install")
        sites.append(program)
    keys = host.run("cat", "/home/tech/.ssh/authorized_keys").stdout.splitlines()
    assert 2 == len(keys)

    with_password(sites[0], "host", "clean", host.name, "--yes")
    assert keys[1:] == host.run("cat", "/home/tech/.ssh/authorized_keys").stdout.splitlines()
    assert ([], ["127.0.0.1:5002"]) == (host_listeners(host, 5001), host_listeners(host, 5002))
    ids = {BOTH: both.image_id, ONLY: only.image_id}
    assert_images(host, ids, ["localhost:5002"])
    host.run("docker", "pull", "localhost:5002/site/only:1")
    with_password(sites[1], "verify")

    with_password(sites[1], "host", "clean", host.name, "--yes")
    assert "" == host.run("docker", "images", "-q").stdout
    assert "" == host.run("sh", "-c", "cat /home/tech/.ssh/* /home/tech/.airferry* || true").stdout
    assert "docker" == host.run("ls", "/var/lib/airferry-host").stdout.strip()
