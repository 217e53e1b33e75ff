"""Docker from every kind of dockerRepo, and nothing left behind where it cannot be installed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.lab import dockerkinds, dockerrepo
from tests.lab.conftest import Install
from tests.lab.dockerkinds import PHOTON, DockerKinds, name_system
from tests.lab.labhost import LabHost
from tests.lab.outside import assert_warmed
from tests.lab.program import Program
from tests.lab.shell import run, until
from tests.lab.site import Site

KILL_SESSIONS = """
for process in /proc/[0-9]*; do
    if grep -q '^sshd: root@notty' "$process/cmdline" 2>/dev/null; then kill "${process#/proc/}"; fi
done
"""
TO_DOCKER_ONLY = ("install", "--skip-docker-img-import")


@pytest.fixture(scope="module")
def kinds(site: Site) -> DockerKinds:
    """Docker in its other packings."""
    return dockerkinds.ensure(site.docker_bare)


@pytest.fixture
def artifacts(site: Site, kinds: DockerKinds, tmp_path: Path) -> Path:
    """A directory as it comes off a stick: Docker for several systems, images, other things."""
    directory = tmp_path / "artifacts"
    shutil.copytree(site.images_dir, directory)
    for path in (site.docker_repo, kinds.yum, kinds.static):
        (directory / path.name).symlink_to(path)
    (directory / "install.sh").write_text("exit 1\n")
    run("tar", "-C", "/etc", "-czf", directory / "hostagent-v-5.2.0.tar.gz", "os-release")
    return directory


def _assert_docker_runs(host: LabHost) -> None:
    assert "active" == host.run("systemctl", "is-active", "docker").stdout.strip()
    assert "enabled" == host.run("systemctl", "is-enabled", "docker").stdout.strip()
    version = host.run("docker", "version", "--format", "{{.Server.Version}}").stdout
    assert version.startswith("20.10.24"), version
    assert "" == _left_behind(host)


def _left_behind(host: LabHost) -> str:
    return host.run("find", "/var/tmp", "-name", "airferry-docker.*").stdout


def _ours(host: LabHost) -> set[str]:
    return set(host.run("cat", "/var/lib/airferry-host/docker").stdout.splitlines())


def _state(host: LabHost) -> str:
    """What an install that is taken back must leave as it was."""
    places = ("/usr/bin", "/usr/sbin", "/etc/systemd/system", "/etc/apt", "/opt", "/var/tmp")
    packages = host.run("dpkg", "-l").stdout
    form = ("-type", "d", "-print", "-o", "-printf", "%p %s %l\n")
    return packages + host.run("find", *places, *form).stdout


def _error(program: Program, host: LabHost, step: str) -> dict[str, str]:
    error: dict[str, str] = program.step(host.name, step)["error"]
    return error


def test_a_mixed_site_from_one_directory(
    bare_site: Site, kinds: DockerKinds, installation: Install, artifacts: Path
) -> None:
    debian, rocky, photon = bare_site.hosts
    kinds.play_rocky(rocky)
    name_system(photon, PHOTON)
    program = installation(dockerRepo=str(artifacts))
    plan = program.run("plan").stdout
    for words in (
        f"apt repository, 4 packages, from {bare_site.docker_repo.name}",
        f"yum repository, 4 packages, from {kinds.yum.name}",
        f"static binaries, 10 files, from {kinds.static.name}",
    ):
        assert words in plan

    program.run("install")

    for host in bare_site.hosts:
        _assert_docker_runs(host)
        assert_warmed(bare_site, host)
    assert "docker.io" in debian.run("dpkg", "-S", "/usr/sbin/dockerd").stdout
    assert "package docker.io" in _ours(debian)
    assert "docker-ce-20.10.24-3.el9" in rocky.run("rpm", "-qf", "/usr/bin/dockerd").stdout
    installed = {"package docker-ce.x86_64", "package docker-ce-cli.x86_64"}
    assert {*installed, "package containerd.io.x86_64"} == _ours(rocky), (
        "nothing but what is needed"
    )
    assert (
        "/opt/airferry/docker/bin/docker"
        == photon.run("readlink", "/usr/bin/docker").stdout.strip()
    )
    unit = "/etc/systemd/system/docker.service"
    files = {"file /opt/airferry/docker", "file /usr/bin/docker", f"file {unit}"}
    assert files == _ours(photon)
    assert "# Made by Airferry" in photon.run("cat", unit).stdout
    photon.reboot()
    until(lambda: "20.10" in photon.run("docker", "version", check=False).stdout, "Docker")
    assert "Nothing had to be done" in program.run("install").stdout


def test_bare_packages_and_a_host_that_nothing_fits(
    bare_site: Site, kinds: DockerKinds, installation: Install
) -> None:
    debian, rocky, photon = bare_site.hosts
    kinds.play_rocky(rocky)
    name_system(photon, PHOTON)
    before = _state(photon)
    program = installation(dockerRepo=[str(bare_site.docker_bare), str(kinds.bare_rpms)])

    program.run(*TO_DOCKER_ONLY, expect=1)

    for host in (debian, rocky):
        _assert_docker_runs(host)
    error = _error(program, photon, "preflight")
    for words in ("photon 4.0", bare_site.docker_bare.name, kinds.bare_rpms.name, "el9"):
        assert words in error["what"]
    assert before == _state(photon)


def test_what_cannot_be_installed_is_taken_back(
    bare_site: Site, kinds: DockerKinds, installation: Install, tmp_path: Path
) -> None:
    debian, rocky, photon = bare_site.hosts
    kinds.play_rocky(rocky)
    name_system(photon, PHOTON)
    before = {host.name: _state(host) for host in bare_site.hosts}
    places = (_lacking_debs(tmp_path), _lacking_rpms(tmp_path), _broken_programs(tmp_path, kinds))
    program = installation(dockerRepo=[str(place) for place in places])

    program.run(*TO_DOCKER_ONLY, expect=1)

    for host, words in (
        (debian, "libnowhere"),
        (rocky, "libnowhere"),
        (photon, "runc does not run on this host"),
    ):
        error = _error(program, host, "docker.install")
        assert "E-DOCKER-REPO" == error["code"]
        assert words in error["what"]
        assert before[host.name] == _state(host), host.name
        assert "" == host.run("sh", "-c", "command -v docker", check=False).stdout
    assert "lacks packages" in _error(program, debian, "docker.install")["remedy"]
    repository = _as_repository(places[0], tmp_path / "repository")
    program.write_config(dockerRepo=str(repository), hosts=program.config["hosts"][:1])
    program.run(*TO_DOCKER_ONLY, expect=1)
    assert "libnowhere" in _error(program, debian, "docker.install")["what"]
    assert before[debian.name] == _state(debian)


@pytest.mark.hosts(1)
def test_packages_of_the_host_are_not_pushed_out(
    bare_site: Site, installation: Install, tmp_path: Path
) -> None:
    """A node may run containers by a containerd of its own."""
    host = bare_site.hosts[0]
    host.put(_deb(tmp_path / "own", "containerd"), "/root/containerd.deb")
    host.run("dpkg", "-i", "/root/containerd.deb")
    before = _state(host)
    bare = tmp_path / "bare"
    _deb(bare, "containerd.io", Conflicts="containerd", Replaces="containerd")
    _deb(bare, "docker-ce", Depends="containerd.io")
    program = installation()
    for place, words in (
        (bare, "will remove containerd in favour of containerd.io"),
        (_as_repository(bare, tmp_path / "repository"), "Packages need to be removed"),
    ):
        program.write_config(dockerRepo=str(place), hosts=program.config["hosts"][:1])

        program.run(*TO_DOCKER_ONLY, expect=1)

        assert words in _error(program, host, "docker.install")["what"]
        assert before == _state(host)


def test_an_installed_docker_is_left_alone_or_started_or_replaced_if_too_old(
    bare_site: Site, installation: Install
) -> None:
    """Docker 17.03 can no longer be had: a script that answers as it did plays it."""
    good, stopped, old = bare_site.hosts
    program = installation()
    hosts = program.config["hosts"]
    program.write_config(hosts=hosts[:2])
    program.run(*TO_DOCKER_ONLY)
    stamp = ("stat", "-c", "%Y %i %Z", "/usr/sbin/dockerd")
    before = [host.run(*stamp).stdout for host in (good, stopped)]
    stopped.run("systemctl", "disable", "--now", "docker.service", "docker.socket")
    started = ("systemctl", "show", "-p", "ExecMainPID", "docker")
    pid = good.run(*started).stdout
    old.run(
        "sh", "-c", "cat >/usr/bin/docker && chmod +x /usr/bin/docker", input="echo 17.03.2-ce\n"
    )
    program.write_config(hosts=hosts)
    assert "in place of 17.03.2-ce" in program.run("plan").stdout

    program.run(*TO_DOCKER_ONLY)

    assert before == [host.run(*stamp).stdout for host in (good, stopped)]
    assert pid == good.run(*started).stdout
    for host in bare_site.hosts:
        _assert_docker_runs(host)


@pytest.mark.hosts(1)
def test_line_cut_in_the_middle_of_sending(bare_site: Site, installation: Install) -> None:
    host = bare_site.hosts[0]
    slowly = ("INPUT", "-p", "tcp", "--dport", "22", "-m", "length", "--length", "1000:65535")
    limit = ("-m", "limit", "--limit", "200/second", "--limit-burst", "200", "-j", "ACCEPT")
    host.run("iptables", "-A", *slowly, *limit)
    host.run("iptables", "-A", *slowly, "-j", "DROP")
    program = installation()
    number = program.begin(*TO_DOCKER_ONLY)
    arrives = "find /var/tmp/airferry-docker.* -name '*.deb' -size +1M | grep -q ."
    until(
        lambda: 0 == host.run("sh", "-c", arrives, check=False).returncode,
        "a package arrives",
        60,
        every_s=0.05,
    )
    host.run("sh", "-c", KILL_SESSIONS)
    host.run("iptables", "-F", "INPUT")

    report = program.wait(number)

    assert "done" == report["state"]
    logins = host.run("sh", "-c", "journalctl -q -t sshd | grep -c 'Accepted publickey'").stdout
    assert int(logins) >= 2, "the line was lost, and made again"
    _assert_docker_runs(host)


def _deb(place: Path, name: str, **fields: str) -> Path:
    """Make a tiny .deb package with one file in it."""
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as tree:
        made = {"Package": name, "Version": "5:24.0.7-1~debian.12~bookworm", "Architecture": "all"}
        rest = {"Maintainer": "nobody <nobody@example.org>", "Description": "test"}
        lines = [f"{key}: {value}\n" for key, value in {**made, **rest, **fields}.items()]
        control, file = Path(tree, "DEBIAN/control"), Path(tree, "usr/bin", name)
        for path, text in ((control, "".join(lines)), (file, "")):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        run("dpkg-deb", "--root-owner-group", "-b", tree, place / f"{name}.deb")
    return place / f"{name}.deb"


def _lacking_debs(directory: Path) -> Path:
    """Make two .deb packages: one that installs, and Docker, which needs what is not there."""
    place = directory / "debs"
    _deb(place, "containerd.io")
    _deb(place, "docker-ce", Depends="containerd.io, libnowhere")
    return place


def _as_repository(packages: Path, directory: Path) -> Path:
    """Copy packages and put an index beside them."""
    shutil.copytree(packages, directory)
    index = dockerrepo.index_of(sorted(directory.glob("*.deb")))
    (directory / "Packages").write_text(index)
    return directory


def _lacking_rpms(directory: Path) -> Path:
    place = directory / "rpms"
    spec = directory / "lacking.spec"
    spec.write_text(
        "Name: docker-ce\nVersion: 24.0.7\nRelease: 1.el9\nSummary: test\nLicense: none\n"
        "BuildArch: noarch\nRequires: libnowhere\n%description\ntest\n%files\n"
    )
    run("rpmbuild", "-D", f"_topdir {directory}/build", "-D", f"_rpmdir {place}", "-bb", spec)
    return place


def _broken_programs(directory: Path, kinds: DockerKinds) -> Path:
    """Unpack the static binaries and damage one."""
    run("tar", "-xzf", kinds.static, "-C", directory)
    place = directory / "docker"
    runc = (place / "runc").read_bytes()
    (place / "runc").write_bytes(runc[:4096])
    return place
