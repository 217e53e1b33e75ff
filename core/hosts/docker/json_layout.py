"""A list in a JSON object that people keep: changed in place, with all the rest as it stands.

Indentation, order, line ends, keys that stand twice: what a file looks like is its owner's, and a
tool of the site may compare it byte by byte.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

_SPACE = " \t\r\n"


def read_object(text: str) -> dict[str, Any]:
    """Return a JSON object; an empty one for a blank text.

    Raises:
        ValueError: it is no JSON, or no object; the message says which.
    """
    if not text.strip(_SPACE):
        return {}
    try:
        found: Any = json.loads(text, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("is nested too deep") from error
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError("is not a JSON object")
    return found


def with_items(text: str, key: str, items: Sequence[str]) -> str:
    """Return the text with items at the end of the list that a key has.

    Args:
        text: What `read_object` takes.
        key: The key; a list is made where it has none, or null.
        items: What is added.
    """
    if not text.strip(_SPACE):
        return f'{{\n  "{key}": {_list_text(items, "  ", chr(10))}\n}}\n'
    members = _members(text)
    mine = [member for member in members if member.key == key]
    lead, colon = _style(text, members)
    if not mine:
        written = f'"{key}"{colon}{_list_text(items, *_steps(lead))}'
        if members:
            end = members[-1].end
            return f"{text[:end]},{lead or ' '}{written}{text[end:]}"
        start = text.index("{") + 1
        return f"{text[:start]}{written}{text[start:].lstrip(_SPACE)}"
    last = mine[-1]  # the one that counts
    spans = _spans(text, last.value)
    if not spans:
        return text[: last.value] + _list_text(items, *_steps(lead)) + text[last.end :]
    before = text[text.index("[", last.value) + 1 : spans[0][0]]
    if "\n" not in before:
        before = " " if len(spans) == 1 else text[spans[0][1] : spans[1][0]].partition(",")[2]
    end = spans[-1][1]
    return text[:end] + "".join(f",{before}{json.dumps(item)}" for item in items) + text[end:]


def without_items(text: str, key: str, gone: Collection[str]) -> str:
    """Return the text without some items of a list, and without the key if none is left."""
    members = _members(text)
    mine = [number for number, member in enumerate(members) if member.key == key]
    if not mine or text[members[mine[-1]].value] != "[":
        return text
    member = members[mine[-1]]  # the one that counts
    spans = _spans(text, member.value)
    gone_texts = {json.dumps(item) for item in gone}
    going = [json.dumps(json.loads(text[start:end])) in gone_texts for start, end in spans]
    if all(going):
        if len(mine) > 1:  # what stands before it must not count now
            return text[: member.value] + "[]" + text[member.end :]
        return _cut(text, [(each.start, each.end) for each in members], mine[-1])
    for position in reversed(range(len(spans))):
        if going[position]:
            text = _cut(text, _spans(text, member.value), position)
    return text


@dataclass(frozen=True)
class _Member:
    key: str
    start: int
    value: int
    end: int


def _members(text: str) -> list[_Member]:
    """Return where each member of the object stands."""
    decoder = json.JSONDecoder()
    place = _skip(text, text.index("{") + 1)
    found = []
    while text[place] != "}":
        key, after = decoder.raw_decode(text, place)
        value = _skip(text, _skip(text, after) + 1)
        _, end = decoder.raw_decode(text, value)
        found.append(_Member(key, place, value, end))
        place = _next(text, end)
    return found


def _spans(text: str, value: int) -> list[tuple[int, int]]:
    """Return where each item of the list that begins at `value` stands; none for null."""
    if text[value] != "[":
        return []
    decoder = json.JSONDecoder()
    place = _skip(text, value + 1)
    found = []
    while text[place] != "]":
        _, end = decoder.raw_decode(text, place)
        found.append((place, end))
        place = _next(text, end)
    return found


def _cut(text: str, spans: list[tuple[int, int]], number: int) -> str:
    """Take one of several things out of a text, with one comma."""
    start, end = spans[number]
    if number:
        return text[: spans[number - 1][1]] + text[end:]
    if len(spans) > 1:
        return text[:start] + text[spans[1][0] :]
    return text[:start].rstrip(_SPACE) + text[end:].lstrip(_SPACE)


def _style(text: str, members: list[_Member]) -> tuple[str, str]:
    """Return what stands before a member, and between a key and its value."""
    if not members:
        return "", ": "
    first = members[0]
    lead = text[text.index("{") + 1 : first.start]
    key_end = json.JSONDecoder().raw_decode(text, first.start)[1]
    return lead, text[key_end : first.value]


def _steps(lead: str) -> tuple[str, str]:
    """Return indentation and line end of what stands before a member; both empty on one line."""
    line, newline, indent = lead.rpartition("\n")
    if not newline:
        return "", ""
    return indent, "\r\n" if line.endswith("\r") else "\n"


def _list_text(items: Sequence[str], indent: str, newline: str) -> str:
    texts = [json.dumps(item) for item in items]
    if not newline:
        return f"[{', '.join(texts)}]"
    inner = f",{newline}{indent}{indent}".join(texts)
    return f"[{newline}{indent}{indent}{inner}{newline}{indent}]"


def _skip(text: str, place: int) -> int:
    while text[place] in _SPACE:
        place += 1
    return place


def _next(text: str, end: int) -> int:
    """Return where the next thing after a comma stands, or the end of all."""
    place = _skip(text, end)
    return _skip(text, place + 1) if text[place] == "," else place


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
