"""Reading airctl-config.yaml: every problem at once, each with line, key and what is allowed.

Works on PyYAML's node tree rather than on loaded values, because only nodes know their lines and
only nodes still show a key that stands twice.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from core.config.compose import composed
from core.config.model import Config, HostConfig, Mode, SshConfig, Warm
from core.config.reader import Problem, Reader
from core.errors import ConfigError
from core.secrets import PASSWORD_VARIABLE

_JUMP = re.compile(r"(?:[^@\s]+@)?(?:[^@:\s\[\]]+|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?")
_BRACKETS = re.compile(r"\[(?P<address>[^\[\]]*:[^\[\]]*)\](?P<port>(:\w*)?)")
_WITH_PORT = re.compile(r"[^:]+:[0-9]+")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_RELEASE = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}(?:\.[0-9]{1,4})?")
_SECRET_KEY = re.compile(r"privateRegistry(?:Pass|Token|Secret|Auth|Credential)\w*", re.IGNORECASE)
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
    mode = Mode(reader.word("privateRegistryType", tuple(Mode), Mode.NONE.value))
    base = reader.text("privateRegistryBase", "").removesuffix("/")
    if mode is Mode.CUSTOM and not base:
        reader.report("privateRegistryBase", "is needed in mode custom", "host[:port][/path]")
    if wrong := _wrong_in_base(base):
        reader.report("privateRegistryBase", *wrong)
    _refuse_secrets(reader)
    ssh = _build_ssh(reader)
    defaults = Config(path)
    return Config(
        path=path,
        mode=mode,
        registry_base=base,
        docker_repo=reader.paths("dockerRepo"),
        images_dir=reader.path("imagesDir", defaults.images_dir),
        hosts=_build_hosts(reader, ssh),
        ssh=ssh,
        registry_dir=reader.path("registryDir", defaults.registry_dir),
        registry_port=reader.port("registryPort", defaults.registry_port),
        host_registry_port=reader.port("hostRegistryPort", defaults.host_registry_port),
        registry_ca=reader.path("privateRegistryCA", None),
        registry_insecure=reader.flag("privateRegistryInsecure", False),
        registry_user=reader.text("privateRegistryUser", ""),
        registry_host_login=reader.flag("privateRegistryHostLogin", False),
        later_bundle_wins=reader.flag("laterBundleWins", False),
        carry_artifacts=reader.flag("carryArtifacts", defaults.carry_artifacts),
        keep_source_registry=_flag_if_said(reader, "keepSourceRegistry"),
        warm=Warm(reader.word("warm", tuple(Warm), defaults.warm.value)),
        verify_run=reader.flag("verifyRun", defaults.verify_run),
        release=_release(reader),
        compression_level=reader.number("compressionLevel", defaults.compression_level, 0, 3),
        state_dir=reader.path("stateDir", defaults.state_dir),
        lines=reader.lines,
    )


def _flag_if_said(reader: Reader, key: str) -> bool | None:
    found = reader.flag(key, False)
    return found if key in reader.lines else None


def _wrong_in_base(base: str) -> tuple[str, str] | None:
    """Return what is wrong with an address that no Docker would pull from, and what is allowed."""
    allowed = "host[:port][/path]"
    host, _, path = base.partition("/")
    if "://" in base:
        return "has a scheme", f"{allowed}, no http://"
    if "@" in host:
        return (
            "has a login in it: take it out, and change the password if there is one",
            f"{allowed}; the login is typed, in the environment, or docker login's",
        )
    if re.search(r"[\s?#@]|//|^/", base):
        return "is no address", allowed
    if path != path.lower():
        return "has capital letters in its path, which Docker does not take", allowed
    port = re.search(r":(\d+)$", host)
    if port and not 0 < int(port[1]) < 1 << 16:
        return "has no port from 1 to 65535", allowed
    return None


def _refuse_secrets(reader: Reader) -> None:
    """Note every key that is to hold the registry's password: it never stands in the config."""
    for key in list(reader.lines):
        if _SECRET_KEY.fullmatch(key) and reader.has(key):
            reader.report(
                key,
                "a password never stands in the config: take it out, and change it",
                f"docker login, {PASSWORD_VARIABLE}, or typed (--ask-registry-password)",
            )


