"""airctl-config.yaml: found, typed, validated with line numbers, and edited in place."""

from core.config.edit import set_values, write_config
from core.config.keys import KEY_AT, KEYS, Key, keys_for, paths_that_must_exist
from core.config.load import (
    find_config,
    load_config,
    missing_files,
    new_config_path,
    parse_config,
)
from core.config.model import Config, HostConfig, Mode, SshConfig, Warm, ensure_state_dir
from core.config.public import public_text
from core.config.reader import Problem

__all__ = [
    "KEYS",
    "KEY_AT",
    "Config",
    "HostConfig",
    "Key",
    "Mode",
    "Problem",
    "SshConfig",
    "Warm",
    "ensure_state_dir",
    "find_config",
    "keys_for",
    "load_config",
    "missing_files",
    "new_config_path",
    "parse_config",
    "paths_that_must_exist",
    "public_text",
    "set_values",
    "write_config",
]
