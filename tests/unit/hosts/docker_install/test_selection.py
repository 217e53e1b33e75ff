"""Which offline Docker bundle serves which host, from real archives and by their content only."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
import zstandard

from core.errors import PackagesError
from core.hosts.docker_install import source as docker_source
from core.hosts.docker_install.package_files import Family, Package, read_package, version_key
from core.hosts.docker_install.release import Fit, System, release_of
from core.hosts.docker_install.selection import DockerRepo, fitting_repo, is_too_old
from tests.support.packages import deb, elf, put, rpm, tar

BOOKWORM = System("debian", "12", (), "amd64")
BULLSEYE = System("debian", "11", (), "amd64")
JAMMY = System("ubuntu", "22.04", ("debian",), "amd64")
MINT = System("linuxmint", "21.2", ("ubuntu", "debian"), "amd64")
ROCKY9 = System("rocky", "9.3", ("rhel", "centos", "fedora"), "amd64")
CENTOS7 = System("centos", "7", ("rhel", "fedora"), "amd64")
PHOTON = System("photon", "4.0", (), "amd64")
PHOTON_ARM = System("photon", "4.0", (), "arm64")
ON_BOOKWORM = "5:24.0.7-1~debian.12~bookworm"
ON_JAMMY = "5:24.0.7-1~ubuntu.22.04~jammy"
PROGRAMS = {f"docker/{name}": elf() for name in ("dockerd", "docker", "containerd", "runc")}
IMAGES = {f"{'0' * 64}.json": b"{}", "x/dockerd": elf()}


def debs(version: str, prefix: str = "") -> dict[str, bytes]:
    return {
        f"{prefix}a.deb": deb("docker-ce", version),
        f"{prefix}b.deb": deb("docker-ce-cli", version),
        f"{prefix}c.deb": deb("containerd.io", "1.6.20-1"),
    }


def rpms(release: str, prefix: str = "") -> dict[str, bytes]:
    return {
        f"{prefix}{name}.rpm": rpm(name, "24.0.7", release)
        for name in ("docker-ce", "docker-ce-cli", "containerd.io")
    }


def why_none(path: Path, system: System) -> str:
    with pytest.raises(PackagesError) as caught:
        fitting_repo((path,), system)
    return caught.value.what


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    """A directory with Docker for every system, images and other things."""
    place = tmp_path / "artifacts"
    place.mkdir()
    index = {"Packages.gz": gzip.compress(b"")}
    tar(place / "docker-v-1.tar.gz", rpms("1.el7", "el7/") | {"el7/repodata/repomd.xml": b""})
    tar(place / "docker-9-v-1.tar.gz", rpms("3.el9") | {"repodata/repomd.xml": b""})
    tar(place / "docker-ubuntu-v-1.tar.gz", debs(ON_JAMMY) | index)
    tar(place / "docker-debian-v-1.tar.xz", debs(ON_BOOKWORM), "w:xz")
    tar(place / "docker-24.0.7.tgz", PROGRAMS)
    tar(place / "docker-imgs-v-1.tar.gz", IMAGES)
    tar(place / "hostagent-v-1.tar.gz", {"agent.rpm": rpm("hostagent", "1", "1")})
    put(place, {"install.sh": b"exit 0\n", "oci/oci-layout": b"{}", "oci/blobs/dockerd": elf()})
    return place


@pytest.mark.parametrize(
    ("system", "source", "kind", "names"),
    [
        (BOOKWORM, "docker-debian-v-1.tar.xz", "bare .deb packages", 3),
        (JAMMY, "docker-ubuntu-v-1.tar.gz", "apt repository", 3),
        (MINT, "docker-ubuntu-v-1.tar.gz", "apt repository", 3),
        (ROCKY9, "docker-9-v-1.tar.gz", "yum repository", 3),
        (System("ol", "9.2", ("fedora",), "amd64"), "docker-9-v-1.tar.gz", "yum repository", 3),
        (CENTOS7, "docker-v-1.tar.gz", "yum repository", 3),
        (System("rhel", "8.6", ("fedora",), "amd64"), "docker-24.0.7.tgz", "static binaries", 0),
        (PHOTON, "docker-24.0.7.tgz", "static binaries", 0),
    ],
    ids=lambda value: value.os_id if isinstance(value, System) else None,
)
def test_each_host_of_a_mixed_site_gets_its_own(
    artifacts: Path, system: System, source: str, kind: str, names: int
) -> None:
    repo = fitting_repo((artifacts,), system)
    assert (source, names) == (repo.source.name, len(repo.names))
    assert repo.kind.startswith(kind)


def test_nothing_fits_and_all_that_was_there_is_named(artifacts: Path) -> None:
    said = why_none(artifacts, PHOTON_ARM)
    for words in (
        "nothing in dockerRepo fits photon 4.0 (arm64)",
        "docker-9-v-1.tar.gz: .rpm packages with docker-ce 24.0.7-3.el9 (amd64, el9)",
        "(amd64, ubuntu 22.04)",
        "docker-24.0.7.tgz: static binaries for amd64",
        "docker-imgs-v-1.tar.gz: holds images",
        "hostagent-v-1.tar.gz: 1 .rpm packages without Docker among them",
    ):
        assert words in said


def test_no_docker_repo_and_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PackagesError, match="names no dockerRepo"):
        fitting_repo((), BOOKWORM)
    assert "gone.tar: cannot be read: No such file" in why_none(tmp_path / "gone.tar", BOOKWORM)


@pytest.mark.parametrize("cut", [200, 3000, -30])
def test_a_cut_archive(tmp_path: Path, cut: int) -> None:
    path = tar(tmp_path / "docker.tar.gz", {**PROGRAMS, "noise": bytes(range(256)) * 4000})
    path.write_bytes(path.read_bytes()[:cut])
    assert "docker.tar.gz: cannot be read: " in why_none(path, PHOTON)


@pytest.mark.parametrize(
    "content", [b"!<arch>\ndebian-binary   " + bytes(200), rpm("docker-ce", "1", "1")[:200]]
)
def test_a_damaged_package_is_named(tmp_path: Path, content: bytes) -> None:
    said = why_none(tar(tmp_path / "docker.tar", {"d/one.pkg": content}, "w"), BOOKWORM)
    assert "docker.tar: cannot be read: d/one.pkg: is a" in said


def test_a_damaged_archive_does_not_hide_a_good_one(artifacts: Path) -> None:
    broken = artifacts / "docker-9-v-1.tar.gz"
    broken.write_bytes(broken.read_bytes()[:100])
    assert Family.STATIC == fitting_repo((artifacts,), ROCKY9).family
    assert Family.DEB == fitting_repo((artifacts,), BOOKWORM).family


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_packings_and_names_that_say_nothing(tmp_path: Path, mode: str) -> None:
    files = {"./" + name: data for name, data in PROGRAMS.items()}
    repo = fitting_repo((tar(tmp_path / "unnamed", files, mode),), PHOTON)
    assert sorted(PROGRAMS) == sorted(repo.files)


def test_zstd(tmp_path: Path) -> None:
    plain = tar(tmp_path / "plain", PROGRAMS, "w")
    packed = tmp_path / "packed.tar.zst"
    packed.write_bytes(zstandard.compress(plain.read_bytes()))
    assert Family.STATIC == fitting_repo((packed,), PHOTON).family


def test_an_unpacked_repository_and_unpacked_packages(tmp_path: Path) -> None:
    yum = put(
        tmp_path / "yum", rpms("1.el9", "x/") | {"x/repodata/repomd.xml": b"", "x/a.gpg": b"k"}
    )
    repo = fitting_repo((yum,), ROCKY9)
    assert ("yum repository", ("/x/",)) == (repo.kind, repo.indexes)
    assert {
        f"tree/{name}" for name in (*rpms("1.el9", "x/"), "x/repodata/repomd.xml", "x/a.gpg")
    } == set(repo.files.values())
    bare = put(tmp_path / "bare", debs(ON_BOOKWORM))
    assert "bare .deb packages, 3 packages, from bare" == fitting_repo((bare,), BOOKWORM).summary


def test_a_list_of_package_files(tmp_path: Path) -> None:
    place = put(tmp_path / "bare", debs(ON_BOOKWORM))
    repo = fitting_repo(tuple(sorted(place.iterdir())), BOOKWORM)
    expected = {
        "packages/docker-ce.deb",
        "packages/docker-ce-cli.deb",
        "packages/containerd.io.deb",
    }
    assert expected == set(repo.files.values())


def test_only_what_fits_is_taken(tmp_path: Path) -> None:
    """Of bare packages of several releases and processors: one of each name."""
    files = (
        debs(ON_BOOKWORM, "12/")
        | debs("5:23.0.1-1~debian.12~bookworm", "old/")
        | debs(ON_JAMMY, "jammy/")
        | {"arm.deb": deb("docker-ce", ON_BOOKWORM, "arm64"), "io.deb": deb("docker.io", "20.10.5")}
        | rpms("1.el9")
    )
    repo = fitting_repo((put(tmp_path / "all", files),), BOOKWORM)
    assert {ON_BOOKWORM, "1.6.20-1"} == {package.version for package in repo.packages}
    assert 3 == len(repo.files)


def test_suites_of_an_apt_repository(tmp_path: Path) -> None:
    files: dict[str, bytes] = {}
    for suite, version in (("bookworm", ON_BOOKWORM), ("jammy", ON_JAMMY)):
        files |= debs(version, f"repo/dists/{suite}/pool/")
        files[f"repo/dists/{suite}/stable/binary-amd64/Packages"] = b""
    path = tar(tmp_path / "docker.tar", files, "w")
    assert ("/repo/ bookworm stable",) == fitting_repo((path,), BOOKWORM).indexes
    assert ("/repo/ jammy stable",) == fitting_repo((path,), JAMMY).indexes
    assert "apt repository for bookworm, jammy" in why_none(
        path, System("ubuntu", "23.10", (), "amd64")
    )


def test_static_binaries_must_be_complete(tmp_path: Path) -> None:
    files = {name: data for name, data in PROGRAMS.items() if not name.endswith("runc")}
    said = why_none(tar(tmp_path / "docker.tgz", files), PHOTON)
    assert "static binaries for amd64 without runc" in said


def test_members_that_lead_elsewhere_are_not_taken(tmp_path: Path) -> None:
    files = {f"../{name}": data for name, data in PROGRAMS.items()}
    assert "holds no packages" in why_none(tar(tmp_path / "docker.tgz", files), PHOTON)


def test_old_engines_are_not_offered(tmp_path: Path) -> None:
    path = tar(tmp_path / "old.tar", {"d.rpm": rpm("docker-ce", "17.03.2.ce", "1.el9")}, "w")
    assert "docker-ce 17.03.2.ce-1.el9 (amd64, el9), too old" in why_none(path, ROCKY9)


def test_a_bundle_is_read_once_for_all_hosts(
    artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fitting_repo((artifacts,), ROCKY9)

    def refuse(path: Path) -> DockerRepo:
        raise AssertionError(path)

    monkeypatch.setattr(docker_source, "open_bundle", refuse)
    assert first == fitting_repo((artifacts,), ROCKY9)
    assert Family.DEB == fitting_repo((artifacts,), JAMMY).family


@pytest.mark.parametrize(
    ("version", "made_for"),
    [
        (ON_BOOKWORM, ("debian", "12")),
        ("5:20.10.7~3-0~debian-buster", ("debian", "10")),
        (ON_JAMMY, ("ubuntu", "22.04")),
        ("20.10.24+dfsg1-1+deb12u1+b6", ("debian", "12")),
        ("24.0.7-0ubuntu2~22.04.1", ("ubuntu", "22.04")),
        ("24.0.7-0ubuntu4", None),
        ("1.6.20-1", None),
    ],
)
def test_what_a_deb_was_made_for(version: str, made_for: tuple[str, str] | None) -> None:
    assert made_for == release_of(Package(Family.DEB, "docker-ce", version, "amd64", "x", 1))


@pytest.mark.parametrize(
    ("system", "version", "fit"),
    [
        (BOOKWORM, ON_BOOKWORM, Fit.EXACT),
        (BULLSEYE, ON_BOOKWORM, Fit.NOT),
        (BOOKWORM, "5:20.10.7~3-0~debian-buster", Fit.FAMILY),
        (BOOKWORM, ON_JAMMY, Fit.RELATIVE),
        (JAMMY, ON_BOOKWORM, Fit.RELATIVE),
        (MINT, ON_JAMMY, Fit.FAMILY),
        (BOOKWORM, "1.6.20-1", Fit.FAMILY),
        (ROCKY9, ON_BOOKWORM, Fit.NOT),
    ],
)
def test_how_well_a_deb_fits(system: System, version: str, fit: Fit) -> None:
    assert fit == system.fit(Package(Family.DEB, "docker-ce", version, "amd64", "x", 1))


@pytest.mark.parametrize(
    ("system", "version", "fit"),
    [
        (ROCKY9, "24-3.el9", Fit.EXACT),
        (ROCKY9, "24-3.el8", Fit.NOT),
        (ROCKY9, "24-1.module_el9.2.0+1", Fit.FAMILY),
        (ROCKY9, "24-3", Fit.FAMILY),
        (CENTOS7, "24-1.el7_9", Fit.EXACT),
        (System("fedora", "39", (), "amd64"), "24-1.fc39", Fit.EXACT),
        (System("fedora", "39", (), "amd64"), "24-1.el9", Fit.NOT),
        (BOOKWORM, "24-3.el9", Fit.NOT),
    ],
)
def test_how_well_an_rpm_fits(system: System, version: str, fit: Fit) -> None:
    assert fit == system.fit(Package(Family.RPM, "docker-ce", version, "amd64", "x", 1))


def test_processors() -> None:
    heads = {62: "amd64", 183: "arm64", 40: "arm", 21: "ppc64le", 243: "ELF machine 243"}
    for machine, arch in heads.items():
        found = read_package("docker/dockerd", 1, io.BytesIO(elf(machine)).read)
        assert found
        assert arch == found.arch


def test_source_packages_are_no_packages(tmp_path: Path) -> None:
    path = tar(tmp_path / "x.tar", {"d.rpm": rpm("docker-ce", "24", "1", source=True)}, "w")
    assert "holds no packages but .rpm" in why_none(path, ROCKY9)


def test_versions_are_ordered_as_package_managers_do() -> None:
    mixed = ["20.10.24", "5:1.0", "20.10.9", "20.10.24-1", "18.9", "20.10.24~rc1"]
    expected = ["18.9", "20.10.9", "20.10.24~rc1", "20.10.24", "20.10.24-1", "5:1.0"]
    assert expected == sorted(mixed, key=version_key)


@pytest.mark.parametrize(
    ("version", "old"),
    [
        ("17.03.2-ce", True),
        ("18.06.3-ce", True),
        ("1.13.1", True),
        ("18.09.0", False),
        ("20.10.24+dfsg1", False),
        ("29.1.0", False),
        ("dev", False),
        ("5:17.03", True),
    ],
)
def test_what_is_too_old(version: str, old: bool) -> None:
    assert old is is_too_old(version)
