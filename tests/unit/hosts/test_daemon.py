"""Which Docker is a host's: the shell that finds it, run under dash on real processes and files."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from core.hosts.daemon import FUNCTIONS, Daemon, engine_words, message_of, read_daemon
from tests.support.waiting import HANG_S, until


def dash(script: str, **environment: str) -> str:
    """Run shell text behind the functions, as on a host."""
    return subprocess.run(
        ["dash", "-s"],
        input=f"set -eu\n{FUNCTIONS}\n{script}",
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG_S,
        env={**os.environ, **environment},
    ).stdout


def is_called_dockerd(pid: int) -> bool:
    return Path(f"/proc/{pid}/comm").read_text().startswith("dockerd")


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Path]:
    """A directory with a process that is called dockerd, and one that only says its version."""
    sleep = shutil.which("sleep")
    assert sleep
    for name in ("dockerd", "dockerd-proxy"):
        shutil.copy(sleep, tmp_path / name)
    (tmp_path / "dockerd-script").write_text("#!/bin/sh\nsleep 999 & wait\n")
    (tmp_path / "dockerd-script").chmod(0o755)
    with (
        subprocess.Popen([tmp_path / "dockerd", "999"]) as one,
        subprocess.Popen([tmp_path / "dockerd-script"], start_new_session=True) as script,
    ):
        (tmp_path / "pid").write_text(str(one.pid))
        (tmp_path / "script.pid").write_text(str(script.pid))
        for process in (one, script):
            until(partial(is_called_dockerd, process.pid), "it has its name")
        yield tmp_path
        one.kill()
        os.killpg(script.pid, 9)


def test_a_dockerd_is_found_wherever_it_lies_and_a_script_around_it_is_none(
    programs: Path,
) -> None:
    found = dash("dockerds").split()
    assert (programs / "pid").read_text() in found
    assert (programs / "script.pid").read_text() not in found


def test_the_socket_that_a_process_really_listens_on(tmp_path: Path) -> None:
    listeners = []
    for name in ("metrics.sock", "docker.sock"):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / name))
        listener.listen()
        listeners.append(listener)
    try:
        assert f"{tmp_path}/docker.sock\n" == dash(f"socket_of {os.getpid()}")
    finally:
        for listener in listeners:
            listener.close()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            '#!/bin/sh\n[ -e /etc/containers/nodocker ] || echo x\nexec /usr/bin/podman "$@"\n',
            "podman",
        ),
        ("#!/bin/sh\nexec nerdctl $*\n", "nerdctl"),
        ("#!/bin/sh\nexec /opt/site/docker $*\n", ""),
        ("\x7fELF podman", ""),
    ],
)
def test_a_command_that_is_called_docker(tmp_path: Path, text: str, what: str) -> None:
    command = tmp_path / "docker"
    command.write_text(text)
    script = f"docker_is=''; is_other_command {command} || true; echo $docker_is"
    assert what == dash(script).strip()


def test_a_link_to_podman(tmp_path: Path) -> None:
    (tmp_path / "podman").write_bytes(b"\x7fELF")
    (tmp_path / "docker").symlink_to("podman")
    script = f"docker_is=''; is_other_command {tmp_path}/docker && echo $docker_is"
    assert "podman" == dash(script).strip()


def test_nothing_of_the_login_leads_elsewhere(tmp_path: Path) -> None:
    client = tmp_path / "docker"
    client.write_text('#!/bin/sh\necho "$@"\nexport -p\n')
    client.chmod(0o755)
    said = dash(
        f"docker_client={client}; docker_socket=/run/x.sock; ask_docker info",
        DOCKER_HOST="tcp://10.0.0.1:2375",
        DOCKER_CONTEXT="other",
        DOCKER_TLS_VERIFY="1",
        DOCKER_CONFIG="/root/.docker",
        HOME="/root",
    )
    assert "-H unix:///run/x.sock info" == said.splitlines()[0]
    assert ["export DOCKER_CONFIG='/nonexistent'"] == [
        line for line in said.splitlines() if "DOCKER_" in line
    ]
    assert "HOME" not in said


def test_what_is_printed_is_read() -> None:
    said = dash("find_docker; docker_pid=7; docker_main=7; docker_exe=/opt/d; tell_docker")
    values = dict(line.split("=", 1) for line in said.splitlines())
    found = read_daemon(values)
    assert (7, "/opt/d", True) == (found.pid, found.program, found.by_unit)


@pytest.mark.parametrize("pid", ["", "x", "9" * 5000, "-1", "\u0663"])
def test_a_pid_that_is_none(pid: str) -> None:
    assert Daemon() == read_daemon({"docker_pid": pid})


FAILED = """\
time="2026-12-01T02:12:04.1Z" level=info msg="Starting up"
failed to start daemon: error initializing graphdriver: "x" not supported
docker.service: Main process exited, code=exited, status=1/FAILURE
docker.service: Failed with result 'exit-code'.
"""


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (FAILED, 'failed to start daemon: error initializing graphdriver: "x" not supported'),
        ('time="t" level=error msg="Error reloading: \\"x\\" no" e=1\n', 'Error reloading: "x" no'),
        ("one\ntwo\n", "two"),
        ("", "it did not say why"),
    ],
)
def test_the_engine_s_own_words(log: str, words: str) -> None:
    assert words == engine_words(log)


def test_a_line_that_is_no_log() -> None:
    assert "plain" == message_of(" plain\n")
