"""The private dockerd that runs the lab's hosts.

It has everything of its own (data, state, socket, containerd, configuration) and makes neither
firewall rules nor a default bridge, so that the machine's own Docker never meets it.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from tests.lab import processes
from tests.lab.errors import LabError
from tests.lab.needs import SEARCH_PATH
from tests.lab.paths import make_private, write_private
from tests.lab.shell import GUARD_S, run, until
from tests.support.memory import memory_with

MEMORY_NEED_BYTES = 8 * 2**30
COMMAND_S = 300.0
"""A daemon that takes longer for a command hangs: see `Site.reset_hosts`."""
# What the suite sets for programs that live for a second.
NOT_FOR_DAEMONS = ("GOGC", "GOMAXPROCS")
# How dockerd's last line begins when it gives up; its other lines begin with a time.
GAVE_UP = ("failed to start", "unable to configure")


@dataclass(frozen=True)
class Engine:
    """A private dockerd, running or not, known by its directory."""

    directory: Path

    @property
    def socket(self) -> Path:
        """The socket on which it answers."""
        return self.directory / "docker.sock"

    @property
    def url(self) -> str:
        """The socket in the form that Docker's programs take."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int | None:
        """The process id of the daemon, None when it does not run."""
        return processes.recorded_pid(self._pid_file, self._mark)

    @property
    def _exec_root(self) -> Path:
        return self.directory / "exec"

    @property
    def _mark(self) -> str:
        """What stands in the command lines of this engine's processes and of no others."""
        return str(self._exec_root)

    @property
    def _pid_file(self) -> Path:
        return self.directory / "pid"

    @property
    def _containerd_pid_file(self) -> Path:
        return self._exec_root / "containerd" / "containerd.pid"

    @property
    def _log(self) -> Path:
        return self.directory / "log"

    @property
    def data_root(self) -> Path:
        """Where its images and volumes are: chosen once, then kept."""
        recorded = self.directory / "data-root"
        if not recorded.is_file():
            write_private(recorded, str(self._choose_data_root()))
        return Path(recorded.read_text(encoding="utf-8"))

    def _choose_data_root(self) -> Path:
        memory = memory_with(MEMORY_NEED_BYTES)
        if memory is None:
            return self.directory / "data"
        return memory / f"{self.directory.parent.name}-engine"

    def init_pid(self, container_id: str) -> int | None:
        """Return the process that is PID 1 of a container, None while the container is stopped."""
        tasks = self._exec_root / "containerd/daemon/io.containerd.runtime.v2.task/moby"
        try:
            return int((tasks / container_id / "init.pid").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def is_running(self) -> bool:
        """Tell whether the daemon lives and answers."""
        if self.pid is None:
            return False
        return self.cli("version", check=False).returncode == 0

    def start(self) -> None:
        """Start the daemon, detached, and wait until it answers.

        Raises:
            LabError: It ended at once or did not answer in time.
        """
        make_private(self.directory)
        make_private(self.data_root)
        write_private(self.directory / "daemon.json", "{}\n")
        # A process that was killed and not yet reaped is a running one to dockerd.
        for pid_file in (self._pid_file, self._containerd_pid_file):
            if processes.recorded_pid(pid_file, self._mark) is None:
                pid_file.unlink(missing_ok=True)
        with self._log.open("wb") as output:
            subprocess.run(
                ["setsid", "--fork", *self._command()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=self._environment(),
                timeout=GUARD_S,
                check=True,
            )
        until(self._started_or_failed, "the lab's dockerd answers", every_s=0.1)
        if not self.is_running():
            raise LabError(f"the lab's dockerd does not start: {self._last_words()}")

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in NOT_FOR_DAEMONS}
        return {**kept, "PATH": SEARCH_PATH}

    def _started_or_failed(self) -> bool:
        return self.is_running() or self._last_words().startswith(GAVE_UP)

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else ""

    def _command(self) -> list[str]:
        return [
            "dockerd",
            f"--config-file={self.directory / 'daemon.json'}",
            f"--data-root={self.data_root}",
            f"--exec-root={self._exec_root}",
            f"--pidfile={self._pid_file}",
            f"--host={self.url}",
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
            "--ip-forward=false",
            "--ip-masq=false",
            "--userland-proxy=false",
        ]

    def end(self) -> None:
        """End the daemon; what it had stays, and it finds its containers when it is started."""
        for pid_file in (self._pid_file, self._containerd_pid_file):
            pid = processes.recorded_pid(pid_file, self._mark)
            if pid is not None:
                processes.end(pid, self._mark)

    def stop(self) -> None:
        """Stop the daemon and remove all it had, its containers being gone already."""
        self.end()
        if not self.directory.is_dir():
            return
        for tree in (self.data_root, self.directory):
            processes.unmount_below(tree)
            if tree.is_dir():
                shutil.rmtree(tree)

    def cli(
        self,
        *argv: str | Path,
        check: bool = True,
        input: str | None = None,  # noqa: A002 - the name that subprocess.run gives it
        timeout_s: float = COMMAND_S,
    ) -> subprocess.CompletedProcess[str]:
        """Run Docker's own program against this daemon; see `shell.run`."""
        arguments = ("docker", "--host", self.url, *argv)
        return run(*arguments, check=check, input=input, timeout_s=timeout_s)

    @contextmanager
    def client(self) -> Iterator[docker.DockerClient]:
        """Give a client of Docker's SDK, closed at the end."""
        client = docker.DockerClient(base_url=self.url, timeout=int(GUARD_S))
        try:
            yield client
        finally:
            client.close()
