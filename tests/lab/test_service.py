"""The DU's services where systemd runs.

The lab's DU has no systemd, its hosts have: so the module that keeps services is carried onto a
host, with this machine's Python (which hosts do not have), and used there for real.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

import core
from tests.lab.labhost import LabHost
from tests.lab.shell import until
from tests.lab.site import Site

PYTHON = Path("/usr/bin/python3")
UNIT = "/etc/systemd/system/airferry-registry.service"
PROGRAM = """
import pathlib, sys
sys.path.insert(0, "/opt/du")
from core.service import Service, under_systemd
assert under_systemd()
state = pathlib.Path("/var/lib/airferry"); state.mkdir(exist_ok=True)
service = Service("airferry-registry", "a test of services", ("/bin/sleep", "1000"), state)
getattr(service, sys.argv[1])() if sys.argv[1] != "pid" else print(service.pid())
"""


@pytest.fixture
def du(bare_site: Site, tmp_path: Path) -> LabHost:
    """A host that plays the DU, with Python and the module."""
    host = bare_site.hosts[0]
    binary = PYTHON.resolve()
    library = Path("/usr/lib") / binary.name
    archive = tmp_path / "python.tar"
    with tarfile.open(archive, "w", dereference=False) as tar:
        tar.add(binary)
        tar.add(library, filter=_without_packages)
        for module in Path(core.__file__).parent.glob("*.py"):  # no room of core, and none is used
            tar.add(module, f"opt/du/core/{module.name}")
    (tmp_path / "service_test.py").write_text(PROGRAM, encoding="utf-8")
    host.put(archive, "/opt/python.tar")
    host.put(tmp_path / "service_test.py", "/opt/service_test.py")
    host.run("tar", "-C", "/", "-xf", "/opt/python.tar")
    return host


def _without_packages(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "/test/" in entry.name or "dist-packages" in entry.name else entry


def _service(du: LabHost, action: str) -> str:
    binary = str(PYTHON.resolve())
    return du.run(binary, "/opt/service_test.py", action).stdout.strip()


@pytest.mark.hosts(1)
def test_a_unit_is_made_restarted_and_removed(du: LabHost) -> None:
    assert "None" == _service(du, "pid")
    _service(du, "start")
    first = _service(du, "pid")
    assert "sleep" == du.run("cat", f"/proc/{first}/comm").stdout.strip()
    assert "enabled" == du.run("systemctl", "is-enabled", "airferry-registry").stdout.strip()

    du.run("kill", "-9", first)
    until(lambda: _service(du, "pid") not in ("None", first), "systemd starts it again")

    du.reboot()
    until(lambda: _service(du, "pid") != "None", "it comes back after a reboot")

    _service(du, "stop")
    assert "None" == _service(du, "pid")
    assert 0 != du.run("test", "-e", UNIT, check=False).returncode
