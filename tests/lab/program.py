"""Airferry as its users run it: the program, a config of the lab's site, and what it leaves behind.

Each test has an installation of its own: own state, own registry directory, own config, on the
lab's hosts. Only who looks again and again reads the journal itself, as `airferry report` does.
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

from core.engine.journal import JournalReader
from core.engine.launcher import true_state
from core.engine.lock import lock_is_held
from core.engine.report import report_record
from core.engine.request import CHANGING
from tests.lab.shell import GUARD_S, until
from tests.lab.site import Site

AIRFERRY = Path(sys.executable).parent / "airferry"


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
            "hosts": [{"name": host.name, "address": host.address} for host in site.hosts],
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

    def run(
        self,
        *arguments: str,
        expect: int | None = 0,
        typed: str | None = None,
        environment: dict[str, str] | None = None,
        handles: tuple[int, ...] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run a headless command to its end; fail if its exit code is not the expected one.

        Args:
            arguments: The command.
            expect: Its exit code; None for any.
            typed: What comes in on its standard input.
            environment: Variables that it has besides those of this process.
            handles: File descriptors that it inherits.
        """
        done = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            input=typed,
            pass_fds=handles,
            env={**os.environ, **(environment or {})},
            text=True,
            timeout=GUARD_S,
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

    def peek(self, run: int = 0) -> dict[str, Any]:
        """Return the same, read in this process: for who looks again and again.

        A process for every look would keep the machine too busy for what is looked at.

        Args:
            run: The run; the newest that changes things if 0.
        """
        reader = JournalReader(self.state_dir)
        row = next(r for r in reader.runs() if (r.id == run if run else r.kind in CHANGING))
        found = report_record(row, true_state(row, self.state_dir), reader.tasks(row.id))
        return json.loads(json.dumps(found))  # type: ignore[no-any-return]

    def begin(self, *arguments: str) -> int:
        """Start a job and return the number of its run at once."""
        return int(self.json(*arguments, "--detach")["run"])

    def wait(self, run: int) -> dict[str, Any]:
        """Wait until a run has ended and return its report."""
        until(lambda: self.peek(run)["state"] != "running", f"run {run} ends")
        return self.report(str(run))

    def step(self, target: str, step_id: str, run: str = "") -> dict[str, Any]:
        """Return what the report says of one step; steps are found by the beginning of the id."""
        return _step_in(self.report(*([run] if run else [])), target, step_id)

    def wait_for_step(
        self, target: str, step_id: str, fits: Callable[[dict[str, Any]], bool]
    ) -> None:
        """Wait until a step of the newest run is as wished."""
        until(
            lambda: fits(_step_in(self.peek(), target, step_id)),
            f"{step_id} of {target}",
            every_s=0.05,
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
            lambda: self.peek(run)["state"] == "interrupted",
            "the report says that the run was interrupted",
        )

    def clean_up(self) -> None:
        """End everything that this installation runs on the DU."""
        if lock_is_held(self.state_dir):
            self.run("cancel", expect=None)
        for service in ("tunnels", "registry"):
            if list(self.state_dir.glob(f"airferry-{service}.*")):
                self.run(service, "stop", expect=None)


def _step_in(report: dict[str, Any], target: str, step_id: str) -> dict[str, Any]:
    steps = next(t for t in report["targets"] if t["name"] == target)["steps"]
    found: dict[str, Any] = next(s for s in steps if s["id"].startswith(step_id))
    return found
