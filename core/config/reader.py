"""Typed access to a YAML mapping node that collects every problem instead of stopping at one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml

Default = TypeVar("Default")
_TRUE = frozenset({"true", "yes", "on"})
_FALSE = frozenset({"false", "no", "off"})
_MAX_DIGITS = 20
_MAX_SHOWN = 80


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong in the config: where, what, and what is allowed."""

    line: int
    key: str
    what: str
    allowed: str

    def __str__(self) -> str:
        subject = f"{self.key}: " if self.key else ""
        return f"{self.line}: {subject}{self.what} (allowed: {self.allowed})"


class Reader:
    """One mapping (or list item) of the config.

    Args:
        node: The YAML node, or None for an empty document.
        base: Directory that relative paths are taken from.
        prefix: Key path of this node, for messages.
        parent: The reader whose problems and lines are shared.
    """

    def __init__(
        self, node: yaml.Node | None, base: Path, prefix: str = "", parent: Reader | None = None
    ) -> None:
        self._node = node
        self._base = base
        self._prefix = prefix
        self.problems: list[Problem] = parent.problems if parent else []
        self.lines: dict[str, int] = parent.lines if parent else {}
        self._values: dict[str, yaml.Node] = {}
        if isinstance(node, yaml.MappingNode):
            self._index(node)
        elif node is not None and not parent and not _is_null(node):
            self.problems.append(Problem(_line(node), "", "not a mapping", "key: value lines"))

    @property
    def is_mapping(self) -> bool:
        """Whether the node holds keys."""
        return isinstance(self._node, yaml.MappingNode)

    def has(self, key: str) -> bool:
        """Whether the key stands there with a value."""
        node = self._values.get(key)
        return node is not None and not _is_null(node)

    def _index(self, node: yaml.MappingNode) -> None:
        for key_node, value in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            path = self._path(key)
            if key in self._values:
                first = self.lines[path]
                what = f"stands twice (first on line {first})"
                self.problems.append(Problem(_line(key_node), path, what, "each key once"))
                continue
            self._values[key] = value
            self.lines[path] = _line(key_node)

    def _path(self, key: str) -> str:
        return ".".join(part for part in (self._prefix, key) if part)

    def report(self, key: str, what: str, allowed: str) -> None:
        """Note a problem with `key`, at its line or at the line of the mapping it belongs to."""
        path = self._path(key)
        line = self.lines.get(path) or (_line(self._node) if self._node else 1)
        self.problems.append(Problem(line, path, what, allowed))

    def only(self, *known: str) -> None:
        """Note every key of a section of ours that is not known: there it is a typing error."""
        for key in self._values:
            if key not in known:
                self.report(key, "is not known here", ", ".join(known))

    def _scalar(self, key: str, allowed: str) -> str | None:
        node = self._values.get(key)
        if node is None or _is_null(node):
            return None
        if not isinstance(node, yaml.ScalarNode):
            self.report(key, "is a list or a mapping", allowed)
            return None
        return str(node.value).strip()

    def scalar_text(self) -> str | None:
        """Return the text of a list item that is a plain scalar; None for a mapping."""
        node = _unbracketed(self._node)
        if isinstance(node, yaml.ScalarNode):
            text = str(node.value).strip()
            if text and not _is_null(node):
                return text
        if not isinstance(self._node, yaml.MappingNode):
            line = _line(self._node) if self._node else 1
            allowed = "an address, or a mapping with name, address, port, user, key"
            self.problems.append(Problem(line, self._prefix, "is not a host", allowed))
        return None

    def address(self, key: str) -> str:
        """Return a host's address; one of IPv6 may stand in brackets, as in a URL."""
        node = self._values.get(key)
        if isinstance(inner := _unbracketed(node), yaml.ScalarNode) and inner is not node:
            return str(inner.value).strip()
        return self.text(key, "")

    def text(self, key: str, default: str) -> str:
        """Return a string value."""
        found = self._scalar(key, "text")
        return default if found is None else found

    def word(self, key: str, allowed: Sequence[str], default: str) -> str:
        """Return one of the allowed words, in any letter case."""
        choices = ", ".join(allowed)
        found = self._scalar(key, choices)
        if not found:
            return default
        if found.lower() in allowed:
            return found.lower()
        self.report(key, f"is {found!r}", choices)
        return default

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the strings of a list; a plain value is a list of one."""
        node = self._values.get(key)
        if not isinstance(node, yaml.SequenceNode):
            found = self._scalar(key, "text, or a list of texts")
            return (found,) if found else ()
        texts = []
        for item in node.value:
            if isinstance(item, yaml.ScalarNode) and not _is_null(item):
                texts.append(str(item.value).strip())
            else:
                self.report(key, "has an item that is no text", "text, or a list of texts")
        return tuple(texts)

    def path(self, key: str, default: Default) -> Path | Default:
        """Return a path, absolute; `~` is the home directory."""
        found = self._scalar(key, "a path")
        return self._absolute(key, found) or default if found else default

    def paths(self, key: str) -> tuple[Path, ...]:
        """Return the paths of a list, absolute; a plain value is a list of one."""
        found = (self._absolute(key, text) for text in self.texts(key) if text)
        return tuple(path for path in found if path is not None)

    def _absolute(self, key: str, text: str) -> Path | None:
        try:
            return self._base / Path(text).expanduser()
        except RuntimeError:
            self.report(key, f"names a home directory that is not known: {text}", "a path")
            return None

    def number(self, key: str, default: int, low: int, high: int) -> int:
        """Return a whole number between `low` and `high`."""
        allowed = f"a whole number from {low} to {high}"
        found = self._scalar(key, allowed)
        if found is None:
            return default
        if found.isascii() and found.isdigit() and len(found) <= _MAX_DIGITS:
            number = int(found)
            if low <= number <= high:
                return number
        self.report(key, f"is {found[:_MAX_SHOWN]!r}", allowed)
        return default

    def port(self, key: str, default: int) -> int:
        """Return a TCP port."""
        return self.number(key, default, 1, 65535)

    def flag(self, key: str, default: bool) -> bool:
        """Return a truth value."""
        found = self._scalar(key, "true or false")
        if not found:
            return default
        if found.lower() in _TRUE | _FALSE:
            return found.lower() in _TRUE
        self.report(key, f"is {found!r}", "true or false")
        return default

    def section(self, key: str) -> Reader:
        """Return a reader for a nested mapping; an empty one where there is none."""
        node = self._values.get(key)
        if node is not None and not isinstance(node, yaml.MappingNode):
            if not _is_null(node):
                self.report(key, "is not a mapping", "key: value lines, indented")
            node = None
        return Reader(node, self._base, self._path(key), self)

    def items(self, key: str) -> Iterator[Reader]:
        """Yield a reader for each item of a list."""
        node = self._values.get(key)
        if node is None or _is_null(node):
            return
        if not isinstance(node, yaml.SequenceNode):
            self.report(key, "is not a list", "a list, one '- item' a line")
            return
        for index, item in enumerate(node.value):
            path = f"{self._path(key)}[{index}]"
            self.lines[path] = _line(item)
            yield Reader(item, self._base, path, self)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _unbracketed(node: yaml.Node | None) -> yaml.Node | None:
    """Return what stands in brackets, where YAML takes an IPv6 address in them for a list."""
    if isinstance(node, yaml.SequenceNode) and node.flow_style and len(node.value) == 1:
        inner = node.value[0]
        if isinstance(inner, yaml.ScalarNode) and ":" in inner.value:
            return inner
    return node
