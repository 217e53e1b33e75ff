"""Reading airctl-config.yaml: every problem at once, each with line, key and what is allowed.

Works on PyYAML's node tree rather than on loaded values, because only nodes know their lines and
only nodes still show a key that stands twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from core.config.compose import composed
from core.config.model import Config, HostConfig, Mode, SshConfig
from core.config.reader import Problem, Reader
from core.errors import ConfigError

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
    if "://" in base:
        reader.report("privateRegistryBase", "has a scheme", "host[:port][/path], no http://")
    ssh = _build_ssh(reader)
    defaults = Config(path)
    return Config(
        path=path,
        mode=mode,
        registry_base=base,
        docker_repo=reader.path("dockerRepo", None),
        images_dir=reader.path("imagesDir", defaults.images_dir),
        hosts=_build_hosts(reader, ssh),
        ssh=ssh,
        registry_dir=reader.path("registryDir", defaults.registry_dir),
        registry_port=reader.port("registryPort", defaults.registry_port),
        host_registry_port=reader.port("hostRegistryPort", defaults.host_registry_port),
        registry_ca=reader.path("privateRegistryCA", None),
        registry_insecure=reader.flag("privateRegistryInsecure", False),
        registry_user=reader.text("privateRegistryUser", ""),
        later_bundle_wins=reader.flag("laterBundleWins", False),
        compression_level=reader.number("compressionLevel", defaults.compression_level, 0, 3),
        state_dir=reader.path("stateDir", defaults.state_dir),
        lines=reader.lines,
    )


def _build_ssh(reader: Reader) -> SshConfig:
    section = reader.section("ssh")
    defaults = SshConfig()
    section.only("user", "port", "key", "knownHosts", "concurrency", "connectTimeout")
    return SshConfig(
        user=section.text("user", defaults.user) or defaults.user,
        port=section.port("port", defaults.port),
        key=section.path("key", None),
        known_hosts=section.path("knownHosts", None),
        concurrency=section.number("concurrency", defaults.concurrency, 1, 512),
        connect_timeout_s=section.number("connectTimeout", defaults.connect_timeout_s, 1, 600),
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
    address = item.scalar_text()
    if address is not None:
        return HostConfig(address, address, ssh.port, ssh.user, ssh.key)
    item.only("name", "address", "port", "user", "key")
    address = item.text("address", "")
    if not address and item.is_mapping:
        item.report("address", "is missing", "an IP address or a host name")
    return HostConfig(
        name=item.text("name", "") or address,
        address=address,
        port=item.port("port", ssh.port),
        user=item.text("user", ssh.user) or ssh.user,
        key=item.path("key", ssh.key),
    )


def missing_files(config: Config) -> list[Problem]:
    """Return a problem for each file or directory that the config names and that is not there."""
    wanted: Mapping[str, Path | None] = {
        "imagesDir": config.images_dir,
        "dockerRepo": config.docker_repo,
        "ssh.key": config.ssh.key,
        "ssh.knownHosts": config.ssh.known_hosts,
        "privateRegistryCA": config.registry_ca,
    }
    problems = [
        Problem(config.lines.get(key, 0), key, f"no such file: {path}", "an existing path")
        for key, path in wanted.items()
        if path is not None and not path.exists()
    ]
    for index, host in enumerate(config.hosts):
        if host.key and host.key != config.ssh.key and not host.key.exists():
            key = f"hosts[{index}].key"
            line = config.lines.get(key, 0)
            problems.append(Problem(line, key, f"no such file: {host.key}", "an existing path"))
    return problems