def _build_ssh(reader: Reader) -> SshConfig:
    section = reader.section("ssh")
    defaults = SshConfig()
    section.only(
        *("user", "port", "key", "knownHosts", "concurrency", "connectTimeout"),
        *("jump", "config", "hostKeys"),
    )
    return SshConfig(
        user=section.text("user", defaults.user) or defaults.user,
        port=section.port("port", defaults.port),
        key=section.path("key", None),
        known_hosts=section.path("knownHosts", None),
        concurrency=section.number("concurrency", defaults.concurrency, 1, 512),
        connect_timeout_s=section.number("connectTimeout", defaults.connect_timeout_s, 1, 600),
        jump=_jump(section, ""),
        config_file=section.path("config", None),
        host_keys=_host_keys(section),
        said=tuple(key for key in ("user", "port") if f"ssh.{key}" in reader.lines),
    )


def _build_hosts(reader: Reader, ssh: SshConfig) -> tuple[HostConfig, ...]:
    hosts = [_build_host(item, ssh) for item in reader.items("hosts")]
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
    said = item.scalar_text()
    if said is not None:
        address = _address(item, "", said)
        return HostConfig(address, address, ssh.port, ssh.user, ssh.key, ssh.jump, ssh.said)
    item.only("name", "address", "port", "user", "key", "jump")
    address = _address(item, "address", item.address("address"))
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


def _address(item: Reader, key: str, said: str) -> str:
    """Return an address as it is connected to: one of IPv6 without brackets."""
    found = _BRACKETS.fullmatch(said)
    if found and not found["port"]:
        return found["address"]
    if found or _WITH_PORT.fullmatch(said):
        item.report(key, f"is {said[:80]!r}", "an address alone; its port goes into: port")
    return said


def _jump(reader: Reader, default: str) -> str:
    """Return the jump host, `[user@]host[:port]`; `none` in a host's entry takes it away."""
    found = reader.text("jump", default)
    if found.lower() == "none":
        return ""
    if found and not _JUMP.fullmatch(found):
        reader.report("jump", f"is {found!r}", "[user@]host[:port]")
    return found


def _host_keys(reader: Reader) -> tuple[str, ...]:
    """Return fingerprints of host keys that a person has compared, as `ssh-keygen -lf` shows."""
    found = reader.texts("hostKeys")
    for fingerprint in found:
        if not _FINGERPRINT.fullmatch(fingerprint):
            reader.report("hostKeys", f"has {fingerprint[:80]!r}", "SHA256: and 43 characters")
    return found


def _release(reader: Reader) -> str:
    found = reader.text("release", "")
    if found and not _RELEASE.fullmatch(found):
        reader.report("release", f"is {found[:80]!r}", "a release such as 5.6 or 5.6.0")
    return found


def missing_files(config: Config) -> list[Problem]:
    """Return a problem for each file or directory that the config names and that is not there."""
    wanted: list[tuple[str, Path | None]] = [
        ("imagesDir", config.images_dir),
        *(("dockerRepo", path) for path in config.docker_repo),
        ("ssh.key", config.ssh.key),
        ("ssh.config", config.ssh.config_file),
        ("privateRegistryCA", config.registry_ca),
    ]
    problems = [
        Problem(config.lines.get(key, 0), key, f"no such file: {path}", "an existing path")
        for key, path in wanted
        if path is not None and not path.exists()
    ]
    for index, host in enumerate(config.hosts):
        if host.key and host.key != config.ssh.key and not host.key.exists():
            key = f"hosts[{index}].key"
            line = config.lines.get(key, 0)
            problems.append(Problem(line, key, f"no such file: {host.key}", "an existing path"))
    return problems
