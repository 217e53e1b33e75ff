"""What is in the wheel and in the source archive: every module, script and style, and no test."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

from tests.package.building import build_source_archive, build_wheel, tracked_files

ROOMS = ("core/", "tui/")


def of_the_program() -> list[str]:
    return sorted(name for name in tracked_files() if name.startswith(ROOMS))


def in_wheel(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return sorted(name for name in archive.namelist() if ".dist-info/" not in name)


def test_the_wheel_has_all_of_the_program_and_nothing_else(wheel: Path) -> None:
    assert of_the_program() == in_wheel(wheel)


def test_the_wheel_says_whose_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (licence,) = [name for name in archive.namelist() if name.endswith("/LICENSE")]
        (metadata,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        assert "Apache License" in archive.read(licence).decode()
        assert "License-Expression: Apache-2.0\n" in archive.read(metadata).decode()


def test_the_source_archive_makes_the_same_wheel(source: Path, wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    archive = build_source_archive(source, tmp_path / "sources")
    with tarfile.open(archive) as tar:
        names = {member.name.partition("/")[2] for member in tar if member.isfile()}
    assert {*of_the_program(), "README.md", "LICENSE", "pyproject.toml"} <= names
    (tmp_path / "wheel").mkdir()
    again = build_wheel(archive, tmp_path / "wheel")
    assert (wheel.name, in_wheel(wheel)) == (again.name, in_wheel(again))
