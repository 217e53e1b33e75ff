"""A site for tests of the engine as the process that it is."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from core.engine.journal import JournalReader
from core.engine.request import RunKind, RunRequest
from tests.support.waiting import HANG_S


@dataclass
class Site:
    """A config in a directory of its own."""

    directory: Path

    @property
    def state_dir(self) -> Path:
        return self.directory / "state"

    def state_dir_made(self) -> Path:
        self.state_dir.mkdir(exist_ok=True)
        return self.state_dir

    @property
    def config(self) -> Path:
        return self.directory / "airctl-config.yaml"

    @property
    def reader(self) -> JournalReader:
        return JournalReader(self.state_dir)

    def configure(self, text: str) -> None:
        text += f"\nstateDir: {self.state_dir}\nregistryDir: {self.directory / 'registry'}\n"
        self.config.write_text(text)

    def request(self, kind: RunKind, *hosts: str, bundles: tuple[Path, ...] = ()) -> RunRequest:
        return RunRequest(kind, self.config, hosts=hosts, bundles=bundles)

    def engine(self, line: str) -> tuple[int, dict[str, object]]:
        """Run the real engine in the foreground; its exit code and its answer."""
        done = subprocess.run(
            [sys.executable, "-m", "core.engine"],
            input=line + "\n",
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )
        (answer,) = done.stdout.splitlines()
        assert "Traceback" not in done.stderr
        return done.returncode, json.loads(answer)
