"""Faults in the middle of the job: a clear error, the others finish, and a second run completes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from tests.lab.conftest import Install
from tests.lab.outside import assert_warmed
from tests.lab.program import Program
from tests.lab.shell import GUARD_S, run, until
from tests.lab.site import Site
from tests.lab.warming import lift, slow_down
from tests.support.archives import ImageSpec, tar_of, write_bundle
from tests.support.processes import running

DOCKER_REPO_SENT = 60_000_000
BIG_LAYERS = 8
BIG_LAYER_BYTES = 48 << 20


@pytest.fixture(scope="session")
def big_images() -> list[ImageSpec]:
    """An image of incompressible layers: its import takes long enough to be caught in the act."""
    layers = [
        tar_of(f"noise/{n}", random.Random(n).randbytes(BIG_LAYER_BYTES))  # noqa: S311
        for n in range(BIG_LAYERS)
    ]
    return [ImageSpec(["example.org/big/noise:1"], layers)]


@pytest.fixture
def big_directory(tmp_path: Path, big_images: list[ImageSpec]) -> Path:
    """An imagesDir with that image's bundle."""
    directory = tmp_path / "imgs"
    directory.mkdir()
    write_bundle(directory / "docker-imgs-big.tar", big_images)
    return directory


def _in_the_middle(step: dict[str, object]) -> bool:
    return step["state"] == "running" and int(str(step["bytes"])) > 3 * BIG_LAYER_BYTES


def test_engine_killed_while_importing(big_directory: Path, installation: Install) -> None:
    program = installation(hosts=[], imagesDir=str(big_directory))
    first = program.begin("install")
    program.wait_for_step("du", "bundle.import", _in_the_middle)
    program.kill_engine(first)
    assert not program.json("registry", "list"), "no tag before the whole bundle was verified"

    program.run("install")

    step = program.step("du", "bundle.import")
    assert "done" == step["state"]
    _, sent, kept = (int(word) for word in step["message"].split() if word.isdigit())
    assert kept >= 2, step["message"]
    assert BIG_LAYERS == sent + kept
    assert "were there already" in program.run("report").stdout


def test_engine_killed_while_installing_docker(bare_site: Site, installation: Install) -> None:
    program = installation()
    first = program.begin("install", "--skip-docker-img-import")
    program.wait_for_step(
        "worker-01", "docker.install", lambda step: step["bytes"] > DOCKER_REPO_SENT
    )
    program.kill_engine(first)

    # The hosts are still at it: the next run waits for them instead of getting in their way.
    program.run("install", "--skip-docker-img-import")

    for host in bare_site.hosts:
        assert "active" == host.run("systemctl", "is-active", "docker").stdout.strip()
        assert "" == host.run("sh", "-c", "ls -d /var/tmp/airferry-docker.* || true").stdout


@pytest.mark.hosts(2)
def test_engine_killed_while_warming(docker_site: Site, installation: Install) -> None:
    slow_down(docker_site.hosts[0])
    program = installation()
    first = program.begin("install")
    program.wait_for_step(
        "worker-01", "images.warm", lambda step: step["state"] == "running" and step["bytes"]
    )
    program.kill_engine(first)
    lift(docker_site.hosts[0])

    done = program.run("install")

    assert "nothing to do" in done.stdout
    assert "present" == program.step("worker-01", "docker.install")["state"]
    assert "present" == program.step("du", "bundle.import")["state"]
    for host in docker_site.hosts:
        assert_warmed(docker_site, host)
    states = {run["run"]: run["state"] for run in program.json("runs")}
    assert "interrupted" == states[first]


def test_two_bad_hosts_do_not_hold_up_the_third(
    docker_site: Site, installation: Install, tmp_path: Path
) -> None:
    wrong_key = tmp_path / "wrong"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(wrong_key))
    program = installation()
    hosts = program.config["hosts"]
    right_hosts = [dict(host) for host in hosts]
    hosts[1]["key"] = str(wrong_key)
    program.write_config(hosts=hosts)
    dead = docker_site.hosts[2]
    dead.stop()

    done = program.run("install", expect=1)

    assert_warmed(docker_site, docker_site.hosts[0])
    for words in ("worker-02", "E-SSH-LOGIN", "authorized_keys", "worker-03", "E-SSH-ROUTE"):
        assert words in done.stdout
    error = program.step("worker-03", "connect")["error"]
    assert "cable" in error["remedy"]

    dead.start()
    program.write_config(hosts=right_hosts)
    program.run("configure-hosts", "--only-failed")

    names = [target["name"] for target in program.report()["targets"]]
    assert ["du", "worker-02", "worker-03"] == names
    for host in docker_site.hosts:
        assert_warmed(docker_site, host)
    assert "nothing to do" in program.run("configure-hosts", "--only-failed").stdout


