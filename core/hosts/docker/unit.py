"""What dockerd is started with: its arguments, by its process or by its systemd unit."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

_SHORT = {
    "H": "host",
    "D": "debug",
    "l": "log-level",
    "g": "graph",
    "G": "group",
    "b": "bridge",
    "s": "storage-driver",
    "p": "pidfile",
}
_WITHOUT_VALUE = {"D"}
_FILE_KEYS = {  # where a key of the file is not called as the flag is
    "host": "hosts",
    "insecure-registry": "insecure-registries",
    "registry-mirror": "registry-mirrors",
    "label": "labels",
    "dns-opt": "dns-opts",
    "storage-opt": "storage-opts",
    "exec-opt": "exec-opts",
    "log-opt": "log-opts",
    "authorization-plugin": "authorization-plugins",
    "default-address-pool": "default-address-pools",
    "default-ulimit": "default-ulimits",
    "node-generic-resource": "node-generic-resources",
    "cluster-store-opt": "cluster-store-opts",
}
_MAY_BE_BOTH = {"add-runtime", "config-file"}
_FLAT = {
    *("cluster-store-opts", "log-opts", "runtimes", "default-ulimits", "features", "builder"),
    *("default-network-opts", "proxies"),
}
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_BEFORE = "@-:+!|"  # what may stand before the program in ExecStart


@dataclass(frozen=True)
class Start:
    """A way in which dockerd is started.

    Args:
        program: Its file.
        options: Its arguments.
    """

    program: str
    options: tuple[str, ...]

    def value(self, *flags: str) -> str:
        """Return the last value of a flag that has several names; empty where it is not set."""
        return next((value for flag, value in reversed(self._flags()) if flag in flags), "")

    def said_twice(self, keys: Iterable[str]) -> list[tuple[str, str]]:
        """Return the flags that are keys of the file as well, each with that key.

        dockerd does not start with such a file, nor reads it when it is reloaded.
        """
        keys = set(keys)
        flags = dict.fromkeys(flag for flag, _ in self._flags() if flag not in _MAY_BE_BOTH)
        return [(flag, key) for flag in flags if (key := _FILE_KEYS.get(flag, flag)) in keys]

    def _flags(self) -> list[tuple[str, str]]:
        found = []
        words = [*self.options, ""]
        for word, after in pairwise(words):
            next_one = "" if after.startswith("-") else after
            if word.startswith("--"):
                name, has_value, value = word[2:].partition("=")
                found.append((name, value if has_value else next_one))
            elif word.startswith("-"):
                found += _short_flags(word[1:], next_one)
        return found


def file_keys(settings: Mapping[str, object]) -> set[str]:
    """Return the keys of a daemon.json as dockerd compares them with its flags."""
    found: set[str] = set()
    for key, value in settings.items():
        found |= set(value) if isinstance(value, dict) and key not in _FLAT else {key}
    return found


def start_of_process(program: str, arguments: Sequence[str]) -> Start:
    """Return how a dockerd was started that runs."""
    return Start(program, tuple(arguments[1:]))


def start_of_unit(lines: Iterable[str], environment_files: Iterable[str]) -> Start | None:
    """Return how a unit starts dockerd; None where it does so in a way that cannot be read.

    Args:
        lines: Of `systemctl cat`: the unit and all that is dropped in.
        environment_files: The lines of the files that it names.
    """
    command, environment = "", dict[str, str]()
    for key, value in _service_settings(lines):
        if key == "ExecStart":
            command = value  # an empty one takes back what stood before
        elif key == "Environment":
            environment |= _assignments(value)
    for line in environment_files:
        if not line.lstrip().startswith(("#", ";")):
            environment |= _assignments(line)
    try:
        words = [*_expanded(shlex.split(command), environment)]
    except ValueError:
        return None
    if not words:
        return None
    program = words[0].lstrip(_BEFORE)
    is_dockerd = program.rpartition("/")[2].lstrip(".").startswith("dockerd")
    return Start(program, tuple(words[1:])) if is_dockerd else None


def _service_settings(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    section, begun = "", ""
    for line in lines:
        text = line.strip()
        if text.startswith(("#", ";")):
            continue
        begun += text
        if begun.endswith("\\"):
            begun = begun[:-1] + " "
            continue
        if begun.startswith("["):
            section = begun
        elif section == "[Service]" and "=" in begun:
            key, _, value = begun.partition("=")
            yield key.strip(), value.strip()
        begun = ""


def _assignments(text: str) -> dict[str, str]:
    try:
        words = shlex.split(text)
    except ValueError:
        return {}
    pairs = (word.partition("=") for word in words)
    return {name: value for name, sign, value in pairs if sign}


def _expanded(words: Iterable[str], environment: Mapping[str, str]) -> Iterable[str]:
    """Yield words as systemd passes them: `$NAME` alone is split, `${NAME}` is not."""
    for word in words:
        if re.fullmatch(r"\$\w+", word):
            yield from environment.get(word[1:], "").split()
        else:
            yield _VARIABLE.sub(lambda match: environment.get(match[1], ""), word).replace(
                "%%", "%"
            )


def _short_flags(letters: str, after: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    while letters:
        letter, letters = letters[0], letters[1:]
        name = _SHORT.get(letter, letter)
        if letter not in _WITHOUT_VALUE:
            return [*found, (name, letters.removeprefix("=") or after)]
        found.append((name, ""))
    return found
