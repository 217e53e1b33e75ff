"""The config as it is being edited: what the file says, what was typed, and the difference.

Typed values stay here, not in a widget, so that going back never loses one.
"""

from __future__ import annotations

import difflib
from functools import lru_cache

import yaml

from core.config import KEY_AT, set_values
from core.config.compose import composed
from core.errors import ConfigError


@lru_cache(maxsize=8)
def scalars(text: str) -> dict[str, str]:
    """Return the plain values of a config by key path (`imagesDir`, `ssh.user`), as written.

    A text that is no YAML has none.
    """
    root, _ = composed(text)
    found: dict[str, str] = {}
    _collect(root, "", found)
    return found


@lru_cache(maxsize=8)
def lists(text: str) -> dict[str, int]:
    """Return how many items each list of a config has, by key path; the form edits no lists."""
    root, _ = composed(text)
    nodes = _nodes(root, "")
    return {k: len(v.value) for k, v in nodes.items() if isinstance(v, yaml.SequenceNode)}


def _collect(node: yaml.Node | None, prefix: str, found: dict[str, str]) -> None:
    for path, value in _nodes(node, prefix).items():
        if isinstance(value, yaml.ScalarNode):
            found[path] = "" if value.tag == "tag:yaml.org,2002:null" else str(value.value)


def _nodes(node: yaml.Node | None, prefix: str) -> dict[str, yaml.Node]:
    """Return the values of a config and of its sections by key path."""
    found: dict[str, yaml.Node] = {}
    if not isinstance(node, yaml.MappingNode):
        return found
    for key, value in node.value:
        path = f"{prefix}{key.value}"
        found[path] = value
        if not prefix:
            found |= _nodes(value, f"{path}.")
    return found


class ConfigDraft:
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
        return _changed(self._edited, tuple(self._changes.items()))

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
        self.note(key, value)
        try:
            _ = self.text
        except ConfigError:
            self._changes = before
            raise

    def items(self, key: str) -> int:
        """Return how many items the list at a key has; 0 where there is none."""
        return 0 if key in self._changes else lists(self._edited).get(key, 0)

    def rebase(self, theirs: str) -> None:
        """Take what somebody else wrote to the file meanwhile, and keep what was typed here.

        Single keys that were typed are put into their text. A text that was edited as a whole
        stays as it is, and so does all where their text cannot take the keys: the difference then
        shows what of theirs saving would take away.
        """
        whole = self._edited
        if self._edited == self.base and theirs:  # a file that has gone is written again
            self._edited = theirs
        self.base = theirs
        try:
            _ = self.text
        except ConfigError:
            self._edited = whole

    def note(self, key: str, value: str) -> None:
        """Note what was typed for a key, without a look at whether the text can take it."""
        if value == scalars(self._edited).get(key, ""):
            self._changes.pop(key, None)
        else:
            self._changes[key] = value

    def copy(self) -> ConfigDraft:
        """Return this draft as it is now, for a look at it in a thread."""
        copied = ConfigDraft(self.base)
        copied._edited, copied._changes = self._edited, dict(self._changes)
        return copied

    def says_the_same_as(self, other: ConfigDraft) -> bool:
        """Whether two drafts hold the same typing."""
        return (self.base, self._edited, self._changes) == (
            other.base,
            other._edited,
            other._changes,
        )

    def undo(self, key: str) -> None:
        """Forget what was typed for a key."""
        self._changes.pop(key, None)

    def replace(self, text: str) -> None:
        """Take a text edited as a whole."""
        self._edited = text
        self._changes.clear()

    def diff(self) -> list[str]:
        """Return the lines that differ from the file, with a little around them."""
        return list(_diff(self.base, self.text))

    @property
    def changed_lines(self) -> int:
        """How many lines were added or changed, or only taken away."""
        marks = [line[0] for line in self.diff()[2:] if line]
        return max(marks.count("+"), marks.count("-"))


@lru_cache(maxsize=8)
def _changed(text: str, changes: tuple[tuple[str, str], ...]) -> str:
    return set_values(text, {key: _typed(key, value) for key, value in changes})


@lru_cache(maxsize=4)
def _diff(base: str, text: str) -> tuple[str, ...]:
    before, after = base.splitlines(), text.splitlines()
    found = difflib.unified_diff(before, after, "in the file", "after saving", lineterm="", n=2)
    return tuple(found)


def _typed(path: str, value: str) -> str | int | bool:
    key = KEY_AT.get(path)
    return key.typed(value) if key else value
