"""Mode custom with registries that ask for a login: by password, and by a token server's tokens."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.lab.conftest import Install
from tests.lab.labhost import LabHost
from tests.lab.network import DU_ADDRESS
from tests.lab.outside import assert_images, expected_ids, site_name
from tests.lab.program import Program
from tests.lab.shell import run, until
from tests.lab.site import Site
from tests.support.certificates import Authority, make_authority
from tests.support.logins import PASSWORD, USER, TokenServer, htpasswd, token_server
from tests.support.ports import free_port
from tests.support.processes import running
from tests.support.registry import running_registry

BY_ENVIRONMENT = {"AIRFERRY_REGISTRY_USER": USER, "AIRFERRY_REGISTRY_PASSWORD": PASSWORD}
WRONG = {**BY_ENVIRONMENT, "AIRFERRY_REGISTRY_PASSWORD": "wrong-7Gq1"}
SEARCH = f"""
grep -rlsF -e '{PASSWORD}' -e "$(printf %s '{USER}:{PASSWORD}' | base64)" \\
    /etc /home /root /tmp /var /run --exclude-dir=docker || true
"""
NO_FORWARDING = "/etc/ssh/sshd_config.d/00-no-forwarding.conf"

pytestmark = pytest.mark.hosts(1)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path)


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def by_password(opened: ExitStack, authority: Authority, tmp_path: Path) -> str:
    """The address of a registry with TLS and htpasswd that the hosts reach."""
    certificate, auth = authority.issue(DU_ADDRESS), htpasswd(tmp_path)
    return opened.enter_context(running_registry(tmp_path, DU_ADDRESS, certificate, auth)).address


@pytest.fixture
def tokens(opened: ExitStack, authority: Authority) -> TokenServer:
    """A token server that the hosts reach; its tokens live for three seconds."""
    server = TokenServer(authority.issue(DU_ADDRESS), DU_ADDRESS, lifetime_s=3)
    return opened.enter_context(token_server(server))


@pytest.fixture
def by_token(opened: ExitStack, authority: Authority, tokens: TokenServer, tmp_path: Path) -> str:
    """The address of a registry with TLS that wants its tokens."""
    certificate, auth = authority.issue(DU_ADDRESS), tokens.settings()
    return opened.enter_context(running_registry(tmp_path, DU_ADDRESS, certificate, auth)).address


def custom(installation: Install, base: str, authority: Authority, **more: object) -> Program:
    """Return an installation in mode custom."""
    return installation(
        privateRegistryType="custom",
        privateRegistryBase=base,
        privateRegistryCA=str(authority.path),
        **more,
    )


def assert_told_nobody(program: Program, host: LabHost, place: Path) -> None:
    """Look for the password wherever it could have been left."""
    place.mkdir()
    program.run("support", "--to", str(place))
    paths = [*program.directory.rglob("*"), *place.rglob("*")]
    assert [] == [p for p in paths if p.is_file() and PASSWORD.encode() in p.read_bytes()]
    assert PASSWORD not in program.run("report", "--log").stdout
    assert "" == host.run("sh", input=SEARCH).stdout


def processes_that_show(secret: str, pid: int) -> list[str]:
    """Return the command lines that have a secret, and the engine if its environment has it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            for name in ("cmdline", *(["environ"] if int(entry.name) == pid else [])):
                try:
                    text = (entry / name).read_bytes()
                except OSError:
                    continue
                if secret.encode() in text:
                    found.append(f"{entry}/{name}")
    return found


def test_by_password(
    docker_site: Site,
    installation: Install,
    by_password: str,
    authority: Authority,
    tmp_path: Path,
) -> None:
    host, base = docker_site.hosts[0], f"{by_password}/site/images"
    program = custom(installation, base, authority)

    none = program.run("plan", expect=1).stdout
    assert "[E-REG-LOGIN]" in none
    assert "AIRFERRY_REGISTRY_PASSWORD" in none
    assert "[E-REG-LOGIN-WRONG]" in program.run("plan", environment=WRONG, expect=1).stdout

    begun = program.run("install", "--detach", "--json", environment=BY_ENVIRONMENT)
    number = int(json.loads(begun.stdout)["run"])
    engine, shown = program.engine_pid(number), set[str]()

    def ended() -> bool:
        shown.update(processes_that_show(PASSWORD, engine))
        shown.update(
            host.run(
                "sh", "-c", f"pgrep -fa -- '{PASSWORD[:4]}[{PASSWORD[4]}]'", check=False
            ).stdout.splitlines()
        )
        return bool(program.peek(number)["state"] != "running")

    until(ended, "the run ends", every_s=0.1)
    report = program.report(str(number))
    assert "done" == report["state"], json.dumps(report)
    assert set() == shown
    reached = program.step("du", "registry.reach")["message"]
    assert f"login of {USER} (from AIRFERRY_REGISTRY_PASSWORD), may pull and push" == reached
    assert f"{by_password} answers" == program.step(host.name, "registry.reach")["message"]
    assert_images(host, expected_ids(docker_site), {base})
    name = site_name("k8s.gcr.io/pause:3.5", base)
    raw = run(
        *("skopeo", "inspect", "--raw", "--creds", f"{USER}:{PASSWORD}", "--tls-verify=false"),
        f"docker://{name}",
    ).stdout
    assert expected_ids(docker_site)["k8s.gcr.io/pause:3.5"] == json.loads(raw)["config"]["digest"]
    refused = host.run("docker", "pull", name, check=False)
    assert 0 != refused.returncode, "the host itself keeps no login"
    assert_told_nobody(program, host, tmp_path / "support")


