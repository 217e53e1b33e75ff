"""What a host's dockerd reads when it starts, and whether it would start with it.

dockerd itself is asked, with the very arguments that it has or will have: by `--validate` where it
knows that (23.0 and later), else by starting it as nobody, who gets no further than its settings.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import DockerSettingsRefused, HostCommandFailed
from core.hosts.daemon import FUNCTIONS, message_of
from core.hosts.docker.json_layout import read_object
from core.hosts.docker.unit import Start, file_keys, start_of_process, start_of_unit

if TYPE_CHECKING:
    from core.hosts.ssh.connection import HostConnection

PATH = "/etc/docker/daemon.json"
_ASK = f"""{FUNCTIONS}
find_docker
tell_docker
if [ -n "$docker_pid" ]; then
    arguments_of "$docker_pid" | sed 's/^/argument=/'
fi
if [ "$docker_unit" = loaded ]; then
    systemctl cat docker.service 2>/dev/null | sed 's/^/unit=/'
    systemctl cat docker.service 2>/dev/null | sed -n 's/^EnvironmentFile=-\\{{0,1\\}}//p' |
        while read -r files; do
            cat $files </dev/null 2>/dev/null | sed 's/^/environment=/'
        done
fi
"""
_READ = """
if [ -e "$1" ]; then
    printf 'there '
    base64 <"$1" | tr -d '\\n'
fi
"""
_TRY = """
soon() { if command -v timeout >/dev/null; then timeout 20 "$@"; else "$@"; fi; }
program=$1
shift
dir=$(mktemp -d /tmp/airferry-settings.XXXXXX) || exit 0
trap 'rm -rf "$dir"' EXIT
(umask 077; printf %s "$data" | base64 -d >"$dir/daemon.json")
set -- "$@" "--config-file=$dir/daemon.json"
if "$program" --help 2>/dev/null | grep -q -e '--validate'; then
    soon "$program" "$@" --validate </dev/null >"$dir/said" 2>&1 && exit 0
else
    chmod 711 "$dir"
    chown 65534 "$dir/daemon.json"
    soon setpriv --reuid=65534 --regid=65534 --clear-groups "$program" "$@" \\
        </dev/null >"$dir/said" 2>&1
fi
sed "s|$dir/daemon.json|$path|g" "$dir/said"
"""
_REFUSED = re.compile(
    r"unable to (configure|parse)|configuration validation|conflict|unknown (shorthand )?flag"
    r"|invalid|specified both"
)
_HARMLESS = "with root privileges"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True)
class Settings:
    """A host's daemon.json, and the ways in which its dockerd is started.

    Args:
        host: Its name.
        path: The file that dockerd reads.
        data: What is in it; None where there is none.
        starts: As it runs, and as its unit will start it, as far as that can be read.
        runs: It runs.
    """

    host: str
    path: str
    data: bytes | None
    starts: tuple[Start, ...]
    runs: bool

    @property
    def text(self) -> str:
        """The file as text; empty where there is none.

        Raises:
            DockerSettingsRefused: it is no text that Docker reads.
        """
        try:
            return self.decoded(self.data or b"")
        except UnicodeDecodeError as error:
            raise DockerSettingsRefused(f"{self.host}: {self.path} is no text: {error}") from error

    @staticmethod
    def decoded(data: bytes) -> str:
        """Return what a file holds as text, without its byte order mark."""
        bom, codec = _encoding(data)
        return data[len(bom) :].decode(codec, "surrogateescape")

    def encoded(self, text: str) -> bytes:
        """Return a text in the file's own encoding."""
        bom, codec = _encoding(self.data or b"")
        return bom + text.encode(codec, "surrogateescape")

    def parsed(self) -> dict[str, Any]:
        """Return the settings.

        Raises:
            DockerSettingsRefused: they are none.
        """
        try:
            return read_object(self.text)
        except ValueError as error:
            raise DockerSettingsRefused(f"{self.host}: {self.path} {error}") from error


async def read_settings(link: HostConnection, path: str = "") -> Settings:
    """Read what a host's dockerd reads.

    Args:
        link: The host.
        path: The file; that which dockerd reads if empty.

    Raises:
        HostError: the host cannot be asked.
    """
    lines = (await link.run_root(_ASK)).out.splitlines()
    said: dict[str, list[str]] = {}
    for line in lines:
        key, _, value = line.partition("=")
        said.setdefault(key, []).append(value)
    starts: list[Start] = []
    program, arguments = said.get("docker_exe", [""])[0], said.get("argument", [])
    if arguments:
        starts.append(start_of_process(program, arguments))
    unit = start_of_unit(said.get("unit", []), said.get("environment", []))
    if unit and unit.options not in [start.options for start in starts]:
        starts.append(unit)
    named = (start.value("config-file") for start in starts)
    path = path or next(filter(None, named), PATH)
    return Settings(link.host.name, path, await _read(link, path), tuple(starts), bool(arguments))


async def _read(link: HostConnection, path: str) -> bytes | None:
    done = await link.run_root(_READ, path)
    if not done.out.startswith("there"):
        return None
    try:
        return base64.b64decode(done.out[len("there ") :], validate=True)
    except binascii.Error as error:
        raise HostCommandFailed(f"{link.host.name}: {path} cannot be read: {error}") from error


async def why_refused(link: HostConnection, settings: Settings, data: bytes) -> str:
    """Return why dockerd would not start with a file, or not read it; empty if it would.

    Args:
        link: The host.
        settings: How its dockerd is started.
        data: What the file is to hold.
    """
    keys = _keys(settings, data)
    for start in settings.starts:
        twice = start.said_twice(keys)
        if twice:
            flag, key = twice[0]
            return (
                f"dockerd is started with --{flag}, and {key} in {settings.path} says the same: "
                "it takes only one of them"
            )
        script = f"path={shlex.quote(settings.path)}\n{assigned('data', data)}{_TRY}"
        done = await link.run_root(script, start.program, *start.options, check=False)
        lines = done.out.strip().splitlines()
        refused = [line for line in lines if _REFUSED.search(line) and _HARMLESS not in line]
        if refused:
            return message_of(refused[-1])
    return ""


def _keys(settings: Settings, data: bytes) -> set[str]:
    try:
        return file_keys(read_object(settings.decoded(data)))
    except ValueError:
        return set()  # dockerd says it in its own words


def assigned(name: str, data: bytes) -> str:
    """Return shell text that sets a variable to bytes in base64; no argument list shows them."""
    return f"{name}='{base64.b64encode(data).decode('ascii')}'\n"


def _encoding(data: bytes) -> tuple[bytes, str]:
    return next(((bom, codec) for bom, codec in _BOMS if data.startswith(bom)), (b"", "utf-8"))
