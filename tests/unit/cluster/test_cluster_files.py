"""The files for the cluster: what is in them for each mode, and how they are written.

kubeadm itself is in no package of Debian: its config is compared with the names that its sources
put together from it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.bundle.model import Bundle, Image, ManifestList
from core.bundle.reference import parse_reference
from core.cluster import cluster_files, differing, read_files, uses_of, write_files
from core.cluster.containerd import host_directory
from core.config import Config, Mode

CONFIG = Path("/site/airctl-config.yaml")
DU = Config(CONFIG, mode=Mode.DU)
NONE = Config(CONFIG)
CUSTOM = Config(CONFIG, mode=Mode.CUSTOM, registry_base="reg.site:5000/team/images")
SECURE = replace(CUSTOM, registry_ca=Path("/site/ca.crt"))
PLAIN = replace(CUSTOM, registry_insecure=True)
CA = "-----BEGIN CERTIFICATE-----\n"
KUBERNETES = (
    "k8s.gcr.io/kube-apiserver:v1.21.3",
    "k8s.gcr.io/kube-controller-manager:v1.21.3",
    "k8s.gcr.io/kube-scheduler:v1.21.3",
    "k8s.gcr.io/kube-proxy:v1.21.3",
    "k8s.gcr.io/coredns/coredns:v1.8.0",
    "k8s.gcr.io/etcd:3.4.13-0",
    "k8s.gcr.io/pause:3.4.1",
)


def image(number: int, *names: str, platform: str = "linux/amd64") -> Image:
    references = tuple(parse_reference(name) for name in names)
    return Image(f"sha256:{number:064x}", references, platform, 1, (), manifest=f"{{}}{number}")


def bundle(*names: str, name: str = "x.tar", first: int = 0) -> Bundle:
    images = tuple(image(first + number, each) for number, each in enumerate(names))
    return Bundle(name, 1, images, imported=True)


def toml(files: Mapping[str, str], registry: str) -> dict[str, Any]:
    return tomllib.loads(files[f"containerd/certs.d/{registry}/hosts.toml"])


def test_a_registry_behind_a_tunnel_is_asked_for_every_name() -> None:
    files = cluster_files(DU, [bundle(*KUBERNETES, "quay.io:8443/calico/node:v3", "tool/x:1")])
    url, pulls = "http://localhost:5001", ["pull", "resolve"]
    expected = {"server": url, "capabilities": pulls, "host": {url: {"capabilities": pulls}}}
    for registry in ("localhost_5001_", "k8s.gcr.io", "quay.io_8443_", "docker.io"):
        assert expected == toml(files, registry)
    assert 4 == sum(path.endswith("hosts.toml") for path in files)
    assert not [path for path in files if path.endswith("ca.crt")]
    settings = json.loads(files["docker/daemon.json"])
    assert {"insecure-registries": ["127.0.0.0/8", "::1/128"]} == settings


def test_a_registry_with_a_path_and_a_ca() -> None:
    files = cluster_files(SECURE, [bundle("k8s.gcr.io/pause:3.5")], CA)
    expected: dict[str, object] = {"capabilities": ["pull", "resolve"], "ca": "ca.crt"}
    url = "https://reg.site:5000"
    assert {"server": url, **expected, "host": {url: expected}} == toml(files, "reg.site_5000_")
    url += "/v2/team/images"
    expected |= {"override_path": True}
    assert {"server": url, **expected, "host": {url: expected}} == toml(files, "k8s.gcr.io")
    assert [CA] * 3 == [text for path, text in files.items() if path.endswith("ca.crt")]
    assert "docker/daemon.json" not in files


def test_a_registry_over_plain_http_is_named_for_docker_with_loopback() -> None:
    files = cluster_files(PLAIN, [bundle("k8s.gcr.io/pause:3.5")])
    assert ["127.0.0.0/8", "::1/128", "reg.site:5000"] == json.loads(files["docker/daemon.json"])[
        "insecure-registries"
    ]
    assert "http://reg.site:5000/v2/team/images" == toml(files, "k8s.gcr.io")["server"]


def test_the_registry_s_own_entry_counts_where_bundles_name_it_too() -> None:
    files = cluster_files(PLAIN, [bundle("reg.site:5000/a:1")])
    assert "http://reg.site:5000" == toml(files, "reg.site_5000_")["server"]


@pytest.mark.parametrize(
    ("registry", "directory"),
    [
        ("localhost:5001", "localhost_5001_"),
        ("k8s.gcr.io", "k8s.gcr.io"),
        ("10.0.0.1:443", "10.0.0.1_443_"),
        ("[fd00::1]:5000", "[fd00::1]_5000_"),
        ("[fd00::1]", "[fd00::1]"),
    ],
)
def test_directories_are_named_as_containerd_looks_for_them(registry: str, directory: str) -> None:
    assert directory == host_directory(registry)


@pytest.mark.parametrize("config", [DU, NONE, SECURE, PLAIN], ids=lambda c: c.name_prefix)
def test_every_file_is_what_its_reader_reads(config: Config) -> None:
    files = cluster_files(config, [bundle(*KUBERNETES, "alpine:3")])
    for path, text in files.items():
        assert text.endswith("\n"), path
        assert text.isascii(), path
        if path.endswith(".toml"):
            assert tomllib.loads(text), path
        elif path.endswith(".yaml"):
            assert yaml.safe_load(text), path
        elif path == "README.txt":
            assert 76 >= max(map(len, text.splitlines()))


def test_what_cannot_be_had_by_its_original_name_is_said() -> None:
    """It is library/alpine that containerd asks for, and mirrors cannot rewrite a path."""
    files = cluster_files(DU, [bundle("alpine:3", "team/x:1")])
    text = files["containerd/certs.d/docker.io/hosts.toml"]
    assert "#   alpine:3  ->  localhost:5001/alpine:3" in text
    assert "team/x" not in text


def test_mode_none_has_original_names_and_no_registry() -> None:
    files = cluster_files(NONE, [bundle("k8s.gcr.io/pause:3.5", "alpine:3")])
    assert not [path for path in files if "certs.d" in path or path.startswith("docker/")]
    assert [
        ["original", "use", "image-id", "digest", "bundle", "platforms"],
        ["alpine:3", "alpine:3", f"sha256:{1:064x}", "-", "x.tar", "linux/amd64"],
        [*["k8s.gcr.io/pause:3.5"] * 2, f"sha256:{0:064x}", "-", "x.tar", "linux/amd64"],
    ] == [line.split("\t") for line in files["images.txt"].splitlines()]
    assert "imagePullPolicy: IfNotPresent (or Never)" in files["README.txt"]
    for version in ("1", "2"):
        text = files[f"containerd/config-{version}.x.toml"]
        assert "k8s.gcr.io/pause:3.5" in text
        assert "config_path" not in text


def names_of_kubeadm(settings: dict[str, Any], pause: str) -> set[str]:
    """Return the names that kubeadm puts together (cmd/kubeadm/app/images/images.go)."""
    repository, version = settings["imageRepository"], settings["kubernetesVersion"]
    dns, etcd = settings["dns"], settings["etcd"]["local"]
    components = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
    return {
        *(f"{repository}/{component}:{version}" for component in components),
        f"{dns['imageRepository']}/coredns:{dns['imageTag']}",
        f"{etcd['imageRepository']}/etcd:{etcd['imageTag']}",
        f"{repository}/pause:{pause}",
    }


@pytest.mark.parametrize("config", [DU, NONE, SECURE], ids=lambda config: config.mode)
def test_kubeadm_asks_for_just_the_names_to_use(config: Config) -> None:
    known = bundle(*KUBERNETES)
    text = cluster_files(config, [known])["kubeadm/cluster-configuration.yaml"]
    settings = yaml.safe_load(text)
    assert {use.name for use in uses_of(config, [known])} == names_of_kubeadm(settings, "3.4.1")
    assert "ClusterConfiguration" == settings["kind"]
    assert "Not in the bundles" not in text


@pytest.mark.parametrize(
    ("version", "form"),
    [
        ("v1.21.14", "v1beta2"),
        ("v1.22.0", "v1beta3"),
        ("v1.30.2", "v1beta3"),
        ("v1.31.0", "v1beta4"),
        ("latest", "v1beta3"),
    ],
)
def test_the_form_of_the_config_goes_by_the_version_of_kubernetes(version: str, form: str) -> None:
    known = bundle(f"registry.k8s.io/kube-apiserver:{version}")
    text = cluster_files(DU, [known])["kubeadm/cluster-configuration.yaml"]
    assert f"kubeadm.k8s.io/{form}" == yaml.safe_load(text)["apiVersion"]


def test_what_kubeadm_will_miss_is_named() -> None:
    known = bundle(*KUBERNETES[:2], "quay.io/team/pause:3.5")
    text = cluster_files(DU, [known])["kubeadm/cluster-configuration.yaml"]
    for missing in (
        "# Not in the bundles: localhost:5001/kube-scheduler:v1.21.3",
        "# Not in the bundles: localhost:5001/kube-proxy:v1.21.3",
        "# Not in the bundles: coredns, which dns is about",
        "# Not in the bundles: etcd, which etcd.local is about",
        "# kubeadm looks for localhost:5001/pause, but it is localhost:5001/team/pause:3.5:",
    ):
        assert missing in text.splitlines()


def test_of_two_versions_the_whole_one_counts_then_the_newer_one() -> None:
    known = bundle(
        *KUBERNETES, "k8s.gcr.io/kube-apiserver:v1.22.0", "k8s.gcr.io/pause:3.10", name="y.tar"
    )
    files = cluster_files(DU, [known])
    settings = yaml.safe_load(files["kubeadm/cluster-configuration.yaml"])
    assert "v1.21.3" == settings["kubernetesVersion"]
    assert (
        "pod-infra-container-image=localhost:5001/pause:3.10" in files["kubeadm/kubelet-extra-args"]
    )


def test_without_any_bundle_there_is_still_a_registry_to_ask() -> None:
    files = cluster_files(DU, [])
    assert "http://localhost:5001" == toml(files, "localhost_5001_")["server"]
    assert 1 == len(files["images.txt"].splitlines())
    assert (
        "localhost:5001"
        == yaml.safe_load(files["kubeadm/cluster-configuration.yaml"])["imageRepository"]
    )


def test_the_first_bundle_that_claims_a_name_has_it() -> None:
    first = bundle("a.io/x:1", "a.io/y:1")
    second = bundle("b.io/x:1", "b.io/z:1", name="y.tar", first=7)
    assert [("a.io/x:1", "x.tar"), ("a.io/y:1", "x.tar"), ("b.io/z:1", "y.tar")] == [
        (use.reference.familiar, use.bundle) for use in uses_of(DU, [first, second])
    ]
    again = replace(first, name="z.tar")
    assert {"x.tar"} == {use.bundle for use in uses_of(DU, [first, again])}


def test_digests_are_those_of_the_registry() -> None:
    one = image(1, "a.io/x:1")
    several = [image(n, "a.io/y:1", platform=p) for n, p in ((2, "linux/amd64"), (3, "linux/arm"))]
    lists = (ManifestList(several[0].references, "{...}", ""),)
    known = Bundle("x.tar", 1, (one, *several), imported=True, lists=lists)
    single, listed = uses_of(DU, [known])
    assert (one.manifest_digest, lists[0].manifest_digest) == (single.digest, listed.digest)
    assert ("linux/amd64", "linux/arm") == listed.platforms
    assert ["", ""] == [use.digest for use in uses_of(DU, [replace(known, imported=False)])]


def test_no_login_is_in_any_file() -> None:
    files = cluster_files(replace(SECURE, registry_user="alice"), [bundle("a.io/x:1")])
    assert not [path for path, text in files.items() if "alice" in text]
    assert "imagePullSecrets" in files["README.txt"]


def test_the_directory_holds_just_what_it_should(tmp_path: Path) -> None:
    place = tmp_path / "cluster"
    write_files(place, cluster_files(SECURE, [bundle("old.io/x:1")], CA))
    (place / "images.txt.new").write_text("half")  # what a kill in the middle leaves
    files = cluster_files(DU, [bundle("new.io/x:1")])
    assert "images.txt.new" in differing(place, files)

    write_files(place, files)

    assert [] == differing(place, files)
    assert files == read_files(place)
    assert not (place / "containerd" / "certs.d" / "old.io").exists()
    assert ["README.txt", "images.txt"] == list(read_files(place))[:2]


def test_nothing_is_there_before_the_first_run(tmp_path: Path) -> None:
    assert {} == read_files(tmp_path / "cluster")


def test_names_that_keep_their_registry_are_asked_for_below_it() -> None:
    """Docker Hub's short ones as well: below docker.io, they are called as containerd asks."""
    kept = bundle("docker.io/library/busybox:1", "quay.io:8443/a/b:1").keeping_registry(True)
    files = cluster_files(SECURE, [kept, bundle("quay.io:8443/old/c:1", first=5)], CA)
    registry = "https://reg.site:5000/v2/team/images"
    assert [f"{registry}/docker.io"] == list(toml(files, "docker.io")["host"])
    assert "Write in manifests" not in files["containerd/certs.d/docker.io/hosts.toml"]
    both = toml(files, "quay.io_8443_")
    assert [f"{registry}/quay.io_8443", registry] == list(both["host"])
    assert all(host["override_path"] for host in both["host"].values())
    uses = {use.reference.familiar: use.name for use in uses_of(SECURE, [kept])}
    prefix = "reg.site:5000/team/images"
    assert {
        "busybox:1": f"{prefix}/docker.io/library/busybox:1",
        "quay.io:8443/a/b:1": f"{prefix}/quay.io_8443/a/b:1",
    } == uses


def test_kubeadm_is_told_names_that_keep_their_registry() -> None:
    files = cluster_files(DU, [bundle(*KUBERNETES).keeping_registry(True)])
    told = yaml.safe_load(files["kubeadm/cluster-configuration.yaml"])
    assert "localhost:5001/k8s.gcr.io" == told["imageRepository"]
    assert "localhost:5001/k8s.gcr.io/coredns" == told["dns"]["imageRepository"]
