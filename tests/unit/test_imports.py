"""The rooms of the house: the core works without the screens, and imports go one way."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
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


def test_no_module_is_part_of_a_circle() -> None:
    """Imports for types count: who reads one module of a circle has to read all of them."""
    modules = {_module_of(path): path for room in ("core", "tui") for path in _sources(room)}
    arrows = {name: _imported_by(path, modules) - {name} for name, path in modules.items()}
    tuple(graphlib.TopologicalSorter(arrows).static_order())  # CycleError names the circle


def _sources(room: str) -> Iterator[Path]:
    return (ROOT / room).rglob("*.py")


def _module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imported_by(path: Path, modules: Mapping[str, Path]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                module = f"{node.module}.{name.name}"
                found |= {module if module in modules else node.module} & modules.keys()
    return found


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