def test_other_ways_to_give_the_login(
    docker_site: Site,
    installation: Install,
    by_password: str,
    authority: Authority,
    tmp_path: Path,
) -> None:
    """Typed, and from Docker's config.json: for an import, a list, a backup, a restore."""
    base = f"{by_password}/site"
    program = custom(installation, base, authority, privateRegistryUser=USER)
    bundle, typed = str(docker_site.images_dir / "extra-calico.tar"), f"{PASSWORD}\n"
    program.run("import", bundle, "--ask-registry-password", typed=typed)
    kept = tmp_path / "docker-config"
    run(
        *("skopeo", "login", "--authfile", str(kept / "config.json"), "--tls-verify=false"),
        *("-u", USER, "--password-stdin", by_password),
        input=PASSWORD,
    )
    by_docker = {"DOCKER_CONFIG": str(kept)}
    listed = program.run("registry", "list", environment=by_docker).stdout
    assert "calico" in listed
    assert listed == program.run("registry", "list", "--ask-registry-password", typed=typed).stdout
    outdir = tmp_path / "stick"
    outdir.mkdir()
    program.run("backup", "--outdir", str(outdir), environment=by_docker)
    saved = next(path for path in outdir.iterdir() if path.suffix == ".tar")
    done = program.run("restore", str(saved), environment=by_docker)
    assert "Nothing had to be done" in done.stdout
    assert "E-REG-LOGIN" in program.run("restore", str(saved), expect=1).stdout


def test_hosts_keep_the_login_only_if_asked(
    docker_site: Site, installation: Install, by_password: str, authority: Authority
) -> None:
    host, base = docker_site.hosts[0], f"{by_password}/site"
    program = custom(installation, base, authority, privateRegistryHostLogin=True)
    host.run("mkdir", "-p", "/root/.docker")
    before = {"detachKeys": "ctrl-x", "auths": {"other.site": {"auth": "eDp5"}}}
    host.run("tee", "/root/.docker/config.json", input=json.dumps(before))
    program.run("plan", environment=BY_ENVIRONMENT)
    assert before == json.loads(host.run("cat", "/root/.docker/config.json").stdout)

    program.run("install", environment=BY_ENVIRONMENT)

    name = site_name("k8s.gcr.io/pause:3.5", base)
    host.run("docker", "pull", name)
    found = json.loads(host.run("cat", "/root/.docker/config.json").stdout)
    assert {"other.site", by_password} == set(found["auths"])
    assert "600" == host.run("stat", "-c", "%a", "/root/.docker/config.json").stdout.strip()
    assert "Nothing had to be done" in program.run("install", environment=BY_ENVIRONMENT).stdout
    program.run("host", "clean", host.name, "--yes")
    assert before == json.loads(host.run("cat", "/root/.docker/config.json").stdout)
    assert "" == host.run("sh", input=SEARCH).stdout
    assert "Nothing to do" in program.run("host", "clean", host.name, "--dry-run").stdout
    host.run("rm", "/root/.docker/config.json")


def test_by_tokens_that_live_for_seconds(
    docker_site: Site,
    installation: Install,
    by_token: str,
    tokens: TokenServer,
    authority: Authority,
    tmp_path: Path,
) -> None:
    host, base = docker_site.hosts[0], f"{by_token}/team/images"
    program = custom(installation, base, authority)
    tokens.grant = lambda user, _kind, _name: {"pull"} if user else set()
    denied = program.run("plan", environment=BY_ENVIRONMENT, expect=1).stdout
    assert "[E-REG-DENIED]" in denied
    assert f"does not let {USER} push to team/images/" in denied
    assert "[E-REG-LOGIN-WRONG]" in program.run("plan", environment=WRONG, expect=1).stdout
    assert [USER] == tokens.refused, "a wrong password is sent once"
    tokens.grant = lambda user, _kind, _name: {"pull", "push"} if user else set()

    program.run("install", environment=BY_ENVIRONMENT)

    assert_images(host, expected_ids(docker_site), {base})
    pulled = f"repository:{site_name('k8s.gcr.io/pause', 'team/images')}:pull"
    assert pulled in tokens.issued, "Docker on the host got tokens of its own"
    done = program.run("install", environment=BY_ENVIRONMENT)
    assert "Nothing had to be done" in done.stdout
    assert_told_nobody(program, host, tmp_path / "support")


