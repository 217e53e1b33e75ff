"""`/etc/docker/daemon.json`: merged, never overwritten, the first old one kept beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from core.errors import DockerFailed
from core.hosts.managed_state import DIRECTORY, noted

if TYPE_CHECKING:
    from core.hosts.ssh.connection import HostConnection

PATH = "/etc/docker/daemon.json"
LOOPBACK = ("127.0.0.0/8", "::1/128")


def with_insecure(text: str, registries: Iterable[str], where: str) -> str:
    """Return the file's text with registries added to `insecure-registries`.

    Whoever sets that key replaces the engine's default of loopback from Docker 29.10 on, so
    loopback is always written with it.

    Raises:
        DockerFailed: the present text is not what Docker reads; nothing is changed then.
    """
    try:
        settings: Any = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise DockerFailed(f"{where}: {PATH} is not JSON: {error}") from error
    if not isinstance(settings, dict):
        raise DockerFailed(f"{where}: {PATH} is not a JSON object")
    present = settings.get("insecure-registries") or []
    if not isinstance(present, list):
        raise DockerFailed(f"{where}: {PATH}: insecure-registries is not a list")
    wanted = [*present, *(name for name in (*LOOPBACK, *registries) if name not in present)]
    if wanted == present:
        return text
    return json.dumps({**settings, "insecure-registries": wanted}, indent=2) + "\n"


def without_insecure(text: str, added: Iterable[str]) -> str:
    """Return the file's text without what `with_insecure` added; empty where nothing is left."""
    settings: Any = json.loads(text) if text.strip() else {}
    gone = set(added)
    kept = [name for name in settings.pop("insecure-registries", []) if name not in gone]
    if kept:
        settings["insecure-registries"] = kept
    return json.dumps(settings, indent=2) + "\n" if settings else ""


def no_longer_wanted(
    text: str, added: Iterable[str], named: Iterable[str], *, loopback: bool
) -> list[str]:
    """Return what of the entries that were added nobody needs any more.

    Args:
        text: The file's text.
        added: The entries that `with_insecure` added.
        named: The registries that are still spoken with in plain HTTP.
        loopback: Whether the engine's own loopback is one of them.
    """
    added = list(dict.fromkeys(added))
    named = set(named)
    others = [name for name in _insecure(text) if name not in added]
    # Where nobody sets the key, loopback is what the engine has of its own.
    wanted = named | (set(LOOPBACK) if named or (others and loopback) else set())
    return [name for name in added if name not in wanted]


async def read_daemon_json(link: HostConnection) -> str:
    """Return the file's text; empty where there is none."""
    return await noted(link, PATH)


async def extend_daemon_json(link: HostConnection, registries: Iterable[str]) -> None:
    """Let the engine speak plain HTTP with some registries, and with its own loopback.

    The file is written atomically; the first old one is kept as `.airferry-orig` (empty where there
    was none), and what was added is noted for `restore_daemon_json`.

    Raises:
        DockerFailed: the present text is not what Docker reads; nothing is changed then.
    """
    old = await read_daemon_json(link)
    new = with_insecure(old, registries, link.host.name)
    present = _insecure(old)
    added = [name for name in _insecure(new) if name not in present]
    await link.run_root(_EXTEND, new, *added)


async def restore_daemon_json(link: HostConnection, *, dry: bool = False) -> bool:
    """Take out of the file what was added; False if nothing was.

    Args:
        link: The host.
        dry: Only tell whether there is anything to do.
    """
    added = (await noted(link, _ADDED)).split()
    if added and not dry:
        await _take_out(link, added, [])
    return bool(added)


async def unwanted_in_daemon_json(
    link: HostConnection, named: Iterable[str], *, loopback: bool
) -> list[str]:
    """Return what was added to the file and is not needed any more; see `no_longer_wanted`."""
    added = (await noted(link, _ADDED)).split()
    if not added:
        return []
    return no_longer_wanted(await read_daemon_json(link), added, named, loopback=loopback)


async def reduce_daemon_json(link: HostConnection, gone: Iterable[str]) -> None:
    """Take some of the entries that were added out of the file again."""
    gone = list(gone)
    added = dict.fromkeys((await noted(link, _ADDED)).split())
    await _take_out(link, gone, [name for name in added if name not in gone])


async def _take_out(link: HostConnection, gone: list[str], rest: list[str]) -> None:
    final = without_insecure(await read_daemon_json(link), gone)
    # A reload leaves as it is what the file says nothing about: so it is told first in so many
    # words. Loopback is what an engine has of its own.
    meanwhile = final if _insecure(final) else with_insecure(final, (), link.host.name)
    await link.run_root(_RESTORE, meanwhile, final, "\n".join(rest), *gone)


def _insecure(text: str) -> list[str]:
    settings: dict[str, Any] = json.loads(text) if text.strip() else {}
    return list(settings.get("insecure-registries") or [])


_ADDED = f"{DIRECTORY}/insecure-registries"
_WRITE = f"""
write() {{
    printf %s "$1" >{PATH}.airferry-new
    sync {PATH}.airferry-new
    mv {PATH}.airferry-new {PATH}
}}
"""
_EXTEND = f"""
set -eu
{_WRITE}
mkdir -p /etc/docker {DIRECTORY}
new=$1
shift
if [ ! -e {PATH}.airferry-orig ]; then
    cp -p {PATH} {PATH}.airferry-orig 2>/dev/null || : >{PATH}.airferry-orig
fi
printf '%s\\n' "$@" >>{_ADDED}
write "$new"
systemctl reload docker
"""
_RESTORE = f"""
set -eu
{_WRITE}
final=$2 rest=$3
write "$1"
shift 3
systemctl reload docker || true
tries=0 # the engine reads the file a moment later
for name in "$@"; do
    while docker info --format '{{{{json .RegistryConfig.IndexConfigs}}}}' 2>/dev/null |
        grep -qF '"'"$name"'"' && [ $tries -lt 50 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
done
if [ -n "$final" ]; then
    write "$final"
else
    rm -f {PATH}
fi
if [ -n "$rest" ]; then
    printf '%s\\n' "$rest" >{_ADDED}.new
    mv {_ADDED}.new {_ADDED}
    exit 0
fi
rm -f {PATH}.airferry-orig {_ADDED}
rmdir {DIRECTORY} 2>/dev/null || true
"""
