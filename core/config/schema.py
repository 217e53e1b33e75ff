"""The config for people and editors: a table of its keys, and a JSON schema (draft 2020-12)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from core.config.keys import HOST_KEYS, HOSTS, KEYS, SECTION, YES_NO, Key, Kind
from core.config.model import Config

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXT = {"type": "string"}
_TEXTS = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_HOSTS_MEANING = (
    f"The hosts: addresses, or mappings with {', '.join(f'`{key}`' for key in HOST_KEYS)}."
)
_HOST = {
    "anyOf": [
        _TEXT,
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["address"],
            "properties": {key: _PORT if key == "port" else _TEXT for key in HOST_KEYS},
        },
    ]
}


def json_schema() -> dict[str, Any]:
    """Return the schema by which an editor knows keys, values and what they mean.

    Keys of other tools may stand beside ours. Values in another letter case, and `yes` for `true`,
    are taken by Airferry and not by the schema.
    """
    section = {
        "type": "object",
        "additionalProperties": False,
        "properties": _properties(key for key in KEYS if key.in_section),
    }
    hosts = {"type": "array", "items": _HOST, "description": _HOSTS_MEANING}
    return {
        "$schema": DIALECT,
        "title": "airctl-config.yaml, as Airferry reads it",
        "type": "object",
        "properties": {
            **_properties(key for key in KEYS if not key.in_section),
            HOSTS: hosts,
            SECTION: section,
        },
    }


def markdown_table() -> str:
    """Return README's table of all keys."""
    lines = ["| key | meaning | default |", "| --- | --- | --- |"]
    lines += [_row(key.path, _meaning(key), _default(key)) for key in KEYS]
    lines.append(_row(HOSTS, _HOSTS_MEANING, "none: only this machine's part is done"))
    return "\n".join(lines) + "\n"


def _properties(keys: Iterable[Key]) -> dict[str, Any]:
    return {key.own_name: {**_type(key), "description": _meaning(key)} for key in keys}


def _type(key: Key) -> dict[str, Any]:
    match key.kind:
        case Kind.NUMBER:
            return {"type": "integer", "minimum": key.low, "maximum": key.high}
        case Kind.FLAG:
            return {"type": "boolean"}
        case Kind.CHOICE:
            return {"enum": list(key.choices)}
        case Kind.TEXTS | Kind.FILES:
            return _TEXTS
        case _:
            return _TEXT


def _meaning(key: Key) -> str:
    modes = f"Mode {' and '.join(key.modes)}. " if key.modes else ""
    return f"{modes}{key.help} {key.more}".strip()


def _default(key: Key) -> str:
    defaults = Config(Path())
    if key.value(defaults) == defaults.state_dir:  # it depends on who asks
        return "`/var/lib/airferry` for root, else `$XDG_STATE_HOME/airferry`"
    shown = key.shown(defaults)
    return f"`{shown}`" if (shown and shown != key.unset) or shown in YES_NO else shown


def _row(key: str, meaning: str, default: str) -> str:
    return f"| `{key}` | {meaning} | {default} |".replace("|  |", "| |")
