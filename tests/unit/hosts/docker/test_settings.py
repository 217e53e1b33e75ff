"""Whether dockerd would start with a file: asked as 23.0 and later can be asked.

The dockerd is a script with the words of Docker's sources, for none that knows `--validate` was at
hand. The lab asks Debian's 20.10, which does not.
"""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import cast

import pytest

from core.errors import DockerSettingsRefused
from core.hosts.docker.settings import Settings, why_refused
from core.hosts.docker.unit import Start
from core.hosts.ssh.connection import HostConnection
from core.hosts.ssh.output import Finished
from tests.support.waiting import HANG_S

LATER = """#!/bin/sh
case $1 in --help) echo '      --validate   Validate daemon configuration and exit'; exit ;; esac
for word in "$@"; do
    case $word in --config-file=*) file=${word#*=} ;; esac
done
if grep -q foo "$file"; then
    echo "unable to configure the Docker daemon with file $file: the following directives" \\
        "don't match any configuration option: foo" >&2
    exit 1
fi
echo 'configuration OK'
"""


class Here:
    """A host whose shell is this machine's; its root is whoever tests."""

    async def run_root(self, script: str, *arguments: str, check: bool = True) -> Finished:
        return await asyncio.to_thread(self.run, script, arguments, check=check)

    def run(self, script: str, arguments: tuple[str, ...], *, check: bool) -> Finished:
        done = subprocess.run(
            ["dash", "-s", "--", *arguments],
            input=script,
            capture_output=True,
            text=True,
            check=check,
            timeout=HANG_S,
        )
        return Finished(done.returncode, done.stdout, done.stderr)


def settings_with(program: Path, *options: str, data: bytes = b"{}") -> Settings:
    start = Start(str(program), options)
    return Settings("w1", "/etc/docker/daemon.json", data, (start,), runs=True)


@pytest.fixture
def dockerd(tmp_path: Path) -> Path:
    program = tmp_path / "dockerd"
    program.write_text(LATER)
    program.chmod(0o755)
    return program


LINK = cast(HostConnection, Here())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{}", ""),
        (b'{"foo": 1}', "unable to configure the Docker daemon with file /etc/docker/daemon.json"),
        (b"[foo", "don't match any configuration option: foo"),
    ],
)
async def test_dockerd_itself_is_asked(dockerd: Path, data: bytes, why: str) -> None:
    said = await why_refused(LINK, settings_with(dockerd, "--debug"), data)
    assert why in said
    assert bool(why) is bool(said)


async def test_a_flag_that_says_the_same_is_named(dockerd: Path) -> None:
    settings = settings_with(dockerd, "--insecure-registry", "10.0.0.1:5000")
    said = await why_refused(LINK, settings, b'{"insecure-registries": []}')
    assert "dockerd is started with --insecure-registry" in said


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_stays(codec: str) -> None:
    data = '{"labels": ["é"]}'.encode(codec)
    settings = settings_with(Path("x"), data=data)
    assert {"labels": ["é"]} == settings.parsed()
    assert data == settings.encoded(settings.text)


def test_bytes_of_another_encoding_stay() -> None:
    data = '{"labels": ["é"]}'.encode("latin-1")
    settings = settings_with(Path("x"), data=data)
    assert data == settings.encoded(settings.text)


@pytest.mark.parametrize("data", [b"[]", b"{", b"\xff\xfe{"])
def test_what_is_no_object_names_host_and_file(data: bytes) -> None:
    with pytest.raises(DockerSettingsRefused, match=r"^w1: /etc/docker/daemon\.json is no"):
        settings_with(Path("x"), data=data).parsed()
