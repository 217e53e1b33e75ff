"""Installing Docker on a host, offline, from what was chosen of dockerRepo."""

from __future__ import annotations

import re
import shlex
import tarfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from core.bundle.tarstream import Archive
from core.errors import (
    AirferryError,
    BundleTruncated,
    DockerNotStarted,
    HostLineLost,
    PackagesError,
)
from core.hosts.daemon import FUNCTIONS, engine_words
from core.hosts.docker_install.package_files import Family
from core.hosts.docker_install.selection import DockerRepo, is_too_old
from core.hosts.docker_install.source import safe_name
from core.hosts.managed_state import DIRECTORY
from core.hosts.ssh.connection import HostConnection
from core.hosts.ssh.stdin_feed import SEND_BYTES, Emit

SCRIPTS = {
    name: (Path(__file__).parent / f"install_{name}.sh").read_text(encoding="utf-8")
    for name in ("debs", "rpms", "static", "docker")
}
REMOVE_SCRIPT = (Path(__file__).parent / "remove_docker.sh").read_text(encoding="utf-8")
MAKE_DIRECTORY = "mktemp -d /var/tmp/airferry-docker.XXXXXX"  # removed by the script
INSTALL_TIMEOUT_S = 900.0
_START = """
exec 9>/run/airferry-docker.lock
flock -w 540 9
if ! systemctl enable --now docker </dev/null 9>&-; then
    journalctl --no-pager --quiet -n 40 -o cat -u docker >&2 || true
    exit 5
fi
"""
_ANSWERS = f"""{FUNCTIONS}
find_docker
ask_docker version --format '{{{{.Server.Version}}}}' 2>/dev/null
"""
_INSTALLED = f"""{FUNCTIONS}
find_docker
[ -n "$docker_pid" ] || systemctl cat docker.service >&2
"""
END_MARK = "whole"
_WAYS = {Family.DEB: "debs", Family.RPM: "rpms", Family.STATIC: "static"}
_NOT_STARTED, _NOT_TAKEN_BACK, _NOT_WHOLE = 5, 6, 7  # how the script ends
_LACKING = re.compile(
    r"not installable|not going to be|nothing provides|Requires:|depends on|is not installed"
)
_TELLING = re.compile(
    rf"^(E: |Error: .|dpkg: error)|{_LACKING.pattern}|conflict|will remove|No space left",
    re.IGNORECASE,
)
_WORDS = 4


async def install_docker(
    link: HostConnection, repo: DockerRepo, told: Callable[[int], None], too_old: str = ""
) -> None:
    """Send what a host needs of a bundle, install Docker from it and start it.

    Args:
        link: The host.
        repo: What fits it.
        told: Told the bytes sent so far.
        too_old: The version of an installed Docker that is to be replaced.

    Raises:
        PackagesError: it could not be installed, and what had been is removed again; or Docker was
            installed and does not start.
        HostError: the line was lost, or the host takes nothing; what was sent is removed, at the
            latest by the next try.
    """
    target = (await link.run_root(MAKE_DIRECTORY)).out.strip()
    try:
        await _send(link, repo, target, told)
    except BaseException:
        with suppress(AirferryError):
            await link.run_root(shlex.join(["rm", "-rf", target]), check=False)
        raise
    script = f"{FUNCTIONS}\n{SCRIPTS[_WAYS[repo.family]]}\n{SCRIPTS['docker']}"
    arguments = (target, " ".join(repo.names), "\n".join(repo.indexes), too_old)
    done = await link.run_root(script, *arguments, timeout_s=INSTALL_TIMEOUT_S, check=False)
    if done.status in (-1, _NOT_WHOLE):
        raise HostLineLost(f"{link.where}: the line was lost while Docker was installed")
    if done.status:
        raise _failure(link.host.name, repo, done.status, done.err)


async def start_docker(link: HostConnection) -> None:
    """Start an installed Docker, now and at every boot.

    An install that outlived its run may still be at it, with Docker unpacked and not yet set up:
    it is waited for.

    Raises:
        DockerNotStarted: it does not start; its own words are in it.
        HostError: the host cannot be asked.
    """
    done = await link.run_root(_START, timeout_s=INSTALL_TIMEOUT_S, check=False)
    if done.status < 0:
        raise HostLineLost(f"{link.where}: the line was lost while Docker was started")
    if done.status:
        words = engine_words(done.err)
        raise DockerNotStarted(
            f"{link.host.name}: Docker does not start: {words}", details=done.err
        )


