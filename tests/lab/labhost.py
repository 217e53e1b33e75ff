"""One host of the lab, handled from outside, past Airferry and past SSH."""

import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.engine import Engine
from tests.lab.errors import LabError
from tests.lab.network import interface_name
from tests.lab.shell import GUARD_S, run, until

READY_STATES = frozenset({"running", "degraded"})
STOP_TIMEOUT_S = 20
SSH_PORT = 22
NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "container": "docker",
}


@dataclass
class LabHost:
    """A container that plays a host.

    `reset_hosts` gives the same object a new container, so a test may keep it.
    """

    name: str
    address: str
    container_id: str
    engine: Engine = field(repr=False)

    def run(
        self,
        *argv: str,
        check: bool = True,
        input: str | None = None,  # noqa: A002 - the name that subprocess.run gives it
        timeout_s: float = GUARD_S,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the host as root, without a shell.

        Entering the host's namespaces costs a tenth of `docker exec`, and tests ask hosts a lot.

        Args:
            argv: The program and its arguments.
            check: Raise when the program fails.
            input: Text for its standard input.
            timeout_s: Seconds after which to give up.

        Raises:
            LabError: It failed (with `check`) or took too long.
        """
        pid = self.engine.init_pid(self.container_id)
        if pid is None:
            if check:
                raise LabError(f"{self.name} is switched off")
            return subprocess.CompletedProcess(argv, 1, "", f"{self.name} is switched off")
        enter = ("nsenter", f"--target={pid}", *NAMESPACES, "--root", "--wd", "--")
        environment = ("env", "-i", *(f"{name}={value}" for name, value in ENVIRONMENT.items()))
        command = (*enter, *environment, f"HOSTNAME={self.name}", *argv)
        return run(*command, check=check, input=input, timeout_s=timeout_s)

    def put(self, source: Path, target: str) -> None:
        """Copy a file or a directory into the host; not below /run or /tmp, which are memory.

        Args:
            source: On this machine.
            target: In the host.
        """
        self.engine.cli("cp", source, f"{self.container_id}:{target}")

    def wait_ready(self) -> None:
        """Wait until systemd has started everything and sshd greets.

        Raises:
            LabError: The host was never ready, or has ended.
        """
        until(lambda: self.booted() or self._has_ended(), f"{self.name}: systemd is up")
        if self._has_ended():
            raise LabError(f"{self.name} has ended at its start: {self._last_words()}")
        until(self._greets, f"{self.name}: sshd answers")

    def reboot(self, wait: bool = True) -> None:
        """Reboot the host; address, files and Docker's data stay.

        Args:
            wait: Return only when the host is ready again.
        """
        self._command("restart", "--time", str(STOP_TIMEOUT_S))
        if wait:
            self.wait_ready()

    def stop(self) -> None:
        """Switch the host off."""
        self._command("stop", "--time", str(STOP_TIMEOUT_S))

    def start(self, wait: bool = True) -> None:
        """Switch the host on again.

        Args:
            wait: Return only when the host is ready.
        """
        self._command("start")
        if wait:
            self.wait_ready()

    def link_down(self) -> None:
        """Pull the host's network cable."""
        run("ip", "link", "set", self._interface(), "down")

    def link_up(self) -> None:
        """Put the host's network cable back."""
        run("ip", "link", "set", self._interface(), "up")

    def _command(self, verb: str, *options: str) -> None:
        self.engine.cli(verb, *options, self.container_id)

    def _has_ended(self) -> bool:
        if self.engine.init_pid(self.container_id) is not None:
            return False
        return not self._state().startswith(("running", "restarting", "created"))

    def _state(self) -> str:
        shown = ("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", self.container_id)
        return self.engine.cli(*shown).stdout.strip()

    def _last_words(self) -> str:
        log = self.engine.cli("logs", "--tail", "5", self.container_id, check=False)
        return " | ".join([self._state(), *(log.stdout + log.stderr).splitlines()])

    def booted(self) -> bool:
        """Tell whether systemd has started everything."""
        said = self.run("systemctl", "is-system-running", check=False).stdout
        return said.strip() in READY_STATES

    def _greets(self) -> bool:
        try:
            with socket.create_connection((self.address, SSH_PORT), timeout=2) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _interface(self) -> str:
        """Return this machine's end of the host's cable."""
        index = int(self.run("cat", "/sys/class/net/eth0/iflink").stdout)
        name = interface_name(index)
        if name is None:
            raise LabError(f"{self.name}: its interface {index} is not on this machine")
        return name
