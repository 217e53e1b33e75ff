"""Which Docker engine is a host's: found by its process, and asked at its own socket.

Every script that speaks with a host's Docker begins with `FUNCTIONS`; what runs without a script is
made by `Daemon.command`.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.hosts.ssh.connection import HostConnection

FUNCTIONS = (Path(__file__).parent / "daemon.sh").read_text(encoding="utf-8")
SOCKETS = ("/run/docker.sock", "/var/run/docker.sock")
UNIT_LOADED = "loaded"
_SOCKET = SOCKETS[1]
_LOG_FORM = re.compile(r'.*\bmsg="((?:[^"\\]|\\.)*)".*')
_TELLING = re.compile(
    r"unable to configure|failed to start daemon|level=(error|fatal)|specified both|directives"
    r"|configuration option|failed to load|invalid|cannot unmarshal|validation",
    re.IGNORECASE,
)
_FIND = f"{FUNCTIONS}\nfind_docker\ntell_docker\n"


@dataclass(frozen=True)
class Daemon:
    """A host's dockerd, as its process tells; empty where there is none.

    Args:
        pid: Of the process; 0 where none runs.
        program: The file that it runs.
        socket: Where it takes Docker's API; empty where only root is told, or where it has none.
        several: There are several, and nothing says which one is the host's.
        other: A command called docker that is none.
        other_is: What that is: podman or nerdctl.
        unit: What systemd says of docker.service: loaded, not-found, masked, bad-setting, ...
        by_unit: It is the one that docker.service has started.
    """

    pid: int = 0
    program: str = ""
    socket: str = ""
    several: bool = False
    other: str = ""
    other_is: str = ""
    unit: str = ""
    by_unit: bool = False

    @property
    def is_snap(self) -> bool:
        """Whether it comes from a snap, with its settings and images in places of its own."""
        return self.program.startswith(("/snap/", "/var/lib/snapd/"))


def read_daemon(values: Mapping[str, str]) -> Daemon:
    """Read what `tell_docker` has printed."""
    pid = values.get("docker_pid", "")
    return Daemon(
        pid=int(pid) if pid.isascii() and pid.isdigit() and len(pid) < 10 else 0,
        program=values.get("docker_exe", ""),
        socket=values.get("docker_socket", ""),
        several=values.get("docker_several") == "yes",
        other=values.get("docker_other", ""),
        other_is=values.get("docker_is", ""),
        unit=values.get("docker_unit", ""),
        by_unit=bool(pid) and pid == values.get("docker_main"),
    )


async def docker_command(link: HostConnection, *words: str) -> str:
    """Return shell text that runs the client against a host's own engine, and no other.

    Raises:
        HostError: the host cannot be asked.
    """
    done = await link.run_root(_FIND)
    values = dict(line.split("=", 1) for line in done.out.splitlines() if "=" in line)
    socket, client = values.get("docker_socket"), values.get("docker_path")
    return shlex.join(
        [
            *("env", "-i", "DOCKER_CONFIG=/nonexistent"),
            *(client or "docker", "-H", f"unix://{socket or _SOCKET}", *words),
        ]
    )


def engine_words(log: str) -> str:
    """Return the line of dockerd's log that says why it failed; else the last one."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line)]
    return message_of((telling or lines or ["it did not say why"])[-1])[:400]


def message_of(line: str) -> str:
    """Return what a line of dockerd's log says, without time and level."""
    match = _LOG_FORM.fullmatch(line.strip())
    return match[1].replace('\\"', '"') if match else line.strip()