async def docker_is_ours(link: HostConnection) -> bool:
    """Whether the host has a Docker that was installed from dockerRepo."""
    done = await link.run_root(f"test -e {DIRECTORY}/docker", check=False)
    return done.status == 0


async def remove_docker(link: HostConnection) -> None:
    """Remove the Docker that was installed from dockerRepo; what it stores stays.

    Raises:
        HostError: it cannot be removed; the package manager's words are in the log.
    """
    await link.run_root(REMOVE_SCRIPT, timeout_s=INSTALL_TIMEOUT_S)


async def docker_answers(link: HostConnection) -> str:
    """Return the version of the running engine, or an empty string."""
    done = await link.run_root(_ANSWERS, check=False)
    return done.out.strip() if done.status == 0 else ""


async def docker_serves(link: HostConnection) -> bool:
    """Whether an engine runs that can be spoken with."""
    version = await docker_answers(link)
    return bool(version) and not is_too_old(version)


async def docker_is_installed(link: HostConnection) -> bool:
    """Whether there is an engine, at work or to be started; a client alone is none."""
    return (await link.run_root(_INSTALLED, check=False)).status == 0


def last_words(log: str) -> str:
    """Return the lines of a package manager's output that say why it failed; else the last one."""
    lines = [" ".join(line.split()) for line in log.splitlines() if line.strip(" :")]
    lines = [line for line in lines if not line.startswith("debconf: ")]  # it only says how it asks
    telling = [line for line in lines if _TELLING.search(line)]
    return "; ".join(telling[-_WORDS:] or lines[-1:] or ["it did not say why"])[:400]


def _failure(host: str, repo: DockerRepo, status: int, log: str) -> PackagesError:
    words = last_words(log)
    if status == _NOT_STARTED:
        return PackagesError(
            f"{host}: Docker was installed from {repo.source.name} and does not start: {words}",
            remedy="Look at 'journalctl -u docker' on the host, mend it, then run it again.",
            details=log,
        )
    remedy = "Mend what is named on the host, then run it again."
    if _LACKING.search(words):
        remedy = (
            f"{repo.source.name} lacks packages that Docker needs there: set dockerRepo to the "
            "bundle made for this host's operating system, or install these on the host first."
        )
    left = "and nothing is left of it"
    if status == _NOT_TAKEN_BACK:
        left = "and not all of it could be removed again"
    return PackagesError(
        f"{host}: Docker cannot be installed from {repo.source.name} ({repo.kind}), "
        f"{left}: {words}",
        remedy=remedy,
        details=log,
    )


async def _send(
    link: HostConnection, repo: DockerRepo, target: str, told: Callable[[int], None]
) -> None:
    """Send the files that are needed as a tar made on the way."""
    stop = threading.Event()

    def produce(emit: Emit) -> None:
        with repo.source.open() as archive:
            _pack(archive, repo, emit, told)

    await link.feed_root(shlex.join(["tar", "-xf", "-", "-C", target]), produce, stop)


def _pack(archive: Archive, repo: DockerRepo, emit: Emit, told: Callable[[int], None]) -> None:
    sent_bytes = 0
    for member in archive:
        place = repo.files.get(safe_name(member.name))
        if place is None:
            continue
        info = tarfile.TarInfo(place)
        info.size = left_bytes = member.size_bytes
        emit(info.tobuf())
        while left_bytes and (piece := archive.read(min(SEND_BYTES, left_bytes))):
            emit(piece)
            left_bytes -= len(piece)
            sent_bytes += len(piece)
            told(sent_bytes)
        if left_bytes:
            raise BundleTruncated(f"{repo.source.path}: {place} got shorter while it was read")
        emit(bytes(-info.size % tarfile.BLOCKSIZE))
    emit(tarfile.TarInfo(END_MARK).tobuf() + bytes(2 * tarfile.BLOCKSIZE))
