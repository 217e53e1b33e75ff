"""What the values of the form lead to: bundles in the directory, Docker in the file, keys at home.

All of it looks at files, so it is called in a thread; what may take long stands by itself.
"""

from __future__ import annotations

import difflib
import shutil
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.bundle.discovery import find_bundles
from core.config import Config, Mode, Problem, paths_that_must_exist
from core.engine.found import docker_in
from core.errors import AirferryError
from core.files import nearest_directory
from core.versions import newest, release_in
from core.words import count, size
from tui.terminal.text import names, safe

PROBE_TIMEOUT_S = 0.3
_HEAD_BYTES = 1 << 20
_MOST_KEYS = 50


@dataclass(frozen=True)
class Found:
    """What stands under a value.

    Args:
        words: What was found; empty for nothing worth a line.
        sign: `=` it will do, `!` it may not, nothing where it says no such thing.
        offer: A value that Enter takes instead.
    """

    words: str = ""
    sign: str = ""
    offer: str = ""


def quick(config: Config, problems: Mapping[str, Problem]) -> dict[str, Found]:
    """Return what takes milliseconds to find, by key path.

    Args:
        config: What the form says now.
        problems: What is wrong with it, by key path.
    """
    found: dict[str, Found] = {}
    for key, look in _LOOKS.items():
        if key not in problems:
            with suppress(OSError):
                found[key] = look(config)
    missing: dict[str, Path] = {}  # of several, the first
    for named, path in paths_that_must_exist(config):
        if named.path in problems and not path.exists():
            missing.setdefault(named.path, path)
    offers = {key: _offer(key, path) for key, path in missing.items()}
    return found | {key: offer for key, offer in offers.items() if offer}


def slow(config: Config) -> dict[str, Found]:
    """Return what may take seconds to find: the Docker bundle is read to its end once."""
    if not config.docker_repo or not all(path.exists() for path in config.docker_repo):
        return {}
    return {"dockerRepo": _docker(config)}


def _docker(config: Config) -> Found:
    try:
        held = docker_in(config.docker_repo)
    except AirferryError as error:
        return Found(error.what, "!")
    usable = [each for each in held if each.usable]
    if not usable:
        why = f"{held[0].source}: {held[0].words}" if held else "it is empty"
        return Found(f"no Docker in it: {why}", "!")
    if len(usable) == 1:
        return Found(f"{usable[0].words}, {size(usable[0].size_bytes)}", "=")
    total = size(sum(each.size_bytes for each in usable))
    return Found(f"{len(usable)} of Docker, {total}: {names((e.words for e in usable), 44)}", "=")


def _bundles(config: Config) -> Found:
    if not config.images_dir.exists():
        return Found("not there yet: + on Bundles makes it, from a stick", "!")
    try:
        found, ignored = find_bundles(config.images_dir)
    except AirferryError as error:
        return Found(error.what, "!")
    if not found:
        return Found(f"no bundle in it ({count(len(ignored), 'other file')})", "!")
    total = size(sum(file.size_bytes for file in found))
    return Found(f"{count(len(found), 'bundle')}, {total}", "=")


def _room(directory: Path) -> str:
    return f"{size(shutil.disk_usage(nearest_directory(directory)).free)} free"


def _registry_dir(config: Config) -> Found:
    directory = config.registry_dir
    there = "holds a registry" if (directory / "docker").is_dir() else "made when it is needed"
    if directory.exists() and not directory.is_dir():
        return Found("not a directory", "!")
    return Found(f"{there}; {_room(directory)}", "=")


def _port(config: Config) -> Found:
    try:
        socket.create_connection(("127.0.0.1", config.registry_port), PROBE_TIMEOUT_S).close()
    except OSError:
        return Found("free on this machine", "=")
    return Found("in use: by the registry, or choose another port", "")


def _ca(config: Config) -> Found:
    if config.registry_ca is None:
        return Found()
    number = _head(config.registry_ca).count(b"-----BEGIN CERTIFICATE-----")
    if not number:
        return Found("no certificate in it: PEM is wanted (BEGIN CERTIFICATE)", "!")
    return Found(count(number, "certificate"), "=")


def _user(config: Config) -> Found:
    if config.ssh.user == "root":
        return Found()
    return Found("needs sudo on hosts; where that asks: w on Hosts", "!")


def _key(config: Config) -> Found:
    key = config.ssh.key
    if key is None:
        kept = keys_at_home()
        return Found(f"keys found: {names(kept, 50)}" if kept else "no key files in ~/.ssh")
    if _is_private_key(key):
        return Found("a private key", "=")
    if key.suffix == ".pub":
        return Found("a public key: name the file without .pub", "!", str(key.with_suffix("")))
    return Found("no private key in it", "!")


def _known(config: Config) -> Found:
    if config.ssh.known_hosts is None:
        return Found()
    lines = [line.strip() for line in _head(config.ssh.known_hosts).splitlines()]
    keys = sum(1 for line in lines if line and not line.startswith(b"#"))
    return Found(count(keys, "host key"), "=")


def _fingerprints(config: Config) -> Found:
    found = config.ssh.host_keys
    return Found(count(len(found), "fingerprint"), "=") if found else Found()


def _release(config: Config) -> Found:
    if config.release:
        return Found()
    try:
        names_of = [file.name for file in find_bundles(config.images_dir)[0]]
    except AirferryError:
        return Found()
    found = newest(release_in(name) for name in names_of)
    return Found(f"the bundles' names say {found}" if found else "the bundles' names do not tell")


def _state(config: Config) -> Found:
    return Found(_room(config.state_dir), "=")


_LOOKS: Mapping[str, Callable[[Config], Found]] = {
    "imagesDir": _bundles,
    "registryDir": _registry_dir,
    "registryPort": _port,
    "privateRegistryCA": _ca,
    "ssh.user": _user,
    "ssh.key": _key,
    "ssh.knownHosts": _known,
    "ssh.hostKeys": _fingerprints,
    "release": _release,
    "stateDir": _state,
}


def _offer(key: str, missing: Path) -> Found | None:
    """Return what is there instead of a file that is not: a key at home, or a name much like it."""
    if key == "ssh.key" and (kept := keys_at_home()):
        more = f", {names(kept[1:], 20)}" if len(kept) > 1 else ""
        return Found(f"Keys found: {kept[0]} (Enter: take it){more}", offer=kept[0])
    with suppress(OSError):
        beside = [path.name for path in missing.parent.iterdir()]
        if close := difflib.get_close_matches(missing.name, beside, 1):
            return Found(
                f"There is {safe(close[0])} (Enter: take it)", offer=str(missing.parent / close[0])
            )
    return None


def keys_at_home() -> list[str]:
    """Return the private keys in ~/.ssh, as a person writes their names."""
    try:
        files = sorted(Path("~/.ssh").expanduser().iterdir())[:_MOST_KEYS]
    except (OSError, RuntimeError):
        return []
    return [f"~/.ssh/{path.name}" for path in files if path.is_file() and _is_private_key(path)]


def _is_private_key(path: Path) -> bool:
    try:
        return b"PRIVATE KEY-----" in _head(path)
    except OSError:
        return False


def _head(path: Path) -> bytes:
    """Return a file's content, of a very large one only the beginning."""
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def mode_of(word: str) -> Mode:
    """Return the mode that a value names, in any letter case; none for what names no mode."""
    word = word.strip().lower()
    return Mode(word) if word in tuple(Mode) else Mode.NONE
