"""The DU's registry is lost with its disk and comes back from a stick; hosts notice nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.lab.conftest import Install
from tests.lab.outside import expected_ids, image_id, site_name
from tests.lab.site import Site
from tests.lab.siteconfig import REGISTRY_PORT
from tests.support.backups import seen_from_outside

ADDRESS = f"127.0.0.1:{REGISTRY_PORT}"


@pytest.mark.hosts(1)
def test_a_registry_that_is_lost_comes_back(
    warm_site: Site, warm_installation: Install, tmp_path: Path
) -> None:
    program, stick = warm_installation(), tmp_path / "stick"
    stick.mkdir()
    host = warm_site.hosts[0]
    program.run("install", "--host", host.name)
    names = [holding["name"] for holding in program.json("registry", "list")]
    assert sorted(site_name(tag, "").lstrip("/") for tag in expected_ids(warm_site)) == names
    before = seen_from_outside(ADDRESS, names)
    program.run("backup", "--outdir", str(stick))
    (backup,) = stick.glob("*.tar")

    program.run("registry", "stop")
    shutil.rmtree(program.directory / "registry")
    program.run("restore", str(backup))

    assert before == seen_from_outside(ADDRESS, names)
    tag = "k8s.gcr.io/pause:3.5"
    host.run("docker", "image", "rm", site_name(tag), tag)
    host.run("docker", "pull", site_name(tag))
    assert expected_ids(warm_site)[tag] == image_id(host, site_name(tag))
    host.run("docker", "tag", site_name(tag), tag)
    program.run("verify", "--host", host.name)
    assert "Nothing had to be done" in program.run("import").stdout
