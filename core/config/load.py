"""Reading airctl-config.yaml: every problem at once, each with line, key and what is allowed.

Works on PyYAML's node tree rather than on loaded values, because only nodes know their lines and
only nodes still show a key that stands twice.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from core.config.compose import composed
from core.config.keys import (
    HOST_KEYS,
    HOSTS,
    KEYS,
    SECTION,
    Key,
    Kind,
    clean_jump,
    paths_that_must_exist,
    wrong_jump,
)
from core.config.model import Config, HostConfig, Mode, SshConfig
from core.config.reader import Problem, Reader
from core.errors import ConfigError
from core.secrets import PASSWORD_VARIABLE

_SECRET_KEY = re.compile(r"privateRegistry(?:Pass|Token|Secret|Auth|Credential)\w*", re.IGNORECASE)
_EXISTING = "an existing path"
SEARCH_PATH = (
    Path("~/airctl-config.yaml"),
    Path("/opt/pf9/airctl/conf/airctl-config.yaml"),
)


def find_config(explicit: str | None) -> Path:
    """Return the config file to use: `--config`, else the first of the search path.

    Raises:
        ConfigError: there is none.
    """
    if explicit:
        with suppress(RuntimeError):  # `~name` of nobody: then there is no such file
            path = Path(explicit).expanduser()
            if path.is_file():
                return path.absolute()
        raise ConfigError(f"{explicit}: no such file", remedy="Name an existing file: --config")
    for candidate in SEARCH_PATH:
        path = candidate.expanduser()
        if path.is_file():
            return path
    places = " or ".join(str(place) for place in SEARCH_PATH)
    raise ConfigError(
        f"no config found: neither {places}", remedy="Write one, or name it with --config."
    )


def new_config_path() -> Path:
    """Return where the first config of a site goes: where airctl keeps its own, else at home."""
    home, airctl = (candidate.expanduser() for candidate in SEARCH_PATH)
    return airctl if airctl.parent.is_dir() and os.access(airctl.parent, os.W_OK) else home


def load_config(path: Path) -> Config:
    """Read and validate one config file.

    Raises:
        ConfigError: with one line for every problem.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 text") from error
    config, problems = parse_config(text, path)
    if problems:
        raise ConfigError("\n".join(f"{path}:{problem}" for problem in problems))
    return config


def parse_config(text: str, path: Path) -> tuple[Config, list[Problem]]:
    """Parse and validate; a config comes back even with problems, as far as it could be read.

    Args:
        text: The YAML text.
        path: Where it came from; relative paths in it are taken from its directory.
    """
    root, broken = composed(text)
    if broken:
        return Config(path), broken
    reader = Reader(root, path.parent)
    return _build(reader, path), sorted(reader.problems)


def _build(reader: Reader, path: Path) -> Config:
    _refuse_secrets(reader)
    section = reader.section(SECTION)
    section.only(*(key.own_name for key in KEYS if key.in_section))
    said = tuple(key for key in ("user", "port") if f"{SECTION}.{key}" in reader.lines)
    defaults = Config(path)
    ssh = SshConfig(said=said, **_values(section, defaults, in_section=True))
    values = _values(reader, defaults, in_section=False)
    config = Config(path=path, ssh=ssh, lines=reader.lines, **values)
    if config.mode is Mode.CUSTOM and not config.registry_base:
        reader.report("privateRegistryBase", "is needed in mode custom", "host[:port][/path]")
    return replace(config, hosts=_build_hosts(reader, ssh))


def _values(reader: Reader, defaults: Config, *, in_section: bool) -> dict[str, Any]:
    """Return the values of all keys of a mapping, by the names of the fields that hold them."""
    keys = (key for key in KEYS if key.in_section is in_section)
    return {key.field: _value(reader, key, key.value(defaults)) for key in keys}


def _value(reader: Reader, key: Key, default: Any) -> object:  # noqa: ANN401 - of the field's type
    name = key.own_name
    match key.kind:
        case Kind.CHOICE:
            words: type[StrEnum] = type(default)
            return words(reader.word(name, tuple(words), default))
        case Kind.FLAG:
            return reader.flag(name, default)
        case Kind.NUMBER:
            return reader.number(name, default, key.low, key.high)
        case Kind.PATH | Kind.FILE:
            return reader.path(name, default)
        case Kind.FILES:
            return reader.paths(name)
        case Kind.TEXTS:
            return tuple(_checked(reader, key, text) for text in reader.texts(name))
        case Kind.TEXT:
            return _checked(reader, key, reader.text(name, "")) or default


def _checked(reader: Reader, key: Key, text: str) -> str:
    cleaned = key.clean(text)
    if key.wrong and (wrong := key.wrong(cleaned)):
        reader.report(key.own_name, *wrong)
    return cleaned


def _refuse_secrets(reader: Reader) -> None:
    """Note every key that is to hold the registry's password: it never stands in the config."""
    for key in list(reader.lines):
        if _SECRET_KEY.fullmatch(key) and reader.has(key):
            reader.report(
                key,
                "a password never stands in the config: take it out, and change it",
                f"docker login, {PASSWORD_VARIABLE}, or typed (--ask-registry-password)",
            )


def _build_hosts(reader: Reader, ssh: SshConfig) -> tuple[HostConfig, ...]:
    hosts = [_build_host(item, ssh) for item in reader.items(HOSTS)]
    names: dict[str, int] = {}
    for index, host in enumerate(hosts):
        if not host.name:
            continue
        if host.name == "du":
            reader.report(f"hosts[{index}]", "is named 'du', which means this machine", "a name")
        if host.name in names:
            reader.report(
                f"hosts[{index}]",
                f"has the name of hosts[{names[host.name]}]: {host.name}",
                "a name of its own",
            )
        names.setdefault(host.name, index)
    return tuple(host for host in hosts if host.name)


def _build_host(item: Reader, ssh: SshConfig) -> HostConfig:
    address = item.scalar_text()
    if address is not None:
        return HostConfig(address, address, ssh.port, ssh.user, ssh.key, ssh.jump, ssh.said)
    item.only(*HOST_KEYS)
    address = item.text("address", "")
    if not address and item.is_mapping:
        item.report("address", "is missing", "an IP address or a host name")
    return HostConfig(
        name=item.text("name", "") or address,
        address=address,
        port=item.port("port", ssh.port),
        user=item.text("user", ssh.user) or ssh.user,
        key=item.path("key", ssh.key),
        jump=_jump(item, ssh.jump),
        said=tuple(key for key in ("user", "port") if key in ssh.said or item.has(key)),
    )


def _jump(reader: Reader, default: str) -> str:
    """Return a host's own jump host, else the site's."""
    found = clean_jump(reader.text("jump", default))
    if wrong := wrong_jump(found):
        reader.report("jump", *wrong)
    return found


def missing_files(config: Config) -> list[Problem]:
    """Return a problem for each file or directory that the config names and that is not there."""
    problems = [
        Problem(config.lines.get(key.path, 0), key.path, f"no such file: {path}", _EXISTING)
        for key, path in paths_that_must_exist(config)
        if not path.exists()
    ]
    for index, host in enumerate(config.hosts):
        if host.key and host.key != config.ssh.key and not host.key.exists():
            key = f"hosts[{index}].key"
            line = config.lines.get(key, 0)
            problems.append(Problem(line, key, f"no such file: {host.key}", _EXISTING))
    return problems
