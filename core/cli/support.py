"""The command that makes a support bundle; a config that is wrong must not keep it from that."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from core.config import Config, find_config, parse_config
from core.engine.support import write_support_bundle
from core.errors import ConfigError


def support(options: Namespace) -> int:
    """Write a support bundle and say where it is."""
    place = options.to or Path.cwd()
    path = write_support_bundle(_config(options.config), place.absolute(), options.run)
    record = {"written": str(path), "bytes": path.stat().st_size}
    text = f"written: {path}\nYou may look into it first: tar xzf; README.txt says what is in it."
    print(json.dumps(record) if options.json else text)
    return 0


def _config(explicit: str | None) -> Config:
    """Return the site's config as far as it can be read."""
    path = find_config(explicit)
    try:
        return parse_config(path.read_text(encoding="utf-8"), path)[0]
    except UnicodeDecodeError:
        return Config(path)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
