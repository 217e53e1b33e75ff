"""A DU with systemd: one of the hosts plays it, with the program and this machine's Python on it.

The other tests' DU is this machine, which has no systemd: there the services are processes with pid
files, here they are units that come back after a reboot.
"""

from __future__ import annotations

import re
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from core.registry.local.server import find_program
from tests.lab.labhost import LabHost
from tests.lab.outside import assert_warmed, host_listeners, wait_until_closed
from tests.lab.paths import REPOSITORY_ROOT
from tests.lab.shell import run, until
from tests.lab.site import Site

# Not where the checkout is: that may be a place which a host forgets when it is rebooted.
PLACE = "/opt/du"
AIRFERRY = (
    f"{PLACE}/venv/bin/python",
    *("-c", "import sys; from tui.entry import main; sys.exit(main())"),
)
NOT_NEEDED = re.compile(
    r"/(test|tests|idlelib|config-3[^/]*|mypy|mypyc|pip|setuptools|hypothesis)(/|$)"
    r"|__mypyc|__editable__|\.pyc$"
)
CONFIG = Path("/root/airctl-config.yaml")


def _programs() -> Iterator[tuple[Path, str]]:
    """Yield what the program is made of, and where each part goes."""
    base = Path(sys.base_prefix)
    library = base / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = [*(base / "bin").glob("python*"), *base.glob("lib/libpython3*"), *library.iterdir()]
    yield from (
        (path, str(path)) for path in python if path.name not in ("site-packages", "dist-packages")
    )
    yield Path(sys.prefix), f"{PLACE}/venv"
    for name in ("core", "tui"):
        yield REPOSITORY_ROOT / name, f"{PLACE}/app/{name}"
    yield Path(find_program()), find_program()


def _shared_libraries(paths: list[Path]) -> set[Path]:
    """Return the libraries of this machine that programs and modules are linked with."""
    modules = [m for p in paths for m in (p.rglob("*.so*") if p.is_dir() else [p]) if m.is_file()]
    needed = [str(m) for m in modules if not NOT_NEEDED.search(str(m))]
    said = run("ldd", *needed, check=False).stdout
    return {Path(name) for name in re.findall(r"=> (/(?:usr/)?lib[^ ]*)", said)}


def _pack(path: Path) -> None:
    parts = list(_programs())
    libraries = sorted(_shared_libraries([part for part, _ in parts]))
    with tarfile.open(path, "w") as tar:
        for part, place in [*parts, *((library, str(library)) for library in libraries)]:
            kept = part if part.is_dir() else part.resolve()
            tar.add(kept, place, filter=lambda e: None if NOT_NEEDED.search(e.name) else e)


@pytest.fixture
def du(docker_site: Site, tmp_path: Path) -> LabHost:
    """The first host, with all that a DU needs; the bundles and the config are copied to it."""
    host = docker_site.hosts[0]
    _pack(tmp_path / "du.tar")
    host.put(tmp_path / "du.tar", "/opt/du.tar")
    host.run("tar", "-C", "/", "--skip-old-files", "-xf", "/opt/du.tar")
    host.run("rm", "/opt/du.tar")
    packages = f"{PLACE}/venv/lib/python{sys.version_info.major}.{sys.version_info.minor}"
    host.run("sh", "-c", f"echo {PLACE}/app >{packages}/site-packages/app.pth")
    host.put(docker_site.images_dir, "/opt/imgs")
    for path in (docker_site.docker_repo, docker_site.key_path, docker_site.known_hosts_path):
        host.put(path, f"/opt/{path.name}")
    config = {
        "privateRegistryType": "du",
        "imagesDir": "/opt/imgs",
        "dockerRepo": f"/opt/{docker_site.docker_repo.name}",
        "ssh": {
            "user": "root",
            "key": f"/opt/{docker_site.key_path.name}",
            "knownHosts": f"/opt/{docker_site.known_hosts_path.name}",
        },
        "hosts": [{"name": h.name, "address": h.address} for h in docker_site.hosts[1:2]],
    }
    (tmp_path / CONFIG.name).write_text(yaml.safe_dump(config), encoding="utf-8")
    host.put(tmp_path / CONFIG.name, str(CONFIG))
    return host


@pytest.mark.hosts(2)
def test_tunnels_and_registry_come_back_after_a_reboot_of_the_du(
    docker_site: Site, du: LabHost
) -> None:
    worker = docker_site.hosts[1]
    du.run(*AIRFERRY, "install", "--config", str(CONFIG))
    assert_warmed(docker_site, worker)
    for unit in ("airferry-registry", "airferry-tunnels"):
        assert "enabled" == du.run("systemctl", "is-enabled", unit).stdout.strip()

    du.reboot()

    name = "localhost:5001/pause:3.5"
    worker.run("docker", "image", "rm", name)
    until(
        lambda: worker.run("docker", "pull", name, check=False).returncode == 0,
        "the worker reaches the registry again",
    )
    status = du.run(*AIRFERRY, "tunnels", "status", "--config", str(CONFIG)).stdout
    assert f"= {worker.name}" in status
    assert ["127.0.0.1:5001"] == host_listeners(worker, 5001)

    du.run("systemctl", "kill", "--signal=KILL", "airferry-tunnels")
    worker.run("docker", "image", "rm", name)
    until(
        lambda: worker.run("docker", "pull", name, check=False).returncode == 0,
        "systemd has started the service of tunnels again",
    )
    refuse_another_site(du)
    leave_mode_du(du)
    wait_until_closed(worker, 5001)
    for unit in ("airferry-registry", "airferry-tunnels"):
        assert 0 != du.run("systemctl", "is-enabled", unit, check=False).returncode
    assert_warmed(docker_site, worker)


def refuse_another_site(du: LabHost) -> None:
    """The units of this machine are one site's: another stateDir does not take them over."""
    pid = du.run("systemctl", "show", "-p", "MainPID", "airferry-registry").stdout
    other = "/root/other.yaml"
    du.run("sh", "-c", f"{{ cat {CONFIG}; echo 'stateDir: /opt/other'; }} >{other}")
    refused = du.run(*AIRFERRY, "install", "--config", other, check=False)
    assert "the services of another site (stateDir is now /opt/other)" in refused.stdout
    assert pid == du.run("systemctl", "show", "-p", "MainPID", "airferry-registry").stdout


def leave_mode_du(du: LabHost) -> None:
    """Units that come back after a reboot are gone with the mode that needed them."""
    du.run("sed", "-i", "s/privateRegistryType: du/privateRegistryType: none/", str(CONFIG))
    shown = du.run(*AIRFERRY, "reconfigure", "--dry-run", "--config", str(CONFIG)).stdout
    for words in ("stopped", "the tunnel service", "the registry at 127.0.0.1:5100", "stays"):
        assert words in shown
    du.run(*AIRFERRY, "reconfigure", "--yes", "--config", str(CONFIG))
