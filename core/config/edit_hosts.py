"""Adding, changing and removing hosts in the config's text; everything else stays as it is.

Works at the marks of the parsed nodes, like `core.config.set_values`, which does scalars only. A
comment above a host stays where it is; each host keeps the style that it was written in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import yaml

from core.config import HostConfig
from core.config.yaml_text import NULL, last_index, line_end, put_scalar, root_of, scalar_text
from core.errors import ConfigError


@dataclass(frozen=True)
class HostEntry:
    """A host as it is typed; what is empty is not written and takes the default."""

    name: str = ""
    address: str = ""
    port: str = ""
    user: str = ""
    key: str = ""
    jump: str = ""

    @property
    def written(self) -> dict[str, str]:
        """The keys that are to stand in the file."""
        values = {field.name: getattr(self, field.name).strip() for field in fields(self)}
        if values["name"] == values["address"]:
            values["name"] = ""
        return {key: value for key, value in values.items() if value}


def entry_at(text: str, index: int, host: HostConfig) -> HostEntry:
    """Return what the file says about one host, without defaults.

    Args:
        text: The config.
        index: Which host, from 0.
        host: The same host as it was read, for its name and address.
    """
    item = _items(_hosts_node(text))[index]
    said = _pairs(item) if isinstance(item, yaml.MappingNode) else {}
    return HostEntry(
        name=host.name,
        address=host.address,
        port=said.get("port", ""),
        user=said.get("user", ""),
        key=said.get("key", ""),
        jump=said.get("jump", ""),
    )


def add_hosts(text: str, entries: Sequence[HostEntry]) -> str:
    """Return the text with more hosts at the end of the list, at once: hundreds may be pasted.

    Raises:
        ConfigError: the list cannot be edited.
    """
    hosts = _hosts_node(text)
    items = _items(hosts)
    if hosts is None:
        head = text if text.endswith("\n") or not text else text + "\n"
        return f"{head}hosts:\n{_blocks(entries, 0)}"
    if not items:
        return _first_hosts(text, hosts, entries)
    if isinstance(hosts, yaml.SequenceNode) and hosts.flow_style:
        end = items[-1].end_mark.index
        more = "".join(f", {_flow(entry.written)}" for entry in entries)
        return f"{text[:end]}{more}{text[end:]}"
    _, end = _item_lines(text, items[-1])
    head = text[:end] if text[:end].endswith("\n") else text[:end] + "\n"
    return head + _blocks(entries, _dash(text, items[-1])[1]) + text[end:]


def change_host(text: str, index: int, entry: HostEntry) -> str:
    """Return the text with one host changed.

    Raises:
        ConfigError: the list cannot be edited.
    """
    item = _items(_hosts_node(text))[index]
    if isinstance(item, yaml.MappingNode) and not item.flow_style:
        return _change_block(text, index, entry)
    start, end = item.start_mark.index, item.end_mark.index
    if _in_flow(text) or (isinstance(item, yaml.MappingNode) and item.flow_style):
        return text[:start] + _flow(entry.written) + text[end:]
    indent = " " * item.start_mark.column
    lines = [f"{key}: {_scalar(value)}" for key, value in entry.written.items()]
    return text[:start] + f"\n{indent}".join(lines) + text[end:]


def remove_host(text: str, index: int) -> str:
    """Return the text without one host.

    Raises:
        ConfigError: the list cannot be edited.
    """
    hosts = _hosts_node(text)
    items = _items(hosts)
    if hosts is not None and _in_flow(text):
        kept = [
            text[item.start_mark.index : item.end_mark.index]
            for number, item in enumerate(items)
            if number != index
        ]
        start, end = hosts.start_mark.index, hosts.end_mark.index
        if "#" in text[start:end]:
            raise ConfigError("this list has comments inside: change it as text (t)")
        return f"{text[:start]}[{', '.join(kept)}]{text[end:]}"
    start, end = _item_lines(text, items[index])
    return text[:start] + text[end:]


def _change_block(text: str, index: int, entry: HostEntry) -> str:
    for field in fields(entry):
        item = _items(_hosts_node(text))[index]
        text = _set_key(text, item, field.name, entry.written.get(field.name, ""))
    return text


def _set_key(text: str, item: yaml.Node, key: str, value: str) -> str:
    pairs = item.value
    found = next(((k, v) for k, v in pairs if k.value == key), None)
    indent = " " * item.start_mark.column
    if found is None:
        if not value:
            return text
        # A new key goes before the first one: there, its line needs no look at comments.
        start = item.start_mark.index
        return f"{text[:start]}{key}: {_scalar(value)}\n{indent}{text[start:]}"
    key_node, value_node = found
    if value:
        if not isinstance(value_node, yaml.ScalarNode):
            raise ConfigError(
                f"line {value_node.start_mark.line + 1}: change this host as text (t)"
            )
        same = value_node.value == value
        return text if same else put_scalar(text, value_node, _scalar(value))
    if len(pairs) == 1:
        raise ConfigError("a host needs an address")
    following = [
        k.start_mark.index for k, _ in pairs if k.start_mark.index > key_node.end_mark.index
    ]
    if following:
        return text[: key_node.start_mark.index] + text[min(following) :]
    line_start = text.rfind("\n", 0, key_node.start_mark.index) + 1
    return text[:line_start] + text[line_end(text, value_node.end_mark.index) :]


def _first_hosts(text: str, hosts: yaml.Node, entries: Sequence[HostEntry]) -> str:
    """Put blocks where `hosts:` is empty or `[]`; a comment on that line stays."""
    start, end = hosts.start_mark.index, hosts.end_mark.index
    after = line_end(text, end)
    head = text[:start].rstrip(" ") + text[end:after]
    head = head if head.endswith("\n") else head + "\n"
    return head + _blocks(entries, 0) + text[after:]


def _hosts_node(text: str) -> yaml.Node | None:
    root = root_of(text)
    if root is None:
        return None
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise ConfigError("this config can only be changed as text (t)")
    return next((value for key, value in root.value if key.value == "hosts"), None)


def _items(hosts: yaml.Node | None) -> list[yaml.Node]:
    if hosts is None or hosts.tag == NULL:
        return []
    if not isinstance(hosts, yaml.SequenceNode):
        raise ConfigError(f"line {hosts.start_mark.line + 1}: hosts is not a list")
    return list(hosts.value)


def _in_flow(text: str) -> bool:
    hosts = _hosts_node(text)
    return isinstance(hosts, yaml.SequenceNode) and bool(hosts.flow_style)


def _pairs(item: yaml.MappingNode) -> dict[str, str]:
    return {str(key.value): str(value.value) for key, value in item.value}


def _dash(text: str, item: yaml.Node) -> tuple[int, int]:
    """Return index and column of the dash that begins a block item."""
    at = text.rfind("-", 0, item.start_mark.index)
    return at, at - (text.rfind("\n", 0, at) + 1)


def _item_lines(text: str, item: yaml.Node) -> tuple[int, int]:
    """Return where the lines of a block item begin and end."""
    dash, column = _dash(text, item)
    return dash - column, line_end(text, last_index(item))


def _blocks(entries: Sequence[HostEntry], column: int) -> str:
    return "".join(_block(entry, column) for entry in entries)


def _block(entry: HostEntry, column: int) -> str:
    lines = [f"{key}: {_scalar(value)}" for key, value in entry.written.items()]
    indent = " " * column
    return "".join(
        f"{indent}{'- ' if number == 0 else '  '}{line}\n" for number, line in enumerate(lines)
    )


def _flow(values: dict[str, str]) -> str:
    return (
        "{"
        + ", ".join(f"{key}: {_scalar(value, flow=True)}" for key, value in values.items())
        + "}"
    )


def _scalar(value: str, *, flow: bool = False) -> str:
    """Write a value so that YAML reads it back as the text that it is; ports stay bare."""
    return value if value.isascii() and value.isdigit() else scalar_text(value, flow=flow)
