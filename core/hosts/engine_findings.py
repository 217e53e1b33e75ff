"""What there is to say of a host's Docker before anything is asked of it: is it one, is it usable.

Nothing is installed over an engine that runs, whatever it is and wherever it lies.
"""

from __future__ import annotations

from collections.abc import Iterator

from core.hosts.daemon import SOCKETS, UNIT_LOADED
from core.hosts.facts import Facts
from core.hosts.preflight import Finding

_PACKAGES = {"podman": "podman-docker", "nerdctl": "nerdctl"}
_LEAVE_OUT = "or take this host out of the config."
_UNIT_STATES = {
    "masked": (
        "has its docker.service masked, so that it cannot be started",
        "On the host: systemctl unmask docker.service docker.socket",
    ),
    "bad-setting": (
        "has a docker.service that systemd does not load",
        "On the host, see: systemctl status docker; systemd-analyze verify docker.service",
    ),
}


def engine_findings(facts: Facts, *, too_old: bool = False) -> Iterator[Finding]:
    """Yield what there is to say of a host's engine, running or not.

    Args:
        facts: The host, as root is told.
        too_old: The engine that runs is to be replaced.
    """
    docker, daemon = facts.docker, facts.docker.daemon
    if daemon.is_snap or docker.path.startswith("/snap/"):
        yield Finding(
            True,
            f"has a Docker from a snap ({daemon.program or docker.path}), which keeps settings and "
            "images where neither Airferry nor a cluster looks for them",
            "Take it away with 'snap remove docker' (its containers go with it) and let Airferry "
            f"install Docker, {_LEAVE_OUT}",
        )
    elif daemon.pid:
        yield from _about_running(facts, too_old=too_old)
    elif docker.version:
        yield Finding(
            True,
            f"has no Docker that runs, and something else answers at {SOCKETS[1]} (it calls itself "
            f"{docker.version})",
            f"Stop it (is it podman.socket? a socket of another machine's?), {_LEAVE_OUT}",
        )
    elif daemon.other:
        yield Finding(
            True,
            f"has no Docker: its command {daemon.other} is {daemon.other_is}",
            f"{_without(facts)}; {daemon.other_is} itself may stay. Airferry then installs Docker.",
        )
    elif daemon.unit in _UNIT_STATES:
        yield Finding(True, *_UNIT_STATES[daemon.unit])


def _about_running(facts: Facts, *, too_old: bool) -> Iterator[Finding]:
    docker, daemon = facts.docker, facts.docker.daemon
    if daemon.several:
        yield Finding(
            True,
            "runs several Dockers, and nothing says which one is the host's: none of them alone "
            f"listens on {SOCKETS[1]} or is docker.service",
            f"Stop those that are not to get images, {_LEAVE_OUT}",
        )
        return
    if not daemon.socket:
        yield Finding(
            True,
            f"runs a Docker ({daemon.program}) that listens on no Unix socket",
            f"Start dockerd with -H unix://{SOCKETS[1]} besides what it has.",
        )
    elif daemon.socket not in SOCKETS:
        yield Finding(
            False,
            f"runs its Docker ({daemon.program}) at {daemon.socket} and not at {SOCKETS[1]}",
            "Images go to that one; see that the cluster uses it as well.",
        )
    if not docker.path:
        yield Finding(
            True,
            f"runs a Docker ({daemon.program}) and has no docker command to speak with it"
            + (f": {daemon.other} is {daemon.other_is}" if daemon.other else ""),
            f"Put the docker of its release beside {daemon.program}.",
        )
    if too_old and not daemon.by_unit:
        yield Finding(
            True,
            f"runs Docker {docker.version}, which is too old, and not by docker.service "
            f"({daemon.program}): nothing is installed over it",
            "Replace it by what installed it, or stop and remove it; Airferry then installs one.",
        )
    elif daemon.unit != UNIT_LOADED:
        yield Finding(
            False,
            f"runs its Docker ({daemon.program}) without docker.service: who starts it at boot?",
            "See that something does; Airferry does not.",
        )


def _without(facts: Facts) -> str:
    """Return what removes a command that is not Docker's."""
    other = facts.docker.daemon.other
    if not other.startswith("/usr/bin/"):
        return f"On the host: rm {other}"
    package = _PACKAGES[facts.docker.daemon.other_is]
    if {facts.os_id, *facts.os_like} & {"debian", "ubuntu"}:
        return f"On the host: apt-get remove {package}"
    return f"On the host: dnf remove {package}"
