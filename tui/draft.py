"""The config as it is being edited: what the file says, what was typed, and the difference.

Typed values stay here, not in a widget, so that going back never loses one.
"""

from __future__ import annotations

import difflib
from functools import lru_cache

import yaml

from core.config import set_values
from core.errors import ConfigError

NUMBERS = frozenset(
    {
        "compressionLevel",
        "hostRegistryPort",
        "registryPort",
        "ssh.concurrency",
        "ssh.connectTimeout",
        "ssh.port",
    }
)
FLAGS = frozenset({"laterBundleWins", "privateRegistryInsecure"})


@lru_cache(maxsize=8)
def scalars(text: str) -> dict[str, str]:
    """Return the plain values of a config by key path (`imagesDir`, `ssh.user`), as written.

    A text that is no YAML has none.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return {}
    found: dict[str, str] = {}
    _collect(root, "", found)
    return found


def _collect(node: yaml.Node | None, prefix: str, found: dict[str, str]) -> None:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        path = f"{prefix}{key.value}"
        if isinstance(value, yaml.ScalarNode):
            found[path] = "" if value.tag == "tag:yaml.org,2002:null" else str(value.value)
        elif not prefix:
            _collect(value, f"{path}.", found)


class Draft:
    """An edited copy of one config text.

    Args:
        base: What the file says.
    """

    def __init__(self, base: str) -> None:
        self.base = base
        self._edited = base
        self._changes: dict[str, str] = {}

    @property
    def text(self) -> str:
        """The whole text with everything that was typed.

        Raises:
            ConfigError: the text cannot take the changes (it is no YAML, say).
        """
        values = {key: _typed(key, value) for key, value in self._changes.items()}
        return set_values(self._edited, values)

    @property
    def is_dirty(self) -> bool:
        """Whether there is anything to save."""
        return bool(self._changes) or self._edited != self.base

    def value(self, key: str) -> str:
        """Return what a key is set to; empty where it is not."""
        return self._changes.get(key, scalars(self._edited).get(key, ""))

    def is_changed(self, key: str) -> bool:
        """Whether a key differs from the file."""
        return self.value(key) != scalars(self.base).get(key, "")

    def set(self, key: str, value: str) -> None:
        """Note what was typed for a key.

        Raises:
            ConfigError: this text cannot take it; then nothing is changed.
        """
        before = dict(self._changes)
        if value == scalars(self._edited).get(key, ""):
            self._changes.pop(key, None)
        else:
            self._changes[key] = value
        try:
            _ = self.text
        except ConfigError:
            self._changes = before
            raise

    def undo(self, key: str) -> None:
        """Forget what was typed for a key."""
        self._changes.pop(key, None)

    def replace(self, text: str) -> None:
        """Take a text edited as a whole."""
        self._edited = text
        self._changes.clear()

    def diff(self) -> list[str]:
        """Return the lines that differ from the file, with a little around them."""
        before, after = self.base.splitlines(), self.text.splitlines()
        found = difflib.unified_diff(before, after, "in the file", "after saving", lineterm="", n=2)
        return list(found)

    @property
    def changed_lines(self) -> int:
        """How many lines were added or changed, or only taken away."""
        marks = [line[0] for line in self.diff()[2:] if line]
        return max(marks.count("+"), marks.count("-"))


def _typed(key: str, value: str) -> str | int | bool:
    """Give numbers and truth values their own type, so that they are written without quotes."""
    if key in NUMBERS and value.isascii() and value.isdigit():
        return int(value)
    if key in FLAGS and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return value
