"""What was chosen with F4, kept for each terminal: a serial line stays slow, a window does not."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress

from core.config import Config, ensure_state_dir
from core.errors import AirferryError
from core.files import write_atomically

NAME = "screens.json"


def terminal_name(environ: Mapping[str, str], device: str) -> str:
    """Return what a terminal is known by: its kind, and its device where that is always the same.

    Args:
        environ: The environment.
        device: The path of its device; pseudo-terminals get another one each time.
    """
    kind = environ.get("TERM", "")
    return kind if device.startswith("/dev/pts/") or not device else f"{kind} {device}"


def device_of(descriptor: int) -> str:
    """Return the path of a terminal's device; empty where there is none."""
    try:
        return os.ttyname(descriptor)
    except OSError:
        return ""


class Remembered:
    """The choices of all terminals of a site.

    Args:
        config: The site, which says where the state directory is.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._path = config.state_dir / NAME

    def is_plain(self, terminal: str) -> bool:
        """Whether plain screens were chosen on a terminal."""
        return self._read().get(terminal) is True

    def keep(self, terminal: str, *, plain: bool) -> None:
        """Keep a choice; where that cannot be written, it holds for this time only."""
        chosen = {**self._read(), terminal: plain}
        with suppress(OSError, AirferryError):
            ensure_state_dir(self._config)
            write_atomically(self._path, json.dumps(chosen, indent=1))

    def _read(self) -> dict[str, object]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}  # a comfort only: what cannot be read was never chosen
        return found if isinstance(found, dict) else {}
