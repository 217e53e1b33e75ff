"""The DU's long-running processes of ours: the registry and the tunnels.

Under systemd where it runs and we may use it, so that they come back after a reboot; else a
detached process with a pid file. The pid file also holds the process's start time: a number alone
may by now be somebody else's.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import AirferryError
from core.files import write_atomically
from core.secrets import without_secrets

UNIT_DIR = Path("/etc/systemd/system")
STOP_TIMEOUT_S = 10.0
KILLED_TIMEOUT_S = 60.0
"""What was killed ends when its last write to a slow disk has."""
_POLL_S = 0.05
_let_go: list[subprocess.Popen[Any]] = []


class ServiceFailed(AirferryError):
    """A service of the DU does not start or stop."""

    code = "E-SERVICE"
    remedy_text = "Look at its log (named above), mend the cause, then run the same command again."


@dataclass(frozen=True)
class Service:
    """One process that is kept running.

    Args:
        name: Name of the unit, the pid file and the log.
        description: For the unit file.
        argv: The command, with an absolute program.
        state_dir: Where pid file and log go.
    """

    name: str
    description: str
    argv: tuple[str, ...]
    state_dir: Path

    @property
    def log_path(self) -> Path:
        """Where a detached process writes."""
        return self.state_dir / f"{self.name}.log"

    def pid(self) -> int | None:
        """Return the pid of the running service, or None."""
        if under_systemd():
            shown = _systemctl("show", "--property=MainPID", "--value", self.name)
            return int(shown) if shown.isdigit() and int(shown) else None
        try:
            record = json.loads(self._pid_path.read_bytes())
            pid, started = int(record["pid"]), str(record["start_time"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return self._unnoted()
        # Of a process that ended at once no start time could be noted.
        return pid if started and start_time_of(pid) == started else self._unnoted()

    def _unnoted(self) -> int | None:
        """Return the pid of a process that was started, but not noted: its starter was killed.

        It is told by its arguments, where those name something in the state directory.
        """
        arguments = self.argv[1:]
        if not any(Path(argument).is_relative_to(self.state_dir) for argument in arguments):
            return None
        wanted = [os.fsencode(argument) for argument in arguments]
        for place in Path("/proc").glob("[0-9]*"):
            try:
                found = (place / "cmdline").read_bytes().removesuffix(b"\0").split(b"\0")[1:]
                if found == wanted and place.stat().st_uid == os.geteuid():
                    return int(place.name)
            except OSError:  # it has gone
                continue
        return None

    @property
    def is_installed(self) -> bool:
        """Whether it runs, or is to come back after a reboot."""
        if under_systemd():
            return self._unit_path.exists()
        return self.pid() is not None

    def foreign_state(self) -> str:
        """Return the command of a unit of this name that belongs to another state directory."""
        if not under_systemd() or not self._unit_path.exists():
            return ""
        text = self._unit_path.read_text(encoding="utf-8")
        command = next((x for x in text.splitlines() if x.startswith("ExecStart=")), "")
        ours = _quoted(str(self.state_dir)).strip('"')
        return "" if f'"{ours}"' in command or f'"{ours}/' in command else command

    def start(self) -> None:
        """Start it, anew if it runs already.

        Raises:
            ServiceFailed: it does not start.
        """
        if under_systemd():
            self._start_unit()
            return
        self.stop()
        with self.log_path.open("ab") as log:
            process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env=without_secrets(os.environ),
            )
        let_go(process)
        record = {"pid": process.pid, "start_time": start_time_of(process.pid)}
        write_atomically(self._pid_path, json.dumps(record))

    def stop(self) -> bool:
        """Stop it and wait until it has gone; False if it did not run.

        Raises:
            ServiceFailed: it does not end, even when killed.
        """
        pid = self.pid()
        if under_systemd():
            unit = self._unit_path
            if unit.exists():
                _systemctl("disable", "--now", self.name)
                unit.unlink()
                _systemctl("daemon-reload")
            return pid is not None
        if pid is not None:
            _end(pid, self.name)
        self._pid_path.unlink(missing_ok=True)
        return pid is not None

    @property
    def _unit_path(self) -> Path:
        return UNIT_DIR / f"{self.name}.service"

    @property
    def _pid_path(self) -> Path:
        return self.state_dir / f"{self.name}.pid"

    def _start_unit(self) -> None:
        command = " ".join(_quoted(argument) for argument in self.argv)
        unit = (
            f"[Unit]\nDescription={self.description}\n"
            "Wants=network-online.target\nAfter=network-online.target\n"
            "StartLimitIntervalSec=0\n\n"  # started again however often it falls
            f"[Service]\nExecStart={command}\nRestart=always\nRestartSec=1\n\n"
            "[Install]\nWantedBy=multi-user.target\n"
        )
        write_atomically(self._unit_path, unit)
        _systemctl("daemon-reload")
        _systemctl("enable", self.name)
        _systemctl("restart", self.name)


def let_go(process: subprocess.Popen[Any]) -> None:
    """Keep a process that is to outlive this one: dropping it would be complained about."""
    _let_go.append(process)


def under_systemd() -> bool:
    """Whether services of this machine are systemd's and ours to make."""
    return Path("/run/systemd/system").is_dir() and os.geteuid() == 0


def start_time_of(pid: int) -> str:
    """Return the kernel's start time of a process; empty if it is gone (or only a zombie)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def _end(pid: int, name: str) -> None:
    started = start_time_of(pid)
    for number, limit_s in (
        (signal.SIGTERM, STOP_TIMEOUT_S),
        (signal.SIGKILL, KILLED_TIMEOUT_S),
    ):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if start_time_of(pid) != started and not _has_threads(pid):
                return
            time.sleep(_POLL_S)
    raise ServiceFailed(f"{name} (process {pid}) does not end")


def _has_threads(pid: int) -> bool:
    """Whether threads of a process that counts as gone still end, and hold its port meanwhile."""
    try:
        return len(list(Path(f"/proc/{pid}/task").iterdir())) > 1
    except OSError:
        return False


def _quoted(argument: str) -> str:
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _systemctl(*arguments: str) -> str:
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServiceFailed(f"systemctl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()
