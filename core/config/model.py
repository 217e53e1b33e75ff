"""The site's config as typed values: what the rest of the program reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from core.errors import LocalFilesError

DEFAULT_IMAGES_DIR = Path("/opt/pf9/airctl/imgs")
DEFAULT_REGISTRY_DIR = Path("/var/lib/airferry/registry")


class Warm(StrEnum):
    """How a host's Docker cache gets the images (`warm`)."""

    PULL = "pull"
    LOAD = "load"


class Mode(StrEnum):
    """How the hosts of a site get their images (`privateRegistryType`)."""

    DU = "du"
    NONE = "none"
    CUSTOM = "custom"


@dataclass(frozen=True)
class HostConfig:
    """One host and how to log in to it.

    `said` names those of user and port that the site's config gives; about the others an OpenSSH
    config may have something to say.
    """

    name: str
    address: str
    port: int = 22
    user: str = "root"
    key: Path | None = None
    jump: str = ""
    said: tuple[str, ...] = ("user", "port")


@dataclass(frozen=True)
class SshConfig:
    """Defaults for every host, and the limits; `said` as for a host."""

    user: str = "root"
    port: int = 22
    key: Path | None = None
    known_hosts: Path | None = None
    concurrency: int = 16
    connect_timeout_s: int = 20
    jump: str = ""
    config_file: Path | None = None
    host_keys: tuple[str, ...] = ()
    said: tuple[str, ...] = ("user", "port")


@dataclass(frozen=True)
class Config:
    """Everything that `airctl-config.yaml` says, with defaults filled in.

    `keep_source_registry` is None where it is not said: then each bundle's names are as it was
    imported. `lines` gives the line (from 1) of each key path in the file, for messages.
    """

    path: Path
    mode: Mode = Mode.NONE
    registry_base: str = ""
    docker_repo: tuple[Path, ...] = ()
    images_dir: Path = DEFAULT_IMAGES_DIR
    hosts: tuple[HostConfig, ...] = ()
    ssh: SshConfig = field(default_factory=SshConfig)
    registry_dir: Path = DEFAULT_REGISTRY_DIR
    registry_port: int = 5100
    host_registry_port: int = 5001
    registry_ca: Path | None = None
    registry_insecure: bool = False
    registry_user: str = ""
    registry_host_login: bool = False
    later_bundle_wins: bool = False
    carry_artifacts: bool = True
    keep_source_registry: bool | None = None
    warm: Warm = Warm.PULL
    verify_run: bool = False
    release: str = ""
    compression_level: int = 1
    state_dir: Path = field(default_factory=lambda: default_state_dir())
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)

    @property
    def name_prefix(self) -> str:
        """What stands before an image's path on the hosts: `localhost:5001`, or the site's base."""
        if self.mode is Mode.CUSTOM:
            return self.registry_base
        return f"localhost:{self.host_registry_port}"


def default_state_dir() -> Path:
    """Where state is kept when the config does not say: for root, else the XDG place."""
    if os.geteuid() == 0:
        return Path("/var/lib/airferry")
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "airferry"


def ensure_state_dir(config: Config) -> Path:
    """Make the state directory, private to its user (0700), and return it.

    Raises:
        LocalFilesError: it cannot be made, or is not ours to write in.
    """
    try:
        config.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise LocalFilesError(f"stateDir {config.state_dir}: {error.strerror}") from error
    if not os.access(config.state_dir, os.W_OK | os.X_OK):
        raise LocalFilesError(f"stateDir {config.state_dir}: not writable by this user")
    return config.state_dir
