"""Editing the config's text in place: comments, order and unknown keys stay as they are.

A changed value is written at the marks of the old value's node; a new key is put at the end of
its mapping. Nothing is dumped anew, so nothing else can change.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from core.errors import ConfigError


def set_values(text: str, values: Mapping[str, str | int | bool]) -> str:
    """Return `text` with each key path (`imagesDir`, `ssh.user`) set to its value.

    Raises:
        ConfigError: the text is no YAML mapping, or a key's parent is no mapping.
    """
    for key, value in values.items():
        text = _set_value(text, key.split("."), _scalar(value))
    return text


def write_config(path: Path, text: str) -> None:
    """Replace the file atomically; the old one is kept beside it as `NAME.bak`."""
    if path.exists():
        backup = path.with_name(path.name + ".bak")
        backup.write_bytes(path.read_bytes())
    draft = path.with_name(path.name + ".new")
    draft.write_text(text, encoding="utf-8")
    if path.exists():
        draft.chmod(path.stat().st_mode & 0o777)
    draft.replace(path)


def _set_value(text: str, keys: list[str], scalar: str) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        return f"{text}{_nested(keys, scalar, 0)}"
    mapping, rest = root, list(keys)
    while True:
        if not isinstance(mapping, yaml.MappingNode) or mapping.flow_style:
            raise ConfigError(f"line {mapping.start_mark.line + 1}: cannot be edited in the form")
        found = _child(mapping, rest[0])
        if found is None:
            return _append(text, mapping, rest, scalar)
        if len(rest) == 1:
            return _replace(text, found, scalar)
        if isinstance(found, yaml.ScalarNode) and not found.value.strip("~"):
            at = found.start_mark.column if found.start_mark.column else 0
            indent = mapping.start_mark.column + 2
            block = "\n" + _nested(rest[1:], scalar, indent).rstrip("\n")
            start = found.start_mark.index - (
                1 if at and text[found.start_mark.index - 1] == " " else 0
            )
            return text[:start] + block + text[found.end_mark.index :]
        mapping, rest = found, rest[1:]


def _child(mapping: yaml.MappingNode, key: str) -> yaml.Node | None:
    for key_node, value in mapping.value:
        if key_node.value == key:
            return value if isinstance(value, yaml.Node) else None
    return None


def _replace(text: str, node: yaml.Node, scalar: str) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    if not isinstance(node, yaml.ScalarNode):
        raise ConfigError(f"line {node.start_mark.line + 1}: a list cannot be edited in the form")
    gap = " " if start and text[start - 1] == ":" else ""
    return text[:start] + gap + scalar + text[end:]


def _append(text: str, mapping: yaml.MappingNode, keys: list[str], scalar: str) -> str:
    last_key, last_value = mapping.value[-1]
    end = max(last_key.end_mark.index, _last_index(last_value))
    newline = text.find("\n", end)
    cut = len(text) if newline < 0 else newline + 1
    head = text[:cut] if text[:cut].endswith("\n") else text[:cut] + "\n"
    return head + _nested(keys, scalar, last_key.start_mark.column) + text[cut:]


def _last_index(node: yaml.Node) -> int:
    """Return where the content of a node really ends (a block's end mark is past blank lines)."""
    if isinstance(node, yaml.MappingNode) and node.value and not node.flow_style:
        return _last_index(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and node.value and not node.flow_style:
        return _last_index(node.value[-1])
    return int(node.end_mark.index)


def _nested(keys: list[str], scalar: str, indent: int) -> str:
    lines = [f"{' ' * (indent + 2 * depth)}{key}:" for depth, key in enumerate(keys)]
    return "\n".join(lines) + f" {scalar}\n"


def _scalar(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    plain = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6)
    return plain.removesuffix("\n").removesuffix("\n...")
