"""YAML text at the marks of its nodes: what both editors of the config are made of."""

from __future__ import annotations

import yaml

from core.config.compose import composed
from core.errors import ConfigError

NULL = "tag:yaml.org,2002:null"
REFUSAL = "cannot be edited in the form"


def root_of(text: str) -> yaml.Node | None:
    """Return the root of a text's nodes; None of an empty one.

    Raises:
        ConfigError: it is no YAML.
    """
    root, problems = composed(text)
    if problems:
        raise ConfigError("\n".join(f"line {problem}" for problem in problems))
    return root


def put_scalar(text: str, node: yaml.Node, scalar: str, newline: str = "\n") -> str:
    """Return the text with another scalar at a node's place.

    Args:
        text: The text that the node was composed from.
        node: A scalar.
        scalar: As `scalar_text` returns it.
        newline: What ends the text's lines.

    Raises:
        ConfigError: the node is a list or a mapping.
    """
    start, end = node.start_mark.index, node.end_mark.index
    if not isinstance(node, yaml.ScalarNode):
        raise ConfigError(f"line {node.start_mark.line + 1}: a list {REFUSAL}")
    gap = " " if start and text[start - 1] == ":" else ""
    tail = newline if text[start:end].endswith("\n") else ""  # a block of lines ends after them
    return text[:start] + gap + scalar + tail + text[end:]


def last_index(node: yaml.Node) -> int:
    """Return where the content of a node really ends (a block's end mark is past blank lines)."""
    if isinstance(node, yaml.MappingNode) and node.value and not node.flow_style:
        return last_index(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and node.value and not node.flow_style:
        return last_index(node.value[-1])
    return int(node.end_mark.index)


def line_end(text: str, index: int) -> int:
    """Return where the line of an index ends, its newline included."""
    newline = text.find("\n", index)
    return len(text) if newline < 0 else newline + 1


def scalar_text(value: str | int | bool, *, flow: bool = False) -> str:
    """Return a value as YAML in one line.

    Args:
        value: The value; YAML reads it back as what it is.
        flow: It is to stand in braces or brackets, where more needs quotes.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    style = None if value.isprintable() else '"'
    dumped = yaml.safe_dump(
        [value] if flow else value,
        default_style=style,
        default_flow_style=True,
        allow_unicode=True,
        width=10**6,
    )
    plain = dumped.removesuffix("\n").removesuffix("\n...")
    return plain[1:-1] if flow else plain
