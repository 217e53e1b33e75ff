"""Editing the config's text in place: comments, order and unknown keys stay as they are.

A changed value is written at the marks of the old value's node; a new key is put at the end of
its mapping. Nothing is dumped anew. What came out is read again and compared with what was meant,
because YAML can share one value between keys: what cannot be changed alone is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from core.config.yaml_text import NULL, REFUSAL, last_index, put_scalar, root_of, scalar_text
from core.errors import ConfigError
from core.files import write_atomically

Content = Mapping[str, object] | list[object] | tuple[str, str]
NEW_FILE_MODE = 0o600
_NOTHING: Content = {}


def set_values(text: str, values: Mapping[str, str | int | bool]) -> str:
    """Return `text` with each key path (`imagesDir`, `ssh.user`) set to its value.

    Raises:
        ConfigError: the text is no YAML mapping, a key's parent is no mapping, or the change would
            change other keys as well.
    """
    for key, value in values.items():
        keys, scalar = key.split("."), scalar_text(value)
        try:
            changed = _set_value(text, keys, scalar)
        except RecursionError:
            raise ConfigError(f"{key}: {REFUSAL}: a value holds itself") from None
        if not _is_meant(_ended(text), _ended(changed), keys, scalar):
            raise ConfigError(f"{key}: {REFUSAL}: its value is shared with another key")
        text = changed
    return text


def write_config(path: Path, text: str) -> None:
    """Replace the file atomically; the old one is kept beside it as `NAME.bak`.

    A link stays a link: the file that it names is replaced. A new file is its user's alone (0600):
    others write passwords into it.
    """
    path = path.resolve()
    mode = NEW_FILE_MODE
    if path.exists():
        mode = path.stat().st_mode & 0o777
        write_atomically(path.with_name(path.name + ".bak"), path.read_bytes(), mode=mode)
    write_atomically(path, text, mode=mode)


def _is_meant(before: str, after: str, keys: list[str], scalar: str) -> bool:
    """Whether the only difference between two texts is the value of one key."""
    try:
        value = _content(root_of(f"x: {scalar}"))
        wanted = _with(
            _content(root_of(before)), keys, value["x"] if isinstance(value, dict) else ""
        )
        return wanted == _content(root_of(after))
    except (ConfigError, RecursionError):
        return False


def _ended(text: str) -> str:
    """Return a text whose last line has an end; without one its value would read differently."""
    return text if text.endswith("\n") else f"{text}\n"


def _content(node: yaml.Node | None) -> Content:
    """Return what a node says, without where it says it."""
    match node:
        case yaml.MappingNode():
            pairs = [(str(key.value), _content(value)) for key, value in node.value]
            if len(dict(pairs)) != len(pairs):
                raise ConfigError("a key stands twice")
            return dict(pairs)
        case yaml.SequenceNode():
            return [_content(item) for item in node.value]
        case yaml.ScalarNode():
            return node.tag, node.value
        case _:
            return _NOTHING


def _with(content: object, keys: list[str], value: object) -> object:
    if not keys:
        return value
    mapping = content if isinstance(content, dict) else {}
    return {**mapping, keys[0]: _with(mapping.get(keys[0]), keys[1:], value)}


def _set_value(text: str, keys: list[str], scalar: str) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    root = root_of(text)
    if root is None or (isinstance(root, yaml.ScalarNode) and not root.value):
        gap = "" if not text or text.endswith("\n") else newline
        return f"{text}{gap}{_nested(keys, scalar, 0, newline)}"
    mapping, rest = root, list(keys)
    while True:
        if not isinstance(mapping, yaml.MappingNode) or mapping.flow_style or not mapping.value:
            raise ConfigError(f"line {mapping.start_mark.line + 1}: {REFUSAL}")
        found = _child(mapping, rest[0])
        if found is None:
            return _append(text, mapping, _nested(rest, scalar, _column(mapping), newline), newline)
        if len(rest) == 1:
            return put_scalar(text, found, scalar, newline)
        if isinstance(found, yaml.ScalarNode) and found.tag == NULL:
            block = _nested(rest[1:], scalar, _column(mapping) + 2, newline)
            return _replace_null(text, found, newline + block.removesuffix(newline))
        mapping, rest = found, rest[1:]


def _column(mapping: yaml.MappingNode) -> int:
    return int(mapping.value[0][0].start_mark.column)


def _replace_null(text: str, node: yaml.ScalarNode, block: str) -> str:
    """Put a block where a null was, `~`, `null` or nothing at all."""
    start = node.start_mark.index
    return text[:start].rstrip(" ") + block + text[node.end_mark.index :]


def _child(mapping: yaml.MappingNode, key: str) -> yaml.Node | None:
    for key_node, value in mapping.value:
        if key_node.value == key:
            return value if isinstance(value, yaml.Node) else None
    return None


def _append(text: str, mapping: yaml.MappingNode, lines: str, newline: str) -> str:
    last_key, last_value = mapping.value[-1]
    end = max(last_key.end_mark.index, last_index(last_value))
    cut = end if text[:end].endswith("\n") else text.find("\n", end) + 1
    head = text[:cut] if cut else text + newline
    return head + lines + (text[cut:] if cut else "")


def _nested(keys: list[str], scalar: str, indent: int, newline: str) -> str:
    lines = [f"{' ' * (indent + 2 * depth)}{key}:" for depth, key in enumerate(keys)]
    return newline.join(lines) + f" {scalar}{newline}"