@contextmanager
def led_to(site: Site, host: LabHost, port: int, target: str) -> Iterator[None]:
    """Lead a port of the host's own loopback to an address of this machine."""
    command = [
        *("ssh", "-N", "-i", str(site.key_path), "-o", "ExitOnForwardFailure=yes"),
        *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
        *("-R", f"127.0.0.1:{port}:{target}", f"root@{host.address}"),
    ]
    with running(command, stderr=subprocess.DEVNULL):
        listens = f":{port} "
        until(lambda: listens in host.run("ss", "-ltn").stdout, "the forward")
        yield


def test_what_a_host_finds_instead_of_the_registry(
    docker_site: Site,
    installation: Install,
    opened: ExitStack,
    authority: Authority,
    tmp_path: Path,
) -> None:
    """The DU's own `localhost` is a name that leads elsewhere on every host."""
    host, auth = docker_site.hosts[0], htpasswd(tmp_path)
    certificate = authority.issue("localhost")
    registry = opened.enter_context(running_registry(tmp_path, "127.0.0.1", certificate, auth))
    port = registry.address.rpartition(":")[2]
    program = custom(installation, f"localhost:{port}", authority)

    def found_by_host() -> dict[str, str]:
        program.run("plan", environment=BY_ENVIRONMENT, expect=1)
        newest = max(entry["run"] for entry in program.json("runs"))
        assert "present" == program.step("du", "registry.reach", str(newest))["state"]
        error: dict[str, str] = program.step(host.name, "registry.reach", str(newest))["error"]
        return error

    refused = found_by_host()
    assert "E-HOST-REG" == refused["code"]
    assert (
        f"{host.name}: the registry localhost:{port} is not reached from there" in refused["what"]
    )
    assert "refused" in refused["what"].lower()

    others = tmp_path / "others"
    others.mkdir()
    foreign = make_authority(others, "other-ca").issue("localhost")
    other = opened.enter_context(running_registry(others, "127.0.0.1", foreign))
    with led_to(docker_site, host, int(port), other.address):
        untrusted = found_by_host()
    assert "E-HOST-REG-TLS" == untrusted["code"]
    assert "a CA that is not known here" in untrusted["what"]

    program.write_config(privateRegistryBase=f"localhost:{free_port()}/x")
    gone = program.run("plan", environment=BY_ENVIRONMENT, expect=1).stdout
    assert "[E-REG-GONE]" in gone
    assert "privateRegistryBase" in gone

    program.write_config(privateRegistryBase=f"no-such-name.invalid:{port}")
    program.run("check", environment=BY_ENVIRONMENT, expect=1)
    newest = max(entry["run"] for entry in program.json("runs"))
    unknown = program.step(host.name, "registry.reach", str(newest))["error"]["what"]
    assert "not known" in unknown or "name resolution" in unknown, unknown


def test_where_sshd_forbids_forwarding_the_pull_tells(
    docker_site: Site, installation: Install, by_password: str, authority: Authority
) -> None:
    host = docker_site.hosts[0]
    program = custom(installation, by_password, authority)
    host.run("tee", NO_FORWARDING, input="AllowTcpForwarding no\n")
    host.run("systemctl", "reload", "ssh")
    try:
        done = program.run("check", "--verbose", environment=BY_ENVIRONMENT)
    finally:
        host.run("rm", NO_FORWARDING)
        host.run("systemctl", "reload", "ssh")
    assert f"whether the host reaches {by_password} shows only when it pulls" in done.stdout


def test_a_registry_that_takes_nothing(
    installation: Install,
    opened: ExitStack,
    authority: Authority,
    tmp_path: Path,
) -> None:
    certificate, auth = authority.issue(DU_ADDRESS), htpasswd(tmp_path)
    registry = opened.enter_context(running_registry(tmp_path, DU_ADDRESS, certificate, auth))
    registry.stop()
    registry.read_only = True
    registry.start()
    program = custom(installation, registry.address, authority)
    done = program.run("plan", environment=BY_ENVIRONMENT, expect=1)
    assert "[E-REG-READONLY]" in done.stdout


def test_a_token_server_that_only_this_machine_reaches(
    docker_site: Site,
    installation: Install,
    opened: ExitStack,
    authority: Authority,
    tmp_path: Path,
) -> None:
    """Docker on the host gets its tokens there itself."""
    server = TokenServer(authority.issue("localhost"), "localhost")
    tokens = opened.enter_context(token_server(server))
    certificate = authority.issue(DU_ADDRESS)
    registry = running_registry(tmp_path, DU_ADDRESS, certificate, tokens.settings())
    address = opened.enter_context(registry).address
    program = custom(installation, address, authority)
    program.run("plan", environment=BY_ENVIRONMENT, expect=1)
    newest = str(max(entry["run"] for entry in program.json("runs")))
    assert "present" == program.step("du", "registry.reach", newest)["state"]
    error = program.step(docker_site.hosts[0].name, "registry.reach", newest)["error"]
    assert "E-HOST-REG" == error["code"]
    where = f"the token server of the registry {address}, localhost:{tokens.port} is not reached"
    assert where in error["what"]
