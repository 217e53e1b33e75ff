"""What a login has that somebody should know of, asked by real shells."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from core.hosts.login_findings import login_findings
from core.hosts.ssh.connection import HostConnection
from core.hosts.ssh.output import Finished


@dataclass
class Line:
    """A host that is this machine, with a home of its own: what is asked runs as it would there."""

    home: Path
    noise: str = ""
    asked: int = 0
    route: Line = field(init=False)
    user: str = "tech"

    def __post_init__(self) -> None:
        self.route = self

    async def run(self, script: str, *arguments: str, check: bool = True) -> Finished:
        assert not check
        self.asked += 1
        done = subprocess.run(  # noqa: ASYNC221 - nobody else is served
            ["sh", "-c", f"HOME='{self.home}'\n{script}", "sh", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)


async def findings(line: Line, *, needs_key: bool = False) -> list[str]:
    found = await login_findings(cast("HostConnection", line), needs_key=needs_key)
    return [finding.what for finding in found]


async def test_who_is_as_he_should_be_is_asked_nothing(tmp_path: Path) -> None:
    line = Line(tmp_path)
    assert [] == await findings(line)
    assert 0 == line.asked


async def test_the_file_that_makes_the_noise_is_named(tmp_path: Path) -> None:
    (tmp_path / ".cshrc").write_text("echo Welcome to *this* host\n")
    (what,) = await findings(Line(tmp_path, "Welcome to *this* host\nand more"))
    assert (
        f"prints 'Welcome to *this* host' before every command of tech ({tmp_path}/.cshrc)" in what
    )


async def test_noise_that_no_file_has(tmp_path: Path) -> None:
    (what,) = await findings(Line(tmp_path, "It is Monday"))
    assert "prints 'It is Monday' before every command of tech;" in what


@pytest.mark.parametrize("made", ["", ".ssh", ".ssh/authorized_keys"])
async def test_a_home_that_takes_a_key(tmp_path: Path, made: str) -> None:
    if made:
        (tmp_path / ".ssh").mkdir()
    if made.endswith("keys"):
        (tmp_path / made).write_text("")
    assert [] == await findings(Line(tmp_path), needs_key=True)
    assert [made.partition("/")[0]] * bool(made) == [path.name for path in tmp_path.iterdir()]


async def test_a_home_that_is_not_there(tmp_path: Path) -> None:
    (what,) = await findings(Line(tmp_path / "none"), needs_key=True)
    assert f"takes no key for tech, which the tunnel needs: there is no {tmp_path}/none" == what
