"""Every host of `host_cases`: `check` first, then the job where `check` allowed it.

The cases of a room share a site: one host each, one `check`, one job.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import product
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest

from tests.lab import host_cases
from tests.lab.conftest import Install
from tests.lab.errors import LabError
from tests.lab.host_cases.case import HostCase
from tests.lab.hostkinds import Has
from tests.lab.labhost import LabHost
from tests.lab.network import DU_ADDRESS
from tests.lab.outside import assert_images
from tests.lab.program import Program
from tests.lab.shell import until
from tests.lab.site import Site
from tests.support.archives import ImageSpec, tar_of, write_bundle
from tests.support.registry import fresh_registry

MOST_AT_ONCE = 6
NAME = "example.org/site/small:1"
# What no failed job may leave: its directories and its processes.
LEFT = """
ls -d /tmp/airferry* /var/tmp/airferry* /etc/docker/*.airferry-* /root/.airferry-* 2>/dev/null
for process in /proc/[0-9]*; do
    case $(tr '\\0' ' ' <"$process/cmdline" 2>/dev/null) in
    *airferry-docker*|*docker*'system dial-stdio'*) echo "${process#/proc/}" ;;
    esac
done
true
"""


@dataclass(frozen=True)
class Batch:
    """Cases that share a site."""

    room: str
    has: Has
    plain_registry: bool
    cases: tuple[HostCase, ...]

    @property
    def name(self) -> str:
        """The test's id: a room, and the cases in it."""
        return f"{self.room}-{'+'.join(case.name for case in self.cases)}"


def batches() -> list[Batch]:
    """Return all cases, as many together as a site has hosts."""
    found: list[Batch] = []
    for module in iter_modules(host_cases.__path__):
        cases = getattr(import_module(f"{host_cases.__name__}.{module.name}"), "CASES", ())
        for has, plain in product(Has, (False, True)):
            kind = (has, plain)
            of_kind = [case for case in cases if (case.has, case.plain_registry) == kind]
            for start in range(0, len(of_kind), MOST_AT_ONCE):
                some = tuple(of_kind[start : start + MOST_AT_ONCE])
                found.append(Batch(module.name, has, plain, some))
    return found


@dataclass(frozen=True)
class Made:
    """A host that was made as a case says."""

    case: HostCase
    host: LabHost
    daemon_json: str

    @classmethod
    def of(cls, case: HostCase, host: LabHost) -> Made:
        """Make a host so, and note what must not change."""
        if case.has is not Has.NOTHING:
            host.run("systemctl", "start", "docker")
        host.run("sh", input=case.made)
        return cls(case, host, daemon_json(host))


def daemon_json(host: LabHost) -> str:
    """Return the file that Docker reads, with its kind, owner and mode."""
    kind = "stat -c '%F %U %a %N' daemon.json && stat -L -c '%U %a' daemon.json"
    script = f"cd /etc/docker 2>/dev/null && {kind} && cat daemon.json"
    return host.run("sh", "-c", script, check=False).stdout


@pytest.fixture(scope="session")
def small_images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An imagesDir with a bundle of one small image, and that image's ID."""
    directory = tmp_path_factory.mktemp("small")
    image = ImageSpec([NAME], [tar_of("small", b"small")])
    write_bundle(directory / "docker-imgs-small.tar", [image])
    return directory, image.image_id


@pytest.mark.parametrize("batch", batches(), ids=lambda batch: batch.name)
def test_hosts_as_sites_have_them(
    batch: Batch,
    site: Site,
    installation: Install,
    small_images: tuple[Path, str],
    tmp_path: Path,
) -> None:
    with ExitStack() as open_until_the_end:
        registry = "localhost:5001"
        config: dict[str, object] = {}
        if batch.plain_registry:
            registry = open_until_the_end.enter_context(fresh_registry(tmp_path, DU_ADDRESS))
            config = {
                "privateRegistryType": "custom",
                "privateRegistryBase": registry,
                "privateRegistryInsecure": True,
            }
        run_cases(batch, site, partial(installation, **config), small_images, registry)


def run_cases(
    batch: Batch,
    site: Site,
    installation: Install,
    small_images: tuple[Path, str],
    registry: str,
) -> None:
    """Make hosts as the cases say, check them, run the job, and look at what is left."""
    images_dir, image_id = small_images
    site.reset_hosts(batch.has, len(batch.cases))
    with ThreadPoolExecutor(len(batch.cases)) as pool:
        made = list(pool.map(Made.of, batch.cases, site.hosts))
    program = installation(imagesDir=str(images_dir))
    entries = [
        {**entry, **each.case.entry}
        for entry, each in zip(program.config["hosts"], made, strict=True)
    ]
    program.write_config(hosts=entries)
    write_openssh_config(program, made)

    run_with_logins(program, "check", made)
    checked = said_by_host(program)
    run_with_logins(program, "install", made)
    done = said_by_host(program)

    faults: list[str] = []
    for each in made:
        try:
            said = checked[each.host.name], done[each.host.name]
            assert_as_it_should_be(each, *said, image_id, registry)
        except (AssertionError, LabError) as fault:
            faults.append(f"{each.case.name}: {fault}")
    if batch.plain_registry:
        names = [each.host.name for each in made]
        program.run("host", "clean", *names, "--yes", expect=None)
        faults += filter(None, map(not_as_it_was, made))
    assert not faults, "\n\n".join(faults)


def write_openssh_config(program: Program, made: list[Made]) -> None:
    """Give each host its own known_hosts file and lines of the OpenSSH config."""
    if not any(each.case.openssh or each.case.known is not None for each in made):
        return
    config = program.directory / "ssh_config"
    config.write_text("".join(openssh_lines(program, each) for each in made))
    ssh = {**program.config["ssh"], "config": str(config)}
    del ssh["knownHosts"]
    program.write_config(ssh=ssh)


def openssh_lines(program: Program, made: Made) -> str:
    """Write a host's known_hosts file; return the lines about it."""
    case, host, site = made.case, made.host, program.site
    path = site.known_hosts_path
    if case.known is not None:
        lines = path.read_text(encoding="utf-8").splitlines()
        keys = {line.split()[0].split(",")[0]: line.split(maxsplit=1)[1] for line in lines}
        other = next(key for name, key in keys.items() if name != host.name)
        signer = host.run("cat", "/etc/ssh/ca.pub", check=False).stdout.strip()
        path = program.directory / f"known-{host.name}"
        known = case.known.format(address=host.address, key=keys[host.name], other=other, ca=signer)
        path.write_bytes(known.encode("latin-1"))
    return f"Host {host.address}\nUserKnownHostsFile {path}\n{case.openssh}"


def run_with_logins(program: Program, command: str, made: list[Made]) -> None:
    """Run a command, with what is typed for each host."""
    logins = {each.host.name: dict(each.case.login) for each in made if each.case.login}
    if not logins:
        program.run(command, expect=None)
        return
    read, write = os.pipe()
    os.write(write, json.dumps({"hosts": logins}).encode())
    os.close(write)
    program.run(command, "--secrets-fd", str(read), expect=None, handles=(read,))
    os.close(read)


def said_by_host(program: Program) -> dict[str, tuple[str, str]]:
    """Return the state of each host in the newest report, and all that is said of it."""
    report: dict[str, Any] = program.json("report", expect=None)
    log = program.run("report", "--log", expect=None).stdout
    return {
        target["name"]: (
            target["state"],
            json.dumps(target, ensure_ascii=False)
            + "".join(line for line in log.splitlines() if target["name"] in line),
        )
        for target in report["targets"]
    }


def assert_as_it_should_be(
    made: Made, checked: tuple[str, str], done: tuple[str, str], image_id: str, registry: str
) -> None:
    """Check one host: what was said, what was done, and what is left."""
    case, host = made.case, made.host
    refused, fails = case.refused, case.refused or case.fails
    for what, (state, said), words in (("check", checked, refused), ("job", done, fails)):
        assert ("failed" if words else "done") == state, f"{what}: {state}: {said}"
        for word in (*words, *case.warned):
            assert word in said, f"{what} does not say {word!r}: {said}"
        for word in case.unsaid:
            assert word not in said, f"{what} says {word!r}: {said}"
    if fails:
        assert made.daemon_json == daemon_json(host), "daemon.json was changed"
        until(lambda: not left_on(host), f"nothing is left: {left_on(host)}", 60)
    else:
        assert_images(host, {NAME: image_id}, [registry], case.docker)
    ended = host.run("sh", input=case.ended, check=False)
    assert 0 == ended.returncode, f"not as it should be: {ended.stdout}{ended.stderr}"
    if case.docker_runs and case.has is not Has.NOTHING:
        again = host.run("systemctl", "restart", "docker", check=False)
        assert 0 == again.returncode, f"Docker does not start again: {again.stderr}"


def not_as_it_was(made: Made) -> str:
    """Return what is not as it was before the job on a host that was cleaned."""
    case, host = made.case, made.host
    now, cleaned = daemon_json(host), host.run("sh", input=case.cleaned, check=False)
    if made.daemon_json == now and cleaned.returncode == 0 and not left_on(host):
        return ""
    return (
        f"{case.name}: cleaned, but: {made.daemon_json!r} became {now!r}; "
        f"{cleaned.stdout}{cleaned.stderr}{left_on(host)}"
    )


def left_on(host: LabHost) -> str:
    """Return what a job has left on a host."""
    return host.run("sh", input=LEFT).stdout.strip()  # not in a command line that it finds itself


def test_cases_have_names_of_their_own() -> None:
    names = [case.name for batch in batches() for case in batch.cases]
    assert sorted(set(names)) == sorted(names)
