"""The files for the cluster in use: real containerd, real Docker, a real registry in each form.

containerd and `ctr` are those that came with Docker onto a host of the lab.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lab.conftest import Install
from tests.lab.labhost import LabHost
from tests.lab.network import DU_ADDRESS
from tests.lab.outside import image_id, site_name
from tests.lab.program import Program
from tests.lab.shell import run
from tests.lab.site import Site
from tests.support.registry import fresh_registry

CERTS = "/etc/containerd/certs.d"
ORIGINAL = "k8s.gcr.io/pause:3.5"
OTHER = "quay.io/calico/cni:v3.20.0"


pytestmark = pytest.mark.hosts(1)


@pytest.fixture
def host(docker_site: Site) -> LabHost:
    """A host with Docker."""
    return docker_site.hosts[0]


def directory_of(program: Program) -> Path:
    return program.state_dir / "cluster"


def table(directory: Path) -> dict[str, dict[str, str]]:
    """Return the table, by original name."""
    lines = (directory / "images.txt").read_text(encoding="utf-8").splitlines()
    columns, *rows = [line.split("\t") for line in lines]
    return {row[0]: dict(zip(columns, row, strict=True)) for row in rows}


def give_containerd(host: LabHost, directory: Path) -> None:
    """Put containerd's files where README.txt says."""
    host.run("rm", "-rf", CERTS)
    host.run("mkdir", "-p", "/etc/containerd")
    host.put(directory / "containerd" / "certs.d", CERTS)


def pulled(host: LabHost, name: str) -> str:
    """Pull a name with containerd and return its digest; overlayfs does not work in the lab."""
    way = ("--hosts-dir", CERTS, "--snapshotter", "native")
    host.run("ctr", "images", "pull", *way, name)
    lines = host.run("ctr", "images", "list", f"name=={name}").stdout.splitlines()
    return lines[1].split()[2]


def refusal(host: LabHost, name: str) -> str:
    """Return why containerd cannot pull a name."""
    done = host.run("ctr", "images", "pull", "--hosts-dir", CERTS, name, check=False)
    assert 0 != done.returncode
    return done.stderr.strip().splitlines()[-1]


def test_containerd_pulls_original_names_through_the_tunnel(
    host: LabHost, warm_installation: Install
) -> None:
    program = warm_installation()
    program.run("install", "--host", host.name, "--skip-docker-img-import")
    directory = directory_of(program)
    assert f"in {directory}" == program.step("du", "cluster.files")["message"]
    assert str(directory) in program.run("report").stdout
    give_containerd(host, directory)
    known = table(directory)
    for original in (ORIGINAL, OTHER, "platform9/kube-proxy:v1.21.3"):
        entry = known[original]
        assert site_name(original) == entry["use"]
        whole = original if "." in original.partition("/")[0] else f"docker.io/{original}"
        assert entry["digest"] == pulled(host, whole)
        assert entry["digest"] == pulled(host, entry["use"])
    # Nobody but the site's registry is asked: no name is looked up.
    said = refusal(host, "k8s.gcr.io/not-there:1")
    assert said.endswith("k8s.gcr.io/not-there:1: not found"), said
    # So that name has to be taken from the table.
    assert "library" in (directory / "containerd/certs.d/docker.io/hosts.toml").read_text()
    assert known["busybox:1.35"]["digest"] == pulled(host, known["busybox:1.35"]["use"])


def test_verify_asks_by_the_names_that_the_cluster_uses(
    host: LabHost, site: Site, installation: Install, tmp_path: Path
) -> None:
    """What is in the cache does not hide that the registry lacks it."""
    program = installation(imagesDir=str(tmp_path))
    (tmp_path / "extra-calico.tar").symlink_to(site.images_dir / "extra-calico.tar")
    program.run("install", "--host", host.name)
    program.run("verify", "--host", host.name)
    program.run("registry", "delete", "--yes", "pause:3.5")
    assert image_id(host, "localhost:5001/pause:3.5")

    program.run("verify", "--host", host.name, expect=1)

    run_id = str(program.json("runs")[0]["run"])
    said = program.step(host.name, "images.verify", run_id)["error"]["what"]
    assert "Docker cannot pull localhost:5001/pause:3.5: " in said


