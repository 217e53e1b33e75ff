"""Changing a running site: every mode to every other, ports, directory, hosts; nothing is lost.

Looked at from outside after each change: images by docker, listeners by ss, the registry by skopeo.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import Install
from tests.lab.labhost import LabHost
from tests.lab.network import DU_ADDRESS
from tests.lab.outside import (
    du_listeners,
    expected_ids,
    host_listeners,
    site_name,
)
from tests.lab.program import Program
from tests.lab.site import Site
from tests.lab.siteconfig import REGISTRY_PORT
from tests.support.registry import fresh_registry

DU_PREFIX = "localhost:5001"
OTHER_PORT = REGISTRY_PORT + 60
DAEMON_JSON = "/etc/docker/daemon.json"


@pytest.fixture
def site_registry(tmp_path: Path) -> Iterator[str]:
    """A registry that the site has already, reachable from the hosts."""
    with fresh_registry(tmp_path, DU_ADDRESS) as address:
        yield address


def assert_mode(program: Program, site: Site, mode: str, seen: set[str]) -> None:
    """Check from outside that a site is all of one mode, and nothing of another.

    Args:
        program: The installation.
        site: The lab.
        mode: What the site is to be.
        seen: The prefixes under which hosts have had images; they keep those names.
    """
    registry = str(program.config.get("privateRegistryBase", ""))
    prefix = {"du": DU_PREFIX, "custom": registry, "none": ""}[mode]
    seen |= {prefix} - {""}
    assert bool(du_listeners(REGISTRY_PORT)) is (mode == "du")
    for host in program_hosts(program, site):
        assert_images(site, host, seen)
        assert bool(host_listeners(host, 5001)) is (mode == "du")
        settings = host.run("cat", DAEMON_JSON, check=False).stdout
        assert (registry.partition("/")[0] in settings) is (mode == "custom")
        assert (mode == "custom") is ("insecure-registries" in settings)
        home = host.run("sh", "-c", "ls -A /root | grep airferry-tunnel", check=False).stdout
        assert bool(home) is (mode == "du")
        if mode == "custom":
            host.run("docker", "pull", site_name("k8s.gcr.io/pause:3.5", prefix))
        if mode == "du":
            host.run("docker", "pull", site_name("k8s.gcr.io/pause:3.5", DU_PREFIX))
    assert "Nothing to change" in program.run("reconfigure", "--dry-run").stdout


def program_hosts(program: Program, site: Site) -> list[LabHost]:
    names = {host["name"] for host in program.config["hosts"]}
    return [host for host in site.hosts if host.name in names]


def assert_images(site: Site, host: LabHost, prefixes: set[str]) -> None:
    names = {
        name: expected
        for tag, expected in expected_ids(site).items()
        for name in (tag, *(site_name(tag, prefix) for prefix in prefixes))
    }
    done = host.run("docker", "image", "inspect", "--format", "{{.Id}}", *names)
    assert list(names.values()) == done.stdout.split()


def changes(program: Program, *arguments: str) -> dict[str, list[str]]:
    """Return what the plan says, by what becomes of it."""
    found: dict[str, list[str]] = {}
    for change in program.json("reconfigure", "--dry-run", *arguments)["changes"]:
        found.setdefault(change["change"], []).append(f"{change['what']} {change['targets']}")
    return found


def change_to(program: Program, mode: str) -> dict[str, list[str]]:
    """Change the mode and return what the plan said before."""
    program.write_config(privateRegistryType=mode)
    planned = changes(program)
    program.run("reconfigure", "--yes")
    return planned


def test_every_mode_to_every_other(
    docker_site: Site, installation: Install, site_registry: str
) -> None:
    program = installation(
        privateRegistryBase=f"{site_registry}/site/images", privateRegistryInsecure=True
    )
    program.write_config(hosts=program.config["hosts"][:2])
    seen: set[str] = set()
    program.run("install")
    assert_mode(program, docker_site, "du", seen)
    host = docker_site.hosts[0]
    docker_pid = host.run("systemctl", "show", "-p", "MainPID", "docker").stdout

    planned = change_to(program, "none")
    assert ["stays", "stopped"] == sorted(planned)
    assert_mode(program, docker_site, "none", seen)

    planned = change_to(program, "custom")
    assert {"brought", "changed"} <= set(planned)
    assert "stopped" not in planned
    assert_mode(program, docker_site, "custom", seen)

    planned = change_to(program, "du")
    assert {"started", "removed"} <= set(planned)
    assert_mode(program, docker_site, "du", seen)

    change_to(program, "custom")
    assert_mode(program, docker_site, "custom", seen)

    change_to(program, "none")
    assert_mode(program, docker_site, "none", seen)

    change_to(program, "du")
    assert_mode(program, docker_site, "du", seen)
    assert docker_pid == host.run("systemctl", "show", "-p", "MainPID", "docker").stdout
