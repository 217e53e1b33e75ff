"""The rooms of the house: the core works without the screens, and imports go one way."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support.waiting import HANG_S

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("module", ["core.cli", "core.engine.process", "core.hosts.tunnel.service"])
def test_the_core_needs_no_terminal_library(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'textual', 'rich', 'tui'}} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=HANG_S
    )
    assert "[]\n" == done.stdout


@pytest.mark.parametrize("module", ["core.cli", "tui.start"])
def test_who_only_asks_an_engine_loads_no_engine(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'asyncssh', 'docker'}} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=HANG_S
    )
    assert "[]\n" == done.stdout


def test_import_rules() -> None:
    program = Path(sysconfig.get_path("scripts")) / "lint-imports"
    done = subprocess.run(
        [program, "--no-cache"],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_S,
        cwd=ROOT,
    )
    assert 0 == done.returncode, done.stdout
