"""Modes none and custom, as far as the first version carries them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import Install
from tests.lab.network import DU_ADDRESS
from tests.lab.outside import (
    assert_warmed,
    du_listeners,
    expected_ids,
    host_listeners,
    image_id,
    site_name,
)
from tests.lab.shell import run
from tests.lab.site import Site
from tests.support.registry import fresh_registry


@pytest.fixture
def site_registry(tmp_path: Path) -> Iterator[str]:
    """A registry that the site has already, reachable from the hosts."""
    with fresh_registry(tmp_path, DU_ADDRESS) as address:
        yield address


def test_none_leaves_images_and_nothing_that_listens(
    fresh_site: Site, installation: Install
) -> None:
    program = installation(privateRegistryType="None")
    program.run("install")
    for host in fresh_site.hosts:
        assert_warmed(fresh_site, host, registry_names=False)
        assert "" == image_id(host, "localhost:5001/pause:3.5")
        assert not host_listeners(host, 5001)
    assert not du_listeners(5100)
    assert "Nothing had to be done" in program.run("install").stdout
    program.run("verify")


def test_none_has_nothing_to_import_into(installation: Install) -> None:
    done = installation(privateRegistryType="none").run("import", expect=2)
    assert "mode none" in done.stderr


def test_custom_over_plain_http(
    fresh_site: Site, installation: Install, site_registry: str
) -> None:
    base = f"{site_registry}/site/images"
    program = installation(
        privateRegistryType="Custom", privateRegistryBase=base, privateRegistryInsecure=True
    )
    host = fresh_site.hosts[0]
    host.run("mkdir", "-p", "/etc/docker")
    host.run("sh", "-c", "cat >/etc/docker/daemon.json", input='{"log-driver": "json-file"}')

    program.run("install")

    for warmed in fresh_site.hosts:
        for tag, expected in expected_ids(fresh_site).items():
            assert expected == image_id(warmed, tag)
            assert expected == image_id(warmed, site_name(tag, base))
        assert not host_listeners(warmed, 5001)
    settings = json.loads(host.run("cat", "/etc/docker/daemon.json").stdout)
    assert "json-file" == settings["log-driver"], "what was there is kept"
    assert site_registry in settings["insecure-registries"]
    kept = json.loads(host.run("cat", "/etc/docker/daemon.json.airferry-orig").stdout)
    assert {"log-driver": "json-file"} == kept
    assert "Nothing had to be done" in program.run("install").stdout


def test_import_alone_into_any_registry(
    site: Site, installation: Install, site_registry: str
) -> None:
    program = installation(
        privateRegistryType="custom",
        privateRegistryBase=site_registry,
        privateRegistryInsecure=True,
        hosts=[],
        imagesDir=str(site.directory / "not-there"),
    )
    bundle = site.images_dir / "extra-calico.tar"
    program.run("import", str(bundle))
    for image in site.expected[bundle.name]:
        for tag in image["tags"]:
            raw = run(
                "skopeo",
                "inspect",
                "--raw",
                "--tls-verify=false",
                f"docker://{site_name(tag, site_registry)}",
            ).stdout
            manifest = json.loads(raw)
            assert image["id"] == manifest["config"]["digest"]
            assert len(image["diff_ids"]) == len(manifest["layers"])
    assert "Nothing had to be done" in program.run("import", str(bundle)).stdout
