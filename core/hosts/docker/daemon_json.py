"""dockerd's `daemon.json`: merged, never overwritten, and afterwards to the byte what it was.

It is written as its owner has it (its link, owner, mode and layout stay), only after dockerd itself
has said that it would start with it, and what was there is put back where it does not take it.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import DockerSettingsRefused, HostCommandFailed, HostLineLost
from core.hosts.daemon import FUNCTIONS, engine_words
from core.hosts.docker.json_layout import read_object, with_items, without_items
from core.hosts.docker.settings import (
    PATH,
    Settings,
    assigned,
    read_settings,
    why_refused,
)
from core.hosts.managed_state import DIRECTORY, noted

if TYPE_CHECKING:
    from core.hosts.ssh.connection import HostConnection

LOOPBACK = ("127.0.0.0/8", "::1/128")
KEY = "insecure-registries"
_ADDED = f"{DIRECTORY}/{KEY}"
_NOTE = f"{DIRECTORY}/daemon-json"
_PUT_TIMEOUT_S = 180.0
_REWRITTEN, _NOT_TAKEN = 8, 9  # how extend_settings.sh ends


def _script(name: str) -> str:
    return (Path(__file__).parent / f"{name}_settings.sh").read_text(encoding="utf-8")


SCRIPTS = {name: _script(name) for name in ("put", "extend", "restore")}


def with_insecure(text: str, registries: Iterable[str], where: str) -> str:
    """Return the file's text with registries added to `insecure-registries`.

    Whoever sets that key replaces the engine's default of loopback from Docker 29.10 on, so
    loopback is always written with it.

    Args:
        text: The file.
        registries: What is added.
        where: How messages call the file.

    Raises:
        DockerSettingsRefused: the present text is not what Docker reads; nothing is changed then.
    """
    try:
        present = read_object(text).get(KEY) or []
    except ValueError as error:
        raise DockerSettingsRefused(f"{where} {error}") from error
    if not isinstance(present, list):
        raise DockerSettingsRefused(f"{where}: {KEY} is not a list")
    added = [name for name in (*LOOPBACK, *registries) if name not in present]
    return with_items(text, KEY, added) if added else text


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


async def extended(link: HostConnection, registries: Iterable[str]) -> tuple[Settings, bytes]:
    """Return dockerd's settings, and what its file is to hold; nothing is changed.

    Raises:
        DockerSettingsRefused: dockerd would not take it.
        HostError: the host cannot be asked.
    """
    settings = await read_settings(link)
    text = with_insecure(settings.text, registries, f"{settings.host}: {settings.path}")
    new = settings.encoded(text)
    why = await why_refused(link, settings, new)
    if why:
        raise DockerSettingsRefused(
            f"{settings.host}: its Docker would not take {settings.path} with {KEY}: {why}",
            remedy=_remedy(settings, why, registries),
        )
    return settings, new


def _remedy(settings: Settings, why: str, registries: Iterable[str]) -> str:
    if "--insecure-registry" in why or f"{KEY}:" in why:
        names = " ".join(f"--insecure-registry={name}" for name in (*LOOPBACK, *registries))
        return (
            f"On the host, add {names} where dockerd's flag stands (systemctl cat docker), or move "
            f"the flag's values to {KEY} in {settings.path}; restart Docker, then run it again."
        )
    return f"Mend {settings.path} on the host (dockerd does not start with it), then run it again."


async def extend_daemon_json(link: HostConnection, registries: Iterable[str]) -> None:
    """Let the engine speak plain HTTP with some registries, and with its own loopback.

    The first old file is kept as `.airferry-orig`, and what was added is noted for
    `restore_daemon_json`.

    Raises:
        DockerSettingsRefused: the engine does not take it; the file is what it was.
        HostError: it cannot be written.
    """
    settings, new = await extended(link, list(registries))
    present = _insecure(settings.text)
    added = [name for name in _insecure(settings.decoded(new)) if name not in present]
    script = f"{assigned('new', new)}{SCRIPTS['extend']}"
    done = await link.run_root(
        _put(settings.path, script), *added, timeout_s=_PUT_TIMEOUT_S, check=False
    )
    if done.status == 0:
        return
    host, path, words = settings.host, settings.path, engine_words(done.err)
    if done.status < 0:
        raise HostLineLost(f"{host}: the line was lost while Docker's settings were written")
    if done.status == _NOT_TAKEN:
        what = f"{host}: Docker did not take its new settings, and {path} is what it was: {words}"
        raise DockerSettingsRefused(what, details=done.err)
    if done.status == _REWRITTEN:
        raise DockerSettingsRefused(
            f"{host}: another program wrote {path} at the same time",
            remedy=f"Have whatever keeps {path} (a node agent, a configuration management) write "
            f"{KEY} with {', '.join(added)}, then run it again.",
        )
    raise HostCommandFailed(f"{host}: {path} cannot be written, and is what it was: {words}")


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
    settings = await read_settings(link, _Note.read(await noted(link, _NOTE)).path)
    settings.parsed()
    return no_longer_wanted(settings.text, added, named, loopback=loopback)


async def reduce_daemon_json(link: HostConnection, gone: Iterable[str]) -> None:
    """Take some of the entries that were added out of the file again."""
    gone = list(gone)
    added = dict.fromkeys((await noted(link, _ADDED)).split())
    await _take_out(link, gone, [name for name in added if name not in gone])


@dataclass(frozen=True)
class _Note:
    """What was noted when the file was first written: what there was, and what we made of it."""

    path: str = PATH
    was_there: bool = True
    wrote: str = ""

    @classmethod
    def read(cls, text: str) -> _Note:
        values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        return cls(values.get("path", PATH), values.get("was") != "absent", values.get("wrote", ""))


async def _take_out(link: HostConnection, gone: list[str], rest: list[str]) -> None:
    note = _Note.read(await noted(link, _NOTE))
    settings = await read_settings(link, note.path)
    is_ours = note.wrote == hashlib.sha256(settings.data or b"").hexdigest()
    how, final = "text", settings.text
    if is_ours and not rest:
        how = "original" if note.was_there else "absent"
    settings.parsed()
    if final.strip():
        final = without_items(final, KEY, gone)
    if not rest and not note.was_there and not read_object(final):
        how = "absent"
    # A reload leaves as it is what the file says nothing about: so it is told first in so many
    # words. Loopback is what an engine has of its own.
    meanwhile = final if _insecure(final) else with_insecure(final, (), link.host.name)
    script = (
        assigned("meanwhile", settings.encoded(meanwhile))
        + assigned("final", settings.encoded(final))
        + f"how={how}\nrest={shlex.quote(chr(10).join(rest))}\n{SCRIPTS['restore']}"
    )
    await link.run_root(_put(note.path, script), *gone, timeout_s=_PUT_TIMEOUT_S)


def _put(path: str, script: str) -> str:
    places = f"path={shlex.quote(path)}\nnotes={DIRECTORY}\n"
    return f"{FUNCTIONS}\n{places}{SCRIPTS['put']}\n{script}"


def _insecure(text: str) -> list[str]:
    return list(read_object(text).get(KEY) or [])
