"""Taking secrets out of text that leaves the site: better a word too many is lost than one too few.

Airferry itself keeps no secrets. But people write them into configs and comments, programs repeat
them in error messages, and a log may show the key that somebody pasted. All patterns are bounded:
a log may hold lines of any length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from core.config.compose import composed

MASK = "********"
_WORD = (
    r"(?:passw(?:or)?d|passwd|pwd|passphrase|passcode|secret|token|credential|authorization"
    r"|auths?\b|api[_-]?key|private[_-]?key|access[_-]?key)"
)
_SECRET_WORD = re.compile(_WORD, re.IGNORECASE)
_KEY_BEGIN = "-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----"
_KEY_END = re.compile("-----END [A-Z0-9 ]{0,30}PRIVATE KEY-----")
_KEY_LINE = re.compile(r"[\s>|'\"]*[A-Za-z0-9+/=]{8,}[\s'\"]*")
_QUOTED = r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\n]|'')*'"
_REPLACED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(rf"{_KEY_BEGIN}.*?(?:{_KEY_END.pattern}|\Z)", re.DOTALL), MASK),
    (re.compile(r"(Private-Lines: \d+\r?\n)(?:[A-Za-z0-9+/=]+(?:\r?\n|\Z))+"), rf"\1{MASK}\n"),
    (re.compile(r"://[^\s'\"<>]{0,2000}@"), f"://{MASK}@"),
    # name:password@host without a scheme; not image:tag@sha256:...
    (re.compile(r"(?<![\w@/])[\w.%+-]{1,64}:[^\s@/'\"]{1,256}@(?!sha\d+:)(?=[\w\[])"), f"{MASK}@"),
    (re.compile(r"\b(bearer|basic|digest)\s+[A-Za-z0-9+/=._~-]{6,}", re.IGNORECASE), rf"\1 {MASK}"),
    (
        re.compile(rf"(--[\w-]{{0,40}}{_WORD}[\w-]{{0,40}}(?:[ \t]+|=))(?:{_QUOTED}|\S+)", re.I),
        rf"\1{MASK}",
    ),
    (
        re.compile(
            rf"({_WORD}[\w.-]{{0,64}}[\"']?[ \t]*[:=][ \t]*)(?:{_QUOTED}|[^\s][^\n]*)",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"\$(?:2[abxy]?|1|5|6|7|y|argon2\w{1,2})\$[./A-Za-z0-9$=,+-]{10,}"), MASK),
)
_COMMENT = re.compile(rf"(^|[ \t])#[^\n]{{0,500}}{_WORD}[^\n]*", re.IGNORECASE | re.MULTILINE)


def masked(text: str) -> str:
    """Return text without what looks like a secret."""
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    return _without_ends_of_keys(text)


def _without_ends_of_keys(text: str) -> str:
    """Take out keys whose beginning was cut off with the rest of a log."""
    while found := _KEY_END.search(text):
        before = text[: found.start()].split("\n")
        before.pop()
        while before and _KEY_LINE.fullmatch(before[-1]):
            before.pop()
        text = "\n".join([*before, MASK + text[found.end() :]])
    return text


def masked_config(text: str) -> str:
    """Return a config without its secrets: what stands under a key that is named like one goes.

    Comments that speak of a secret go as a whole. Where the text is not YAML, nobody can tell what
    stands under which key, and nothing of it is returned.
    """
    root, problems = composed(text)
    if problems:
        return ""
    for start, end in sorted(set(_secret_spans(root, set())), reverse=True):
        was_last = "\n" if text[start:end].endswith("\n") else ""
        text = f'{text[:start]}"{MASK}"{was_last}{text[end:]}'
    return masked(_COMMENT.sub(rf"\1# {MASK}", text))


def _secret_spans(
    node: yaml.Node | None, seen: set[tuple[int, bool]], *, secret: bool = False
) -> Iterator[tuple[int, int]]:
    """Yield from where to where the values stand that are secrets."""
    if (id(node), secret) in seen:  # an alias, perhaps of what it stands in
        return
    seen.add((id(node), secret))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            named = isinstance(key, yaml.ScalarNode) and bool(_SECRET_WORD.search(key.value))
            yield from _secret_spans(value, seen, secret=secret or named)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _secret_spans(value, seen, secret=secret)
    elif isinstance(node, yaml.ScalarNode) and secret and node.value:
        yield node.start_mark.index, node.end_mark.index
