"""Docker as sites bring it besides .deb packages: static binaries, a yum repository, bare rpms.

All hold the programs of Debian's packages, built anew into what `rpmbuild` and `createrepo_c` make.
No image of a RHEL system can be had where the lab runs, so a Debian host with Debian's `dnf` and
`rpm` and the os-release of Rocky 9 plays one: the package manager and the packages are real.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.lab import dockerrepo, needs
from tests.lab.archives import add_file, archive
from tests.lab.labhost import LabHost
from tests.lab.paths import cache_directory, make_private
from tests.lab.shell import run

RECIPE = 1
VERSION = "20.10.24"
STATIC_NAME = f"docker-{VERSION}-static.tar.gz"
YUM_NAME = "docker-9-v-5.2.0.tar.gz"
BARE_RPM_NAME = "docker-9-bare-v-5.2.0.tar.gz"
TOOLS_NAME = "dnf.tar"
ROCKY = (
    'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.3"\nPRETTY_NAME="Rocky Linux 9.3"\n'
)
PHOTON = 'ID=photon\nVERSION_ID=4.0\nPRETTY_NAME="VMware Photon OS/Linux"\n'

ENGINE_FILES = ("/usr/bin/dockerd", "/usr/bin/docker-proxy", "/usr/bin/docker-init")
SERVICE = "/usr/lib/systemd/system/docker.service"
CONTAINERD_FILES = (
    "/usr/bin/containerd",
    "/usr/bin/containerd-shim",
    "/usr/bin/containerd-shim-runc-v1",
    "/usr/bin/containerd-shim-runc-v2",
    "/usr/bin/ctr",
    "/usr/bin/runc",
)
UNIT = """\
[Unit]
Description=Docker
[Service]
Type=notify
ExecStart=/usr/bin/dockerd
Delegate=yes
KillMode=process
[Install]
WantedBy=multi-user.target
"""
SPEC = """\
Name: docker-ce
Version: {version}
Release: 3.el9
Summary: Docker
License: ASL 2.0
AutoReqProv: no
Requires: docker-ce-cli, containerd.io
%description
Docker.
%files
{engine}
%package -n docker-ce-cli
Summary: Docker's client
AutoReqProv: no
%description -n docker-ce-cli
Docker's client.
%files -n docker-ce-cli
/usr/bin/docker
%package -n containerd.io
Summary: containerd
AutoReqProv: no
%description -n containerd.io
containerd.
%files -n containerd.io
{containerd}
%package -n unrelated
Summary: Not for Docker
%description -n unrelated
Not for Docker.
%files -n unrelated
%install
cp -a {tree}/. %{{buildroot}}/
"""


@dataclass(frozen=True)
class DockerKinds:
    """The archives, and what makes a host one of the rpm family."""

    static: Path
    yum: Path
    bare_rpms: Path
    tools: Path

    def play_rocky(self, host: LabHost) -> None:
        """Give a host dnf, rpm and the name of Rocky 9."""
        host.put(self.tools, "/root/tools.tar")
        unpack = "mkdir /root/tools && tar -xf /root/tools.tar -C /root/tools"
        install = "apt-get install -y -q --no-install-recommends /root/tools/*.deb"
        host.run("sh", "-c", f"{unpack} && {install} && rm -r /root/tools*")
        name_system(host, ROCKY)


def name_system(host: LabHost, os_release: str) -> None:
    """Give a host another name of its system."""
    host.run("sh", "-c", "rm -f /etc/os-release && cat >/etc/os-release", input=os_release)


def ensure(bare_debs: Path) -> DockerKinds:
    """Return the archives, made now if the lab's cache has none.

    Args:
        bare_debs: The archive with Docker's bare .deb packages.

    Raises:
        LabError: a tool failed, or apt could not fetch a package.
    """
    needs.install_missing(needs.PACKING_PACKAGES)
    cache = make_private(cache_directory())
    directory = cache / f"dockerkinds-{RECIPE}"
    if not directory.is_dir():
        scratch = Path(tempfile.mkdtemp(prefix="making-", dir=cache))
        try:
            made = make_private(scratch / "made")
            tree = _programs(scratch, bare_debs)
            _pack_static(made / STATIC_NAME, tree)
            _pack_rpms(made, _build_rpms(scratch, tree))
            _pack_tools(made / TOOLS_NAME, scratch)
            made.rename(directory)
        finally:
            shutil.rmtree(scratch)
    names = (STATIC_NAME, YUM_NAME, BARE_RPM_NAME, TOOLS_NAME)
    return DockerKinds(*(directory / name for name in names))


def _programs(scratch: Path, bare_debs: Path) -> Path:
    """Lay the programs and a unit out as packages install them."""
    run("tar", "-xf", bare_debs, "-C", scratch)
    unpacked = scratch / "unpacked"
    for package in (scratch / dockerrepo.BARE_DIRECTORY).glob("*.deb"):
        run("dpkg-deb", "-x", package, unpacked)
    tree = scratch / "tree"
    programs = tree / "usr/bin"
    programs.mkdir(parents=True)
    for path in (*ENGINE_FILES, *CONTAINERD_FILES, "/usr/bin/docker"):
        name = Path(path).name
        found = next(each for each in unpacked.rglob(name) if each.parent.name in ("bin", "sbin"))
        shutil.copy(unpacked / "usr/bin/tini-static" if found.is_symlink() else found, programs)
        if found.is_symlink():
            (programs / "tini-static").rename(programs / name)
    unit = tree / SERVICE.lstrip("/")
    unit.parent.mkdir(parents=True)
    unit.write_text(UNIT, encoding="utf-8")
    return tree


def _pack_static(path: Path, tree: Path) -> None:
    with archive(path) as tar:
        for program in sorted((tree / "usr/bin").iterdir()):
            add_file(tar, f"docker/{program.name}", program)


def _build_rpms(scratch: Path, tree: Path) -> list[Path]:
    engine = "\n".join((*ENGINE_FILES, SERVICE))
    spec = scratch / "docker.spec"
    containerd = "\n".join(CONTAINERD_FILES)
    filled = SPEC.format(version=VERSION, engine=engine, containerd=containerd, tree=tree)
    spec.write_text(filled, encoding="utf-8")
    settings = {
        "_topdir": f"{scratch}/rpmbuild",
        "_build_id_links": "none",
        "debug_package": "%{nil}",
        "__os_install_post": "%{nil}",
        "_binary_payload": "w1.gzdio",
    }
    defines = [word for name, value in settings.items() for word in ("-D", f"{name} {value}")]
    run("rpmbuild", *defines, "-bb", spec)
    return sorted((scratch / "rpmbuild/RPMS").rglob("*.rpm"))


def _pack_rpms(made: Path, packages: list[Path]) -> None:
    repository = make_private(packages[0].parents[2] / "repository")
    for package in packages:
        shutil.copy(package, repository)
    run("createrepo_c", "--no-database", repository)
    with archive(made / YUM_NAME) as tar:
        for path in sorted(each for each in repository.rglob("*") if each.is_file()):
            add_file(tar, f"el9/{path.relative_to(repository)}", path)
    with archive(made / BARE_RPM_NAME) as tar:
        for package in packages:
            add_file(tar, package.name, package)


def _pack_tools(path: Path, scratch: Path) -> None:
    status = next(cache_directory().glob("rootfs-*.status"))
    packages = dockerrepo.download(scratch / "apt", status, "dnf", "rpm")
    with archive(path) as tar:
        for package in packages:
            add_file(tar, package.name, package)
