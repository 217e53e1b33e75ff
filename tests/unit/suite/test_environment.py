"""The environment of tests is the same, whoever starts them and however."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.environment import EVERYWHERE, ROOMS
from tests.suite.phases import ROOT
from tests.support.ports import BLOCKS, free_port

TIMEOUT_S = 120.0
SAYS = """\
import json, os, signal, sys, tempfile, time
from pathlib import Path
from tests.environment import set_up
made = set_up()
umask = os.umask(0)
home, temporary = Path(os.environ["HOME"]), Path(tempfile.gettempdir())
said = {
    "suite": os.environ.pop("AIRFERRY_TESTS_SUITE") == str(os.getpid()),
    "variables": {k: v for k, v in os.environ.items() if str(home.parent) not in v},
    "umask": umask,
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    "SIGHUP": str(signal.getsignal(signal.SIGHUP)),
    "SIGINT": str(signal.getsignal(signal.SIGINT)).split(" at ")[0],
    "hour": time.localtime(0).tm_hour,
    "streams": [os.path.exists(f"/proc/self/fd/{number}") for number in range(3)],
    "own": [home.is_dir(), temporary.is_dir(), home.parent == temporary.parent],
}
made.remove()
said["left"] = home.parent.exists()
Path(sys.argv[1]).write_text(json.dumps(said))
"""
STARTS = {
    "plain": ('exec "$@"', {}),
    "nohup": ("trap '' HUP INT QUIT; umask 077; exec \"$@\" <&- >/dev/null", {"LC_ALL": "C"}),
    "odd": (
        'umask 0; exec "$@" </dev/null',
        {
            "LC_ALL": "de_DE.UTF-8",
            "TERM": "dumb",
            "COLUMNS": "200",
            "NO_COLOR": "1",
            "TZ": "Asia/Kolkata",
            "DOCKER_HOST": "tcp://127.0.0.1:1",
            "SSH_AUTH_SOCK": "/nowhere",
            "AIRFERRY_REGISTRY_PASSWORD": "x",
            "PYTHONDONTWRITEBYTECODE": "1",
            "XDG_STATE_HOME": "/nowhere",
        },
    ),
}


def started(way: str, place: Path) -> object:
    """Return what a process says that was started in one of the ways."""
    script, variables = STARTS[way]
    own = {"PATH": os.environ["PATH"], "TMPDIR": str(place)}
    subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-c", SAYS, place / "said.json"],
        cwd=ROOT,
        env={**own, **variables},
        check=True,
        timeout=TIMEOUT_S,
        start_new_session=True,
    )
    return json.loads((place / "said.json").read_bytes())


@pytest.mark.parametrize("way", STARTS)
def test_it_is_the_same_however_a_process_was_started(way: str, tmp_path: Path) -> None:
    assert started(way, tmp_path) == {
        "variables": {
            "AIRFERRY_MEDIA": "",
            "GOGC": "800",
            "GOMAXPROCS": "1",
            "LANG": "C.UTF-8",
            "PATH": f"{Path(sys.executable).parent}:"
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTEST_DEBUG_TEMPROOT": str(ROOMS),
            "SHELL": "/bin/sh",
            "TERM": "xterm-256color",
            "TZ": "UTC",
        },
        "suite": True,
        "umask": 0o022,
        "blocked": [],
        "SIGHUP": str(signal.SIG_DFL),
        "SIGINT": "<built-in function default_int_handler>",
        "hour": 0,
        "streams": [True, True, True],
        "own": [True, True, True],
        "left": False,
    }


def test_a_test_finds_only_the_programs_that_are_everywhere() -> None:
    programs = Path(sys.executable).parent
    directories = [Path(directory) for directory in os.environ["PATH"].split(":")]
    assert programs == directories[0]
    assert {path.name for path in directories[1].iterdir()} <= set(EVERYWHERE)
    assert len(directories) == 2
    assert shutil.which("sh")


@pytest.mark.programs
def test_one_that_is_marked_finds_those_of_the_machine() -> None:
    assert shutil.which("mount")


def test_no_two_processes_give_out_the_same_ports() -> None:
    """Each has a block, which the next one gets when it has ended."""
    says = "from tests.support.ports import free_port; print(free_port(), flush=True); input()"
    others = [
        subprocess.Popen(
            [sys.executable, "-c", says],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    ports = [free_port(), free_port()]
    for other in others:
        assert other.stdout
        ports.append(int(other.stdout.readline()))
    for other in others:
        other.communicate("\n")
    blocks = [(port - BLOCKS.start) // BLOCKS.step for port in ports]
    assert (True, 4, 3) == (blocks[0] == blocks[1], len(set(ports)), len(set(blocks)))
