"""A package built from what is tracked, and installed where nothing else of this program is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
NAME = "airferry"
TIMEOUT_S = 600
"""Against hanging only."""
LOCAL = ("--no-build-isolation", "--no-index", "--no-deps")
"""How pip builds and installs: from what is here, without a network."""


@dataclass(frozen=True)
class Installed:
    """The program in an environment of its own.

    Args:
        directory: The environment's.
        home: An empty directory: its home, and where it is run.
    """

    directory: Path
    home: Path

    @property
    def python(self) -> Path:
        return self.directory / "bin" / "python"

    @property
    def program(self) -> Path:
        return self.directory / "bin" / NAME

    @property
    def packages(self) -> Path:
        """Where its packages lie."""
        (found,) = self.directory.glob("lib/python3*/site-packages")
        return found

    @property
    def environ(self) -> dict[str, str]:
        """All of its environment: nothing of that of the tests but where programs are."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}

    def run(self, *argv: str | Path) -> str:
        """Run a program of this environment to its end; what it prints."""
        return run(*argv, cwd=self.home, env=self.environ)


def run(*argv: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a program to its end; what it prints."""
    done = subprocess.run(
        argv, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    assert 0 == done.returncode, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout


def tracked_files() -> list[str]:
    """Return the files of a clean clone, as they are now."""
    listed = run("git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", cwd=ROOT)
    return [name for name in listed.split("\0") if name and (ROOT / name).exists()]


def clean_copy(place: Path) -> Path:
    """Copy what is tracked, and nothing that was built or left here."""
    for name in tracked_files():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, place / name)
    return place


def build_wheel(source: Path, place: Path) -> Path:
    """Build the wheel of a directory or a source archive."""
    words = ("wheel", "--quiet", "--wheel-dir", place, *LOCAL, source)
    run(sys.executable, "-m", "pip", *words, cwd=place.parent)
    (wheel,) = place.glob("*.whl")
    return wheel


def build_source_archive(source: Path, place: Path) -> Path:
    """Build the source archive of a directory."""
    code = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    run(sys.executable, "-c", code, place, cwd=source)
    (archive,) = place.glob("*.tar.gz")
    return archive


def install(wheel: Path, place: Path) -> Installed:
    """Install a wheel into an environment that has nothing but it and what it says it needs."""
    venv.create(place / "environment", with_pip=False, symlinks=True)
    (place / "home").mkdir()
    made = Installed(place / "environment", place / "home")
    words = ("--quiet", "--python", made.python, "install", *LOCAL, wheel)
    run(sys.executable, "-m", "pip", *words, cwd=place)
    (info,) = made.packages.glob(f"{NAME}-*.dist-info")
    for needed in needed_by(Distribution.at(info)):
        for name in top_names(needed):
            link = made.packages / name
            if not link.exists():
                link.symlink_to(Path(str(needed.locate_file(name))))
    return made


def needed_by(package: Distribution) -> Iterator[Distribution]:
    """Yield the distributions here that a package needs, and those that they need."""
    todo, seen = [(package, "")], {(canonicalize_name(package.name), "")}
    while todo:
        asking, extra = todo.pop()
        for line in asking.requires or []:
            wanted = Requirement(line)
            if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
                continue
            found = distribution(wanted.name)
            assert found.version in wanted.specifier, f"{wanted} is needed, {found.version} is here"
            yield found
            for chosen in {"", *wanted.extras}:
                key = (canonicalize_name(wanted.name), chosen)
                if key not in seen:
                    seen.add(key)
                    todo.append((found, chosen))


def top_names(package: Distribution) -> set[str]:
    """Return what a distribution has put into the directory of packages."""
    names = {path.parts[0] for path in package.files or []}
    return names - {"..", "__pycache__"}