def test_registry_dies_while_importing(big_directory: Path, installation: Install) -> None:
    """Where no systemd starts it again, the run does, and goes on with what is not there yet."""
    program = installation(hosts=[], imagesDir=str(big_directory))
    program.run("registry", "start")
    pid = program.json("registry", "status")["pid"]
    first = program.begin("install")
    program.wait_for_step("du", "bundle.import", _in_the_middle)
    os.kill(pid, signal.SIGKILL)

    report = program.wait(first)

    assert "done" == report["state"]
    assert ("done", 2) == ((step := program.step("du", "bundle.import"))["state"], step["attempt"])
    assert "done" == program.step("du", "registry.serve")["state"]
    assert pid != program.json("registry", "status")["pid"]
    assert ["big/noise:1"] == [entry["name"] for entry in program.json("registry", "list")]


def test_truncated_bundle(site: Site, installation: Install, tmp_path: Path) -> None:
    directory = tmp_path / "imgs"
    directory.mkdir()
    for source in site.images_dir.iterdir():
        (directory / source.name).write_bytes(source.read_bytes())
    cut = directory / "extra-calico.tar"
    whole = cut.read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    program = installation(hosts=[], imagesDir=str(directory))

    done = program.run("install", expect=1)

    assert "extra-calico.tar" in done.stdout
    assert "E-BUNDLE-CUT" in done.stdout
    names = {entry["name"] for entry in program.json("registry", "list")}
    assert "calico/cni:v3.20.0" not in names

    cut.write_bytes(whole)
    program.run("install")
    assert "calico/cni:v3.20.0" in {entry["name"] for entry in program.json("registry", "list")}


def test_host_key_that_changed_or_is_new(
    docker_site: Site, installation: Install, tmp_path: Path
) -> None:
    known = tmp_path / "known_hosts"
    lines = docker_site.known_hosts_path.read_text(encoding="utf-8").splitlines()
    address = docker_site.hosts[0].address
    other_key = lines[1].split(maxsplit=1)[1]
    known.write_text(f"{address} {other_key}\n" + lines[1] + "\n", encoding="utf-8")
    program = installation(ssh={**installation().config["ssh"], "knownHosts": str(known)})

    report = program.json("check", expect=1)

    errors = [target["steps"][0]["error"] for target in report["targets"]]
    assert "E-SSH-KEY-CHANGED" == errors[0]["code"]
    assert errors[1] is None
    assert "E-SSH-KEY-NEW" == errors[2]["code"]
    assert "SHA256:" in errors[2]["what"]
    program.run("check", "--host", "worker-03", "--accept-new-host-keys")
    program.run("check", "--host", "worker-03")
    program.run("check", "--host", "worker-01", "--accept-new-host-keys", expect=1)


def test_only_one_run_at_a_time(installation: Install, tmp_path: Path) -> None:
    """The first one reads a pipe out of which nothing comes, so it is at work until it is ended."""
    program = installation(hosts=[])
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    first = program.begin("import", str(pipe))
    with pipe.open("wb"):  # one into which nobody writes is given up after a while
        second = program.run("install", expect=2)
        assert f"run {first}" in second.stderr
        program.run("cancel")
        assert "cancelled" == program.wait(first)["state"]


@pytest.mark.hosts(1)
def test_cancel_while_warming(docker_site: Site, installation: Install) -> None:
    slow_down(docker_site.hosts[0])
    program = installation()
    first = program.begin("install")
    program.wait_for_step(
        "worker-01", "images.warm", lambda step: step["state"] == "running" and step["bytes"]
    )
    program.run("cancel")
    lift(docker_site.hosts[0])
    assert "cancelled" == program.wait(first)["state"]
    assert "cancelled" == program.step("worker-01", "images.warm")["state"]
    until(lambda: not _engine_lives(program, first), "the engine ends")
    program.run("install")
    assert_warmed(docker_site, docker_site.hosts[0])


def _engine_lives(program: Program, run_number: int) -> bool:
    stat = Path(f"/proc/{program.engine_pid(run_number)}/stat")
    return stat.exists() and ") Z " not in stat.read_text(encoding="utf-8")


def test_ctrl_c_cancels_within_seconds(big_directory: Path, installation: Install) -> None:
    program = installation(hosts=[], imagesDir=str(big_directory))
    program.run("registry", "start")
    with running(
        program.command("import"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        program_is_importing(program)
        process.send_signal(signal.SIGINT)
        assert 130 == process.wait(GUARD_S)
    uploads = list((program.directory / "registry").rglob("_uploads/*/data"))
    assert not uploads, "no upload session is left behind"


def program_is_importing(program: Program) -> None:
    """Wait until an import is under way."""
    until(
        lambda: any(run["state"] == "running" for run in program.json("runs")),
        "the run begins",
    )
    program.wait_for_step("du", "bundle.import", _in_the_middle)
