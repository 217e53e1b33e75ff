"""What a host says of itself, really asked under dash, and what preflight makes of it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import HostCommandFailed
from core.hosts import facts as facts_module
from core.hosts.daemon import FUNCTIONS
from core.hosts.docker import daemon_json
from core.hosts.docker_install import install as packages
from core.hosts.facts import DockerFacts, Facts, parse_facts
from core.hosts.tunnel import answers, port_holder, reach
from core.hosts.tunnel import keys as tunnel_keys
from tests.support.waiting import HANG_S

SCRIPTS = sorted(Path(facts_module.__file__).parent.rglob("*.sh"))
MIB = 1 << 20
FIT = Facts(
    os_id="debian",
    os_version="12",
    os_like=(),
    os_name="Debian GNU/Linux 12 (bookworm)",
    arch="amd64",
    kernel="6.1",
    cpus=2,
    memory_bytes=4 << 30,
    store_free_bytes=20_000_000_000,
    tmp_free_bytes=2 << 30,
    clock_skew_s=1.0,
    init="systemd",
    root="direct",
    unpack_free_bytes=3 << 30,
)
ANSWER = """\
os_id=debian
os_version=12
os_like=
os_name=Debian GNU/Linux 12 (bookworm)
arch=x86_64
kernel=6.1
cpus=2
memory_kib=4194304
clock=1001
init=systemd
store_free_kib=19531250
tmp_free_kib=2097152
var_tmp_free_kib=3145728
root=direct
docker_path=
port_inode=
facts=complete
"""


@pytest.fixture(scope="module")
def dash() -> str:
    found = shutil.which("dash")
    assert found, "the scripts for hosts are tested under dash: install the package dash"
    return found


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def ask(dash: str, *arguments: str, path: str | None = None) -> str:
    """Run facts.sh as it is run on a host: through standard input."""
    return subprocess.run(
        [dash, "-s", "--", *arguments],
        input=facts_module.SCRIPT,
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG_S,
        env={**os.environ, "PATH": path or os.environ["PATH"]},
    ).stdout


def test_there_are_scripts() -> None:
    assert {"facts.sh", "install_docker.sh"} <= {path.name for path in SCRIPTS}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_posix_shell(dash: str, script: Path) -> None:
    done = subprocess.run([dash, "-n", script], capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)


def test_scripts_are_those_that_are_sent() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in SCRIPTS}
    sent = {f"install_{name}.sh": text for name, text in packages.SCRIPTS.items()}
    sent |= {f"{name}_settings.sh": text for name, text in daemon_json.SCRIPTS.items()}
    assert facts_module.SCRIPT.endswith(texts["facts.sh"])
    assert texts == {
        "facts.sh": texts["facts.sh"],
        "daemon.sh": FUNCTIONS,
        "remove_docker.sh": packages.REMOVE_SCRIPT,
        "authorize.sh": tunnel_keys.SCRIPT,
        "ask_port.sh": answers.SCRIPT,
        "port_holder.sh": port_holder.SCRIPT,
        "reach.sh": reach.SCRIPT,
        **sent,
    }


def test_this_machine_says_what_it_is(dash: str) -> None:
    begun = time.time()
    text, now = ask(dash, "1"), time.time()
    found = parse_facts("here", text, now)
    assert (os.uname().release, os.cpu_count()) == (found.kernel, found.cpus)
    assert (True, True, True) == (
        found.memory_bytes > 0,
        found.store_free_bytes > 0,
        found.tmp_free_bytes > 0,
    )
    assert begun - 1 < now + found.clock_skew_s <= now  # it says whole seconds
    assert Path("/proc/1/comm").read_text().strip() == found.init
    assert "direct" == found.root or os.geteuid() != 0


def test_a_port_that_is_taken_and_by_whom(dash: str, taken_port: int) -> None:
    found = parse_facts("here", ask(dash, str(taken_port)), 0)
    assert found.port_taken
    me = Path("/proc/self/comm").read_text(encoding="utf-8").strip()
    assert me == found.port_holder or os.geteuid() != 0


def test_a_port_that_is_free(dash: str, taken_port: int) -> None:
    with socket.socket() as bound_only:
        bound_only.bind(("127.0.0.1", 0))
        port = bound_only.getsockname()[1]
        assert port != taken_port
        assert not parse_facts("here", ask(dash, str(port)), 0).port_taken


def test_a_host_with_next_to_nothing(dash: str, tmp_path: Path) -> None:
    """What cannot be found out stays empty; the answer is whole all the same."""
    for name in ("uname", "date", "cat", "id", "dirname"):
        tool = shutil.which(name)
        assert tool
        (tmp_path / name).symlink_to(tool)
    found = parse_facts("here", ask(dash, "5001", path=str(tmp_path)), 0)
    assert (0, 0, 0, "") == (
        found.cpus,
        found.memory_bytes,
        found.store_free_bytes,
        found.docker.path,
    )


VENDOR = {
    "dpkg-query": """#!/bin/sh
case $4 in
pf9-kube) printf 'installed 1.21.3-pmk.72' ;;
pf9-hostagent) printf 'config-files 5.1.0-1230' ;;
esac
""",
    "rpm": """#!/bin/sh
