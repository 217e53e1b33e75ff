"""What a registry asks for in `WWW-Authenticate` (RFC 9110; Docker's token authentication)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_PART = re.compile(r'([A-Za-z0-9_.-]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^\s,"]*))?[\s,]*')
_MOST_HEADER = 8 << 10
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Challenge:
    """One way to log in that is offered: the scheme in lower case, and its parameters."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def challenges_in(headers: Iterable[str]) -> list[Challenge]:
    """Return all challenges, be they in one header or in several.

    Args:
        headers: The values of `WWW-Authenticate`.
    """
    found: list[tuple[str, dict[str, str]]] = []
    for header in headers:
        if len(header) > _MOST_HEADER:
            continue  # nobody means that
        for name, value in _PART.findall(header):
            if not value:
                found.append((name.lower(), {}))
            elif found:
                found[-1][1][name.lower()] = _plain(value)
    return [Challenge(scheme, parameters) for scheme, parameters in found]


def scheme_of(realm: str) -> str:
    """Return the scheme of a token server's address; empty where it is no address."""
    try:
        parts = urlsplit(realm)
        is_sound = parts.hostname and parts.port != 0 and realm.isascii() and realm.isprintable()
    except ValueError:
        return ""
    return parts.scheme.lower() if is_sound and " " not in realm else ""


def _plain(value: str) -> str:
    return _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value
