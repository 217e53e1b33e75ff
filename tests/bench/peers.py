"""The ways to warm hosts without Airferry: scp, Ansible, and `docker pull` by hand.

All of them work on all hosts at once, with the cipher that Airferry prefers, which is faster than
OpenSSH's default. Of Ansible's own SSH options two are left out: compression, which takes a whole
core for each host and most of the time here, and the shared connection, whose process would not be
counted.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

from tests.bench.measure import BenchError, Figure, measured
from tests.lab import dockerrepo, rootfs
from tests.lab.labhost import LabHost
from tests.lab.paths import REPOSITORY_ROOT, cache_directory, make_private
from tests.lab.shell import run, until
from tests.lab.site import Site

REQUIREMENTS = REPOSITORY_ROOT / "requirements-bench.txt"
CIPHER = "aes128-gcm@openssh.com"
AT_ONCE = 8
PULLS_AT_ONCE = 5
PULL_PORT = 5002
TUNNEL_TIMEOUT_S = 30.0
ON_HOST = "/root/bundle.tar"
HOST_PACKAGES = "/root/python"


def ssh_options(site: Site) -> list[str]:
    """Return the options with which OpenSSH's programs log in to the lab's hosts."""
    settings = {
        "IdentityFile": site.key_path,
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": site.known_hosts_path,
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def scp_and_load(site: Site, hosts: list[LabHost], bundle: Path) -> Figure:
    """Copy the bundle to every host, then load it there."""
    options = shlex.join(["-c", CIPHER, *ssh_options(site)])
    return _on_each(
        hosts,
        f"scp -q {options} {shlex.quote(str(bundle))} root@{{}}:{ON_HOST} && "
        f"ssh {options} root@{{}} docker load --quiet --input {ON_HOST}",
    )


def pulls(site: Site, hosts: list[LabHost], names: list[str]) -> Figure:
    """Pull everything on every host, five at once, through a tunnel that is open already."""
    options = shlex.join(["-c", CIPHER, *ssh_options(site)])
    listed = " ".join(f"localhost:{PULL_PORT}/{name}" for name in names)
    pull = f"printf '%s\\n' {listed} | xargs -P {PULLS_AT_ONCE} -n 1 docker pull --quiet"
    return _on_each(hosts, f"ssh {options} root@{{}} {shlex.quote(pull)}")


def _on_each(hosts: list[LabHost], command: str) -> Figure:
    """Run a shell command for every host, all at once; `{}` stands for the host's address."""
    addresses = "".join(f"{host.address}\n" for host in hosts)
    return measured(["xargs", "-P", str(AT_ONCE), "-I{}", "sh", "-c", command], addresses)


@contextmanager
def tunnels(site: Site, hosts: list[LabHost], registry_port: int) -> Iterator[list[int]]:
    """Lead a port of every host to the registry by `ssh -R`; yields the processes."""
    forward = f"127.0.0.1:{PULL_PORT}:127.0.0.1:{registry_port}"
    options = ["-c", CIPHER, *ssh_options(site), "-o", "ExitOnForwardFailure=yes"]
    with ExitStack() as stack:
        pids = []
        for host in hosts:
            process = subprocess.Popen(
                ["ssh", "-N", "-R", forward, *options, f"root@{host.address}"],
                stdin=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            pids.append(process.pid)
        for host in hosts:
            until(lambda host=host: _listens(host), "the tunnel listens", TUNNEL_TIMEOUT_S)  # type: ignore[misc]
        yield pids


def _listens(host: LabHost) -> bool:
    return f"127.0.0.1:{PULL_PORT} " in host.run("ss", "-ltn").stdout


def ansible_and_load(site: Site, hosts: list[LabHost], bundle: Path) -> Figure:
    """Copy the bundle with Ansible's `copy`, then load it there."""
    program = _ansible()
    with tempfile.TemporaryDirectory(prefix="airferry-bench-") as name:
        directory = Path(name)
        inventory, playbook = directory / "inventory.yml", directory / "playbook.yml"
        inventory.write_text(yaml.safe_dump(_inventory(hosts)), encoding="utf-8")
        playbook.write_text(yaml.safe_dump(_playbook(bundle), sort_keys=False), encoding="utf-8")
        settings = {
            "ANSIBLE_HOME": directory / "home",
            "ANSIBLE_SSH_ARGS": shlex.join(["-c", CIPHER, *ssh_options(site)]),
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_FORKS": AT_ONCE,
        }
        words = [f"{key}={value}" for key, value in settings.items()]
        return measured(["env", *words, str(program), "-i", str(inventory), str(playbook)])


def _inventory(hosts: list[LabHost]) -> dict[str, object]:
    each = {
        host.name: {
            "ansible_host": host.address,
            "ansible_user": "root",
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        for host in hosts
    }
    return {"all": {"hosts": each}}


def _playbook(bundle: Path) -> list[dict[str, object]]:
    copy = {"src": str(bundle), "dest": ON_HOST}
    load = f"docker load --quiet --input {ON_HOST}"
    tasks = [{"ansible.builtin.copy": copy}, {"ansible.builtin.command": load}]
    return [{"hosts": "all", "gather_facts": False, "strategy": "free", "tasks": tasks}]


def _ansible() -> Path:
    """Return `ansible-playbook`, from an environment of its own in the lab's cache."""
    mark = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    directory = make_private(cache_directory()) / f"ansible-{mark}"
    complete = directory / "complete"
    if not complete.exists():
        python = directory / "bin" / "python"
        run(sys.executable, "-m", "venv", "--clear", directory)
        quiet = ("-q", "--disable-pip-version-check", "--require-hashes")
        run(python, "-m", "pip", "install", *quiet, "-r", REQUIREMENTS)
        complete.touch()
    return directory / "bin" / "ansible-playbook"


def give_python(host: LabHost) -> None:
    """Install Python on a host, which has none: Ansible's `copy` needs it there."""
    host.put(_python_packages(), HOST_PACKAGES)
    unpack = f"dpkg --unpack --force-depends {HOST_PACKAGES}/*.deb"
    host.run("sh", "-c", f"{unpack} && dpkg --configure -a && rm -r {HOST_PACKAGES}")


def _python_packages() -> Path:
    directory = cache_directory() / f"python-{platform.machine()}"
    if not directory.is_dir():
        status = rootfs.ensure(cache_directory()).package_status
        with tempfile.TemporaryDirectory(dir=cache_directory(), prefix="making-") as scratch:
            packages = dockerrepo.download(Path(scratch, "apt"), status, "python3")
            made = make_private(Path(scratch, "made"))
            for package in packages:
                package.rename(made / package.name)
            made.rename(directory)
    return directory


def require_programs() -> None:
    """Say no before anything is made, where a program is missing.

    Raises:
        BenchError: OpenSSH's client is not installed.
    """
    paths = os.get_exec_path()
    for program in ("ssh", "scp", "xargs"):
        if not any(Path(path, program).exists() for path in paths):
            raise BenchError(f"{program} is not installed on this machine")