case $4 in
pf9-kube) echo "package $4 is not installed"; exit 1 ;;
pf9-hostagent) printf 5.2.0 ;;
esac
""",
}


@pytest.mark.parametrize(
    ("tool", "kube", "agent"), [("dpkg-query", "1.21.3-pmk.72", ""), ("rpm", "", "5.2.0")]
)
def test_the_vendor_s_packages(dash: str, tmp_path: Path, tool: str, kube: str, agent: str) -> None:
    """A fake package manager, because no package of the vendor is public; a removed one is none."""
    for name in ("uname", "date", "cat", "id", "dirname", "sed", "grep"):
        found = shutil.which(name)
        assert found
        (tmp_path / name).symlink_to(found)
    (tmp_path / tool).write_text(VENDOR[tool])
    (tmp_path / tool).chmod(0o755)
    facts = parse_facts("here", ask(dash, "5001", path=str(tmp_path)), 0)
    assert (kube, agent) == (facts.pf9_kube, facts.pf9_hostagent)


def test_an_answer_is_read() -> None:
    assert FIT == parse_facts("a", ANSWER, 1000.0)


# As `docker info` of Debian 12's Docker 20.10 answers; the other store written by hand from the
# documentation of Docker 29, of which none was at hand.
ENGINE = """\
docker_path=/usr/bin/docker
docker_version=20.10.24+dfsg1
docker_driver=overlay2
docker_root=/var/lib/docker
docker_store=[["Backing Filesystem","extfs"],["Supports d_type","true"]]
docker_security=["name=apparmor","name=seccomp,profile=default","name=cgroupns"]
docker_insecure=["127.0.0.0/8"]
"""
LATER_STORE = '[["driver-type","io.containerd.snapshotter.v1"]]'


@pytest.mark.parametrize(
    ("answer", "docker"),
    [
        (ENGINE, DockerFacts("/usr/bin/docker", "20.10.24+dfsg1", "overlay2")),
        (
            ENGINE.replace("20.10.24+dfsg1", "29.0.1").replace(
                '[["Backing Filesystem","extfs"],["Supports d_type","true"]]', LATER_STORE
            ),
            DockerFacts("/usr/bin/docker", "29.0.1", "overlay2", containerd_store=True),
        ),
        (
            ENGINE.replace('["127.0.0.0/8"]', "[]"),
            DockerFacts("/usr/bin/docker", "20.10.24+dfsg1", "overlay2", insecure_loopback=False),
        ),
        (
            ENGINE.replace('"name=cgroupns"', '"name=rootless"'),
            DockerFacts("/usr/bin/docker", "20.10.24+dfsg1", "overlay2", rootless=True),
        ),
        ("docker_path=/usr/bin/docker\ndocker_store=null\n", DockerFacts("/usr/bin/docker")),
        ("docker_path=\nrootless=yes\n", DockerFacts(rootless=True)),
    ],
)
def test_what_the_engine_says(answer: str, docker: DockerFacts) -> None:
    assert docker == parse_facts("a", ANSWER.replace("facts=", f"{answer}facts="), 1000.0).docker


@pytest.mark.parametrize(
    ("answer", "forwarding"),
    [
        ("", ""),
        ("sshd_allowtcpforwarding=yes\nsshd_disableforwarding=no\n", "yes"),
        ("sshd_allowtcpforwarding=all\n", "yes"),
        ("sshd_allowtcpforwarding=local\n", "local"),
        ("sshd_allowtcpforwarding=yes\nsshd_disableforwarding=yes\n", "no"),
    ],
)
def test_what_sshd_allows(answer: str, forwarding: str) -> None:
    found = parse_facts("a", ANSWER.replace("facts=", f"{answer}facts="), 1000.0)
    assert forwarding == found.forwarding


def test_every_fact_has_a_line_in_plain_words() -> None:
    lines = dict(replace(FIT, port_taken=True, port_holder="nginx", node_agent="nodelet").lines())
    assert ("taken by nginx", "not installed", "nodelet", "right") == (
        lines["registry port"],
        lines["Docker"],
        lines["node agent"],
        lines["clock"],
    )
    assert all(lines.values())


@pytest.mark.parametrize(("machine", "arch"), [("aarch64", "arm64"), ("riscv64", "riscv64")])
def test_architectures_have_their_image_names(machine: str, arch: str) -> None:
    assert arch == parse_facts("a", ANSWER.replace("x86_64", machine), 0).arch


@pytest.mark.parametrize("text", ["", "Welcome!\n", ANSWER[:-10], "os_id=debian\n"])
def test_an_answer_that_is_not_whole_is_refused(text: str) -> None:
    with pytest.raises(HostCommandFailed, match="a: the host did not say what it is"):
        parse_facts("a", text, 0)


def test_a_greeting_before_the_answer_is_no_harm() -> None:
    assert FIT == parse_facts("a", "Welcome!\nlast login: today = fine\n" + ANSWER, 1000.0)


@pytest.mark.parametrize(
    ("facts", "summary"),
    [
        (FIT, "Debian 12, no Docker, 20 GB free"),
        (replace(FIT, docker=DockerFacts("/usr/bin/docker")), "Debian 12, Docker, 20 GB free"),
        (
            replace(FIT, docker=DockerFacts("/usr/bin/docker", "20.10.24+dfsg1")),
            "Debian 12, Docker 20.10.24, 20 GB free",
        ),
        (replace(FIT, os_id="", os_version=""), "unknown system, no Docker, 20 GB free"),
    ],
)
def test_summaries(facts: Facts, summary: str) -> None:
    assert summary == facts.summary
