"""Changing a running site: every mode to every other, ports, directory, hosts; nothing is lost.

Looked at from outside after each change: images by docker, listeners by ss, the registry by skopeo.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.conftest import Install
from tests.lab.labhost import LabHost
from tests.lab.network import DU_ADDRESS
from tests.lab.outside import (
    assert_images,
    du_listeners,
    expected_ids,
    host_listeners,
    image_id,
    site_name,
    wait_until_closed,
)
from tests.lab.program import Program
from tests.lab.shell import run
from tests.lab.site import Site
from tests.lab.siteconfig import REGISTRY_PORT
from tests.support.registry import fresh_registry

DU_PREFIX = "localhost:5001"
OTHER_PORT = REGISTRY_PORT + 60
NEW_BUNDLE = "extra-calico.tar"
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
        assert_images(host, expected_ids(site), seen)
        if mode == "du":
            assert host_listeners(host, 5001)
        else:
            wait_until_closed(host, 5001)
        settings = host.run("cat", DAEMON_JSON, check=False).stdout
        assert (registry.partition("/")[0] in settings) is (mode == "custom")
        assert (mode == "custom") is ("insecure-registries" in settings)
        home = host.run("sh", "-c", "ls -A /root | grep airferry-tunnel", check=False).stdout
        assert bool(home) is (mode == "du")
        if prefix:
            host.run("docker", "pull", site_name("k8s.gcr.io/pause:3.5", prefix))
    if prefix:
        served = registry if mode == "custom" else f"127.0.0.1:{REGISTRY_PORT}"
        inspect(site_name("k8s.gcr.io/pause:3.5", served))
    assert "Nothing to change" in program.run("reconfigure", "--dry-run").stdout


def program_hosts(program: Program, site: Site) -> list[LabHost]:
    names = {host["name"] for host in program.config["hosts"]}
    return [host for host in site.hosts if host.name in names]


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


@pytest.mark.hosts(2)
def test_every_mode_to_every_other(
    warm_site: Site, warm_installation: Install, site_registry: str
) -> None:
    program = warm_installation(
        privateRegistryBase=f"{site_registry}/site/images", privateRegistryInsecure=True
    )
    seen: set[str] = set()
    program.run("install")
    assert_mode(program, warm_site, "du", seen)
    host = warm_site.hosts[0]
    docker_pid = host.run("systemctl", "show", "-p", "MainPID", "docker").stdout

    planned = change_to(program, "none")
    assert ["changed", "stays", "stopped"] == sorted(planned)
    assert all("files for the cluster" in change for change in planned["changed"])
    assert_mode(program, warm_site, "none", seen)

    planned = change_to(program, "custom")
    assert {"brought", "changed"} <= set(planned)
    assert "stopped" not in planned
    assert_mode(program, warm_site, "custom", seen)

    planned = change_to(program, "du")
    assert {"started", "removed"} <= set(planned)
    assert_mode(program, warm_site, "du", seen)

    change_to(program, "custom")
    assert_mode(program, warm_site, "custom", seen)

    change_to(program, "none")
    assert_mode(program, warm_site, "none", seen)

    change_to(program, "du")
    assert_mode(program, warm_site, "du", seen)
    assert docker_pid == host.run("systemctl", "show", "-p", "MainPID", "docker").stdout


@pytest.mark.hosts(2)
def test_a_change_that_is_killed_is_completed_by_the_next(
    warm_site: Site, warm_installation: Install, site_registry: str
) -> None:
    program = warm_installation(
        privateRegistryBase=f"{site_registry}/site", privateRegistryInsecure=True
    )
    program.run("install")
    seen = {DU_PREFIX}

    # An install in another mode adds, says what is left, and ends nothing that hosts pull from.
    program.write_config(privateRegistryType="none")
    said = program.run("install").stderr
    for words in ("the registry of mode du goes on", "2 tunnels", "airferry reconfigure"):
        assert words in said
    assert du_listeners(REGISTRY_PORT)
    for host in warm_site.hosts[:2]:
        host.run("docker", "pull", site_name("k8s.gcr.io/pause:3.5"))

    program.write_config(privateRegistryType="custom")
    killed(program, "du", "bundle.import")
    for host in warm_site.hosts[:2]:
        host.run("docker", "pull", site_name("k8s.gcr.io/pause:3.5"))
    program.run("reconfigure", "--yes")
    assert_mode(program, warm_site, "custom", seen)

    program.write_config(privateRegistryType="du")
    program.run("reconfigure", "--yes")
    program.write_config(privateRegistryType="none")
    first, second = program_hosts(program, warm_site)
    second.link_down()
    try:
        killed(program, first.name, "tunnel.close", "done")
        wait_until_closed(first, 5001)
        assert du_listeners(REGISTRY_PORT)
        book = json.loads((program.state_dir / "tunnels/wanted.json").read_bytes())
        assert [second.name] == [tunnel["host"]["name"] for tunnel in book]
    finally:
        second.link_up()
    program.run("reconfigure", "--yes")
    assert_mode(program, warm_site, "none", seen)


def killed(program: Program, target: str, step: str, state: str = "running") -> None:
    """Begin the change and kill its engine as soon as a step is in a state."""
    number = program.begin("reconfigure", "--yes")
    program.wait_for_step(target, step, lambda found: found["state"] == state)
    program.kill_engine(number)


def test_ports_directory_hosts_and_bundles(
    docker_site: Site, installation: Install, tmp_path: Path
) -> None:
    first, second, third = docker_site.hosts
    images_dir = tmp_path / "imgs"
    images_dir.mkdir()
    for path in docker_site.images_dir.iterdir():
        if path.name != NEW_BUNDLE:
            (images_dir / path.name).symlink_to(path)
    program = installation(imagesDir=str(images_dir))
    every = program.config["hosts"]
    program.write_config(hosts=every[:2])
    program.run("install")
    (images_dir / NEW_BUNDLE).symlink_to(docker_site.images_dir / NEW_BUNDLE)
    old_dir = Path(program.config["registryDir"])
    disks = [Path(place) for place in ("/dev/shm", "/var/tmp")]
    disk = next(each for each in disks if each.stat().st_dev != tmp_path.stat().st_dev)
    with tempfile.TemporaryDirectory(dir=disk, prefix="airferry-lab-") as other_disk:
        new_dir = Path(other_disk) / "registry"
        program.write_config(
            hosts=[every[0], every[2]],
            registryPort=OTHER_PORT,
            hostRegistryPort=5003,
            registryDir=str(new_dir),
        )
        refused = program.run("install", expect=1)
        assert "E-REG-MOVED" in refused.stdout
        assert du_listeners(REGISTRY_PORT)
        planned = changes(program)
        assert [f"from port 5003 in place of 5001, the tunnel of ['{first.name}']"] == [
            change for change in planned["restarted"] if "tunnel" in change
        ]
        assert [f"where the registry stores: from {old_dir} to {new_dir} ['du']"] == [
            change for change in planned["changed"] if "stores" in change
        ]
        assert [f"the tunnel of ['{third.name}']"] == planned["started"]
        assert 1 == len(planned["stopped"])
        assert second.name in planned["stopped"][0]

        program.run("reconfigure", "--yes")

        assert "Nothing to change" in program.run("reconfigure", "--dry-run").stdout
        imports = [s for s in steps_of(program, "du") if s["id"].startswith("bundle.import")]
        assert ["done"] == [s["state"] for s in imports if s["id"].endswith(NEW_BUNDLE)]
        assert {"present"} == {s["state"] for s in imports if not s["id"].endswith(NEW_BUNDLE)}, (
            "nothing is sent again to a registry that was moved"
        )
        assert (False, True) == (old_dir.exists(), (new_dir / "docker").is_dir())
        assert ([], True) == (du_listeners(REGISTRY_PORT), bool(du_listeners(OTHER_PORT)))
        assert_images(third, expected_ids(docker_site), {"localhost:5003"})
        assert_images(first, expected_ids(docker_site), {"localhost:5003"})
        old_name = image_id(first, site_name("k8s.gcr.io/pause:3.5"))
        assert expected_ids(docker_site)["k8s.gcr.io/pause:3.5"] == old_name
        for host in (first, third):
            assert 1 == len(host_listeners(host, 5003))
        wait_until_closed(second, 5003)
        for host in (first, second, third):
            wait_until_closed(host, 5001)
        home = second.run("sh", "-c", "ls -A /root | grep airferry-tunnel", check=False).stdout
        assert "" == home, "nothing of the tunnel is left on the host that was removed"
        assert expected_ids(docker_site)["k8s.gcr.io/pause:3.5"] == image_id(
            second, "k8s.gcr.io/pause:3.5"
        )
        inspect(f"127.0.0.1:{OTHER_PORT}/calico/node:v3.20.0")

        program.write_config(privateRegistryType="none")
        assert program.json("reconfigure", "--dry-run", "--remove-registry")["changes"]
        program.run("reconfigure", "--yes", "--remove-registry")
        assert ([], False) == (du_listeners(OTHER_PORT), new_dir.exists())
        assert_images(first, expected_ids(docker_site), {"localhost:5003"})


def steps_of(program: Program, target: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = next(
        each["steps"] for each in program.report()["targets"] if each["name"] == target
    )
    return found


def inspect(name: str) -> dict[str, Any]:
    """Ask a registry from outside for an image."""
    raw = run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}").stdout
    found: dict[str, Any] = json.loads(raw)
    return found
