"""What a registry's answers hold, taken out of them; whatever is not as it should be is told."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urljoin, urlsplit

Odd = Callable[[str], Exception]
_REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,254}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][\w!#$&^.+-]{0,126}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}")
_LINK = re.compile(r'<([^>]{0,4096})>((?:\s*;\s*[\w*-]+\s*=\s*(?:"[^"]{0,200}"|[^\s",;]{0,200}))*)')
_NEXT = re.compile(r'\brel\s*=\s*"?[^"]*\bnext\b', re.IGNORECASE)
_MOST_LINK = 16 << 10
MOST_SIZE_BYTES = 1 << 50
"""More than any blob has: larger numbers are mistakes, and break what reckons with them."""


def record_in(data: bytes, odd: Odd) -> Mapping[str, object]:
    """Return the JSON object that an answer is."""
    if not data.strip():
        raise odd("an empty body instead of JSON")
    try:
        found = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise odd("bytes that are not UTF-8") from error
    except RecursionError as error:
        raise odd("JSON that is nested too deep") from error
    except ValueError as error:
        raise odd("something that is no JSON") from error
    if not isinstance(found, dict):
        raise odd(f"JSON that is {_kind(found)} where an object should be")
    return found


def names_in(record: Mapping[str, object], key: str, odd: Odd) -> list[str]:
    """Return the repositories or tags of a list.

    Args:
        record: The answer.
        key: `repositories` or `tags`.
        odd: Makes the error.
    """
    found = record.get(key)
    if found is None and key in record:
        return []  # Go's way to write a list that is empty
    if not isinstance(found, list):
        raise odd(f"{_kind(found)} where the list '{key}' should be")
    form = _TAG if key == "tags" else _REPOSITORY
    names = []
    for name in found:
        if not isinstance(name, str) or not form.fullmatch(name) or "//" in name or ".." in name:
            raise odd(f"a name in '{key}' that is none ({_shown(name)})")
        names.append(name)
    return names


def next_page(link: str, asked: str, odd: Odd) -> str:
    """Return the path of the next page of a list; empty if there is none.

    Args:
        link: The header `Link`.
        asked: The path of this page.
        odd: Makes the error.
    """
    if len(link) > _MOST_LINK:
        raise odd("a Link that is too long")
    links = _LINK.findall(link)
    if link.strip() and not links:
        raise odd(f"a Link that is none ({_shown(link)})")
    places = [place for place, rest in links if not rest or _NEXT.search(rest)]
    if not places:
        return ""
    try:
        found = urlsplit(urljoin(asked, places[0]))
    except ValueError as error:
        raise odd(f"a Link that is none ({_shown(link)})") from error
    if not found.path.startswith("/v2/"):
        raise odd(f"a Link that leads elsewhere ({_shown(places[0])})")
    return f"{found.path}?{found.query}" if found.query else found.path


def digest_in(value: str, odd: Odd) -> str:
    """Return the digest that a header holds."""
    if not _DIGEST.fullmatch(value.strip()):
        raise odd(f"a digest that is none ({_shown(value)})")
    return value.strip()


def size_in(value: str | None, odd: Odd) -> int:
    """Return the size that `Content-Length` tells, in bytes."""
    if value is None:
        raise odd("no Content-Length")
    digits = {part.strip() for part in value.split(",", 8)}
    size = digits.pop() if len(digits) == 1 else ""
    if not (size.isascii() and size.isdigit() and len(size) < 20):
        raise odd(f"a Content-Length that is none ({_shown(value)})")
    if int(size) > MOST_SIZE_BYTES:
        raise odd(f"a Content-Length that is too large ({size})")
    return int(size)


def is_size(value: object) -> bool:
    """Whether something is the size of a blob."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return is_number and 0 <= value <= MOST_SIZE_BYTES  # type: ignore[operator]


def is_digest(value: str) -> bool:
    """Whether a text is a digest."""
    return bool(_DIGEST.fullmatch(value))


def media_type_in(value: str, odd: Odd) -> str:
    """Return the media type that `Content-Type` tells."""
    found = value.partition(";")[0].strip()
    if not _MEDIA_TYPE.fullmatch(found):
        raise odd(f"a media type that is none ({_shown(value)})")
    return found


def token_in(record: Mapping[str, object], odd: Odd) -> str:
    """Return the token that a token server gave."""
    value = record.get("token") or record.get("access_token")
    if value is None or value == "":
        raise odd("no token")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise odd("a token that is none")
    return value


def lifetime_in(record: Mapping[str, object], default_s: float, odd: Odd) -> float:
    """Return for how long a token is good, in seconds."""
    value = record.get("expires_in")
    if value is None:
        return default_s
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) < 12):
            raise odd(f"a lifetime that is none ({_shown(value)})")
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise odd(f"a lifetime that is {_kind(value)}")
    if not 0 <= value <= 10**12 or (isinstance(value, float) and not math.isfinite(value)):
        raise odd("a lifetime that cannot be")
    return float(value) or default_s


def _kind(value: object) -> str:
    kinds: Iterator[tuple[type, str]] = iter(
        (
            (bool, "true or false"),
            (str, "a text"),
            (int, "a number"),
            (float, "a number"),
            (list, "a list"),
            (dict, "an object"),
        )
    )
    return next((words for kind, words in kinds if isinstance(value, kind)), "nothing")


def _shown(value: object) -> str:
    return ascii(value)[:80]
