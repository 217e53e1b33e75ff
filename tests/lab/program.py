"""Airferry as its users run it: the program, a config of the lab's site, and what it leaves behind.

Each test has an installation of its own: own state, own registry directory, own config, on the
lab's hosts. Nothing here looks inside the program.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.lab.shell import until
from tests.lab.site import Site

AIRFERRY = Path(sys.executable).parent / "airferry"
JOB_TIMEOUT_S = 300


class Program:
    """One installation.

    Args:
        site: The lab's site.
        directory: Where config, state and registry of this installation are.
        **changes: Keys of the config that differ from the lab's own.
    """

    def __init__(self, site: Site, directory: Path, **changes: object) -> None:
        self.site = site
        self.directory = directory
        self.config_path = directory / "airctl-config.yaml"
        self.state_dir = directory / "state"
        lab_config = yaml.safe_load(site.config_path.read_text(encoding="utf-8"))
        self.config: dict[str, Any] = {
            **lab_config,
            "stateDir": str(self.state_dir),
            "registryDir": str(directory / "registry"),
            **changes,
        }
        self.write_config()

    def write_config(self, **changes: object) -> None:
        """Write the config anew, with changes."""
        self.config.update(changes)
        self.config_path.write_text(yaml.safe_dump(self.config), encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of a headless command."""
        return [str(AIRFERRY), *arguments, "--config", str(self.config_path)]

    def run(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a headless command to its end; fail if its exit code is not the expected one."""
        done = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            timeout=JOB_TIMEOUT_S,
            check=False,
            cwd=self.directory,
        )
        if expect is not None:
            said = f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
            assert expect == done.returncode, said
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def json(self, *arguments: str, expect: int | None = 0) -> Any:  # noqa: ANN401 - any JSON
        """Run a command with --json and return what it printed, parsed."""
        return json.loads(self.run(*arguments, "--json", expect=expect).stdout)

    def report(self, *arguments: str) -> dict[str, Any]:
        """Return the report of the newest run."""
        found: dict[str, Any] = self.json("report", *arguments)
        return found

    def begin(self, *arguments: str) -> int:
        """Start a job and return the number of its run at once."""
        return int(self.json(*arguments, "--detach")["run"])

    def wait(self, run: int, timeout_s: float = JOB_TIMEOUT_S) -> dict[str, Any]:
        """Wait until a run has ended and return its report."""
        until(lambda: self.report(str(run))["state"] != "running", f"run {run} ends", timeout_s)
        return self.report(str(run))

    def step(self, target: str, step_id: str, run: str = "") -> dict[str, Any]:
        """Return what the report says of one step; steps are found by the beginning of the id."""
        report = self.report(*([run] if run else []))
        steps = next(t for t in report["targets"] if t["name"] == target)["steps"]
        found: dict[str, Any] = next(s for s in steps if s["id"].startswith(step_id))
        return found

    def wait_for_step(
        self, target: str, step_id: str, fits: Callable[[dict[str, Any]], bool]
    ) -> None:
        """Wait until a step of the newest run is as wished."""
        until(
            lambda: fits(self.step(target, step_id)),
            f"{step_id} of {target}",
            timeout_s=120,
            every_s=0.02,
        )

    def engine_pid(self, run: int) -> int:
        """Return the pid of the engine of a run, from the lock file that names it."""
        text = (self.state_dir / "engine.lock").read_text(encoding="utf-8")
        assert text.startswith(f"run {run} "), text
        return int(text.split("process ")[1].rstrip(")\n"))

    def kill_engine(self, run: int) -> None:
        """`kill -9` of the engine."""
        os.kill(self.engine_pid(run), signal.SIGKILL)
        until(
            lambda: self.report(str(run))["state"] == "interrupted",
            "the report says that the run was interrupted",
            timeout_s=10,
        )

    def clean_up(self) -> None:
        """End everything that this installation runs on the DU."""
        if self.state_dir.exists():
            for command in (["cancel"], ["tunnels", "stop"], ["registry", "stop"]):
                self.run(*command, expect=None)