def test_files_are_kept_up_and_taken_along(
    site: Site, installation: Install, tmp_path: Path
) -> None:
    images, stick = tmp_path / "images", tmp_path / "stick"
    images.mkdir()
    stick.mkdir()
    (images / "extra-calico.tar").symlink_to(site.images_dir / "extra-calico.tar")
    program = installation(hosts=[], imagesDir=str(images))
    program.run("install")
    directory = directory_of(program)
    assert [ORIGINAL, OTHER] == sorted(table(directory))
    assert "Nothing to do" in program.run("plan").stdout
    (directory / "images.txt").unlink()
    (directory / "stale.txt").touch()
    plan = program.run("plan").stdout
    assert "+ cluster.files: files for the cluster: images.txt, stale.txt" in plan

    program.run("import")
    assert [ORIGINAL, OTHER] == sorted(table(directory))
    assert not (directory / "stale.txt").exists()

    said = program.json("cluster-files", "--outdir", str(stick))
    copy = stick / "airferry-cluster-files"
    assert (str(copy), []) == (said["directory"], said["unread"])
    assert "README.txt" in said["files"]
    for name in said["files"]:
        assert (directory / name).read_bytes() == (copy / name).read_bytes()
    # What came from elsewhere counts for as long as the registry has it.
    (images / "extra-calico.tar").unlink()
    assert [ORIGINAL, OTHER] == sorted(_anew(program))
    program.run("registry", "delete", "--yes", "calico/cni:v3.20.0")
    assert [ORIGINAL] == sorted(_anew(program))


def _anew(program: Program) -> dict[str, dict[str, str]]:
    program.run("cluster-files")
    return table(directory_of(program))


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "http"])
def test_a_registry_of_the_site_with_a_path(
    host: LabHost, site: Site, installation: Install, tmp_path: Path, secure: bool
) -> None:
    certificate, key = tmp_path / "ca.crt", tmp_path / "ca.key"
    run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", "2", "-subj", "/CN=registry", "-keyout", str(key)),
        *("-addext", f"subjectAltName=IP:{DU_ADDRESS}", "-out", str(certificate)),
    )
    with fresh_registry(tmp_path, DU_ADDRESS, (certificate, key) if secure else None) as address:
        way = (
            {"privateRegistryCA": str(certificate)} if secure else {"privateRegistryInsecure": True}
        )
        base = f"{address}/site/images"
        program = installation(
            privateRegistryType="custom", privateRegistryBase=base, hosts=[], **way
        )
        program.run("import", str(site.images_dir / "extra-calico.tar"))
        directory = directory_of(program)
        give_containerd(host, directory)
        for original, entry in table(directory).items():
            assert site_name(original, base) == entry["use"]
            assert entry["digest"] == pulled(host, original)
            assert entry["digest"] == pulled(host, entry["use"])
        assert refusal(host, "quay.io/not-there:1").endswith("not found")

        entry = table(directory)[ORIGINAL]
        assert 0 != host.run("docker", "pull", entry["use"], check=False).returncode
        give_docker(host, directory, address)
        host.run("docker", "pull", entry["use"])
        assert entry["image-id"] == image_id(host, entry["use"])


def give_docker(host: LabHost, directory: Path, registry: str) -> None:
    """Put Docker's files where README.txt says."""
    names = {path.name for path in (directory / "docker").iterdir()}
    if "ca.crt" in names:
        place = f"/etc/docker/certs.d/{registry}"
        host.run("mkdir", "-p", place)
        host.put(directory / "docker" / "ca.crt", f"{place}/ca.crt")
    if "daemon.json" in names:
        settings = (directory / "docker" / "daemon.json").read_text(encoding="utf-8")
        assert registry in json.loads(settings)["insecure-registries"]
        host.run("mkdir", "-p", "/etc/docker")
        host.run("sh", "-c", "cat >/etc/docker/daemon.json", input=settings)
        host.run("systemctl", "reload", "docker")
