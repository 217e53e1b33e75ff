"""Modes none and custom, and the two ways in which hosts get images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import Install
from tests.lab.network import DU_ADDRESS
from tests.lab.outside import (
    assert_images,
    assert_warmed,
    du_listeners,
    expected_ids,
    host_listeners,
    image_id,
    site_name,
)
from tests.lab.shell import run
from tests.lab.site import Site
from tests.lab.siteconfig import REGISTRY_PORT
from tests.support.registry import fresh_registry


@pytest.fixture
def site_registry(tmp_path: Path) -> Iterator[str]:
    """A registry that the site has already, reachable from the hosts."""
    with fresh_registry(tmp_path, DU_ADDRESS) as address:
        yield address


@pytest.mark.hosts(2)
def test_none_by_load_sends_only_what_lacks(docker_site: Site, installation: Install) -> None:
    program = installation(privateRegistryType="none", warm="load")
    program.run("install")
    first = program.step("worker-01", "images.warm")["bytes"]
    tar_bytes = sum(path.stat().st_size for path in docker_site.images_dir.glob("*.tar*"))
    assert 0 < first < tar_bytes
    for host in docker_site.hosts:
        assert_warmed(docker_site, host, registry_names=False)
        assert not host_listeners(host, 5001)
    assert not du_listeners(REGISTRY_PORT)
    tag = "quay.io/calico/node:v3.20.0"
    docker_site.hosts[0].run("docker", "image", "rm", tag)

    program.run("install")

    assert_warmed(docker_site, docker_site.hosts[0], registry_names=False)
    again = program.step("worker-01", "images.warm")["bytes"]
    assert 0 < again < first / 2, "the base that other images share is not sent again"
    assert "present" == program.step("worker-02", "images.warm")["state"]


@pytest.mark.hosts(1)
def test_du_by_load_has_the_registry_s_names_too(docker_site: Site, installation: Install) -> None:
    program = installation(warm="load")
    program.run("install")
    for host in docker_site.hosts:
        assert_warmed(docker_site, host)
        assert ["127.0.0.1:5001"] == host_listeners(host, 5001)
    program.run("verify")


@pytest.mark.hosts(1)
def test_a_passing_name_that_was_left_behind_is_taken_back(
    docker_site: Site, installation: Install
) -> None:
    """A run of mode none that is killed between a pull and its end leaves such a name."""
    program = installation(privateRegistryType="none")
    program.run("install")
    host = docker_site.hosts[0]
    host.run("docker", "tag", "k8s.gcr.io/pause:3.5", "localhost:43210/pause:3.5")
    host.run("docker", "tag", "k8s.gcr.io/pause:3.5", "localhost:43210/not-ours:1")
    assert "localhost:43210/pause:3.5" in program.run("plan").stdout

    program.run("install")

    assert "" == image_id(host, "localhost:43210/pause:3.5")
    assert image_id(host, "localhost:43210/not-ours:1")
    assert_warmed(docker_site, host, registry_names=False)


@pytest.mark.hosts(1)
def test_one_image_is_run_where_that_is_asked(docker_site: Site, installation: Install) -> None:
    """The lab's hosts mount control groups read-only, as is usual in containers."""
    host = docker_site.hosts[0]
    host.run("mount", "-o", "remount,rw", "/sys/fs/cgroup")
    program = installation(verifyRun=True)

    program.run("install", "--host", host.name)

    assert "pause:3.5 runs" in program.step(host.name, "images.verify")["message"]
    assert "" == host.run("docker", "ps", "-aq").stdout


def test_none_has_nothing_to_import_into(installation: Install) -> None:
    done = installation(privateRegistryType="none").run("import", expect=2)
    assert "mode none" in done.stderr


@pytest.mark.hosts(2)
def test_custom_over_plain_http(
    docker_site: Site, installation: Install, site_registry: str
) -> None:
    base = f"{site_registry}/site/images"
    program = installation(
        privateRegistryType="Custom", privateRegistryBase=base, privateRegistryInsecure=True
    )
    host = docker_site.hosts[0]
    host.run("mkdir", "-p", "/etc/docker")
    host.run("sh", "-c", "cat >/etc/docker/daemon.json", input='{"log-driver": "json-file"}')

    program.run("install")

    for warmed in docker_site.hosts:
        assert_images(warmed, expected_ids(docker_site), {base})
        assert not host_listeners(warmed, 5001)
    settings = json.loads(host.run("cat", "/etc/docker/daemon.json").stdout)
    assert "json-file" == settings["log-driver"], "what was there is kept"
    assert site_registry in settings["insecure-registries"]
    kept = json.loads(host.run("cat", "/etc/docker/daemon.json.airferry-orig").stdout)
    assert {"log-driver": "json-file"} == kept
    assert "Nothing had to be done" in program.run("install").stdout


@pytest.mark.hosts(1)
def test_custom_with_the_site_s_ca(
    docker_site: Site, installation: Install, tmp_path: Path
) -> None:
    certificate, key = tmp_path / "ca.crt", tmp_path / "ca.key"
    run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", "2", "-subj", "/CN=registry", "-keyout", str(key)),
        *("-addext", f"subjectAltName=IP:{DU_ADDRESS}", "-out", str(certificate)),
    )
    with fresh_registry(tmp_path, DU_ADDRESS, (certificate, key)) as address:
        program = installation(
            privateRegistryType="custom",
            privateRegistryBase=f"{address}/site",
            privateRegistryCA=str(certificate),
        )
        program.run("install")
        host = docker_site.hosts[0]
        started = host.run("systemctl", "show", "-p", "MainPID", "docker").stdout
        assert_images(host, expected_ids(docker_site), {f"{address}/site"})
        assert "Nothing had to be done" in program.run("install").stdout
        assert started == host.run("systemctl", "show", "-p", "MainPID", "docker").stdout
        program.run("host", "clean", host.name, "--yes")
    found = host.run("ls", "/etc/docker/certs.d", check=False).stdout
    assert address not in found


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
