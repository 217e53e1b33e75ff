"""What this machine is, in plain lines: for the support bundle, so nothing in it may raise."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from core import __version__
from core.config import Config
from core.engine.lock import LOCK_NAME, lock_is_held
from core.files import nearest_directory
from core.service import Service, start_time_of, under_systemd
from core.words import size

LIBRARIES = ("asyncssh", "docker", "isal", "PyYAML", "textual", "urllib3", "zstandard")
REGISTRY_PROGRAMS = ("docker-registry", "registry")
SERVICES = ("airferry-registry", "airferry-tunnels")
PROGRAM_TIMEOUT_S = 20.0
_ENVIRONMENT = ("TERM", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "NO_COLOR", "COLORTERM")


def versions() -> list[str]:
    """Return the versions of Airferry and of all that it stands on."""
    lines = [f"airferry {__version__}", f"python {platform.python_version()} ({sys.executable})"]
    for name in LIBRARIES:
        try:
            lines.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            lines.append(f"{name} not installed")
    found = [path for name in REGISTRY_PROGRAMS if (path := shutil.which(name))]
    said = (said_by(path, "--version") for path in found)
    return [*lines, *said] if found else [*lines, "no registry program is installed"]


def said_by(*command: str) -> str:
    """Return what a program prints, or why it does not."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROGRAM_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {error}"
    return (done.stdout or done.stderr).strip()


def system(config: Config, *others: Path) -> list[str]:
    """Return what there is to say of system, memory, clock and room.

    Args:
        config: The site.
        others: Further places whose room is told.
    """
    places = (config.state_dir, config.registry_dir, config.images_dir, Path("/tmp"), *others)  # noqa: S108
    return [
        _os_name(),
        f"kernel {platform.release()} {platform.machine()}, {os.cpu_count()} processors",
        *_first_lines(Path("/proc/meminfo"), ("MemTotal", "MemAvailable", "SwapFree")),
        *(f"up for {found.split()[0]} s" for found in _read(Path("/proc/uptime")).splitlines()),
        f"clock {time.strftime('%Y-%m-%d %H:%M:%S %z')}",
        f"user {os.geteuid()}, systemd {'yes' if under_systemd() else 'no'}",
        *(f"{name}={os.environ[name]}" for name in _ENVIRONMENT if name in os.environ),
        *(_room(place) for place in dict.fromkeys(places)),
    ]


def services(state_dir: Path) -> list[str]:
    """Return whether the engine and the services of a site run, as its files say."""
    holder = _read(state_dir / LOCK_NAME).strip()
    held = lock_is_held(state_dir)
    lines = [f"engine: {holder or 'a run'} is at work" if held else "engine: no run is at work"]
    for name in SERVICES:
        pid = Service(name, "", (), state_dir).pid()
        runs = f"runs (process {pid}, since tick {start_time_of(pid)})" if pid else "does not run"
        lines.append(f"{name}: {runs}")
    return lines


def log_of(service: str, state_dir: Path) -> tuple[Path | None, str]:
    """Return the log file of a service, or where systemd has it, what that says."""
    path = Service(service, "", (), state_dir).log_path
    if path.exists() or not under_systemd():
        return path, ""
    return None, said_by("journalctl", "--no-pager", "-n", "1000", "-u", service)


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown system"


def _first_lines(path: Path, names: tuple[str, ...]) -> Iterator[str]:
    for line in _read(path).splitlines():
        if line.startswith(names):
            yield " ".join(line.split())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _room(place: Path) -> str:
    try:
        found = shutil.disk_usage(nearest_directory(place))
    except OSError as error:
        return f"{place}: {error.strerror}"
    there = "" if place.exists() else " (not there yet)"
    return f"{place}{there}: {size(found.free)} of {size(found.total)} free"
