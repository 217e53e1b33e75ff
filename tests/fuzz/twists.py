"""Ways to spoil a registry's answer, each a function of a random source and the answer.

What is spoiled depends on the case and on the request alone, not on which of two came first.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from dataclasses import replace

from tests.fuzz.damage import cut, flip
from tests.support.oddfront import Reply

Twist = Callable[[random.Random, Reply], Reply]
MOST_RAW = 300 << 10
_STATUSES = (
    *(200, 201, 202, 203, 204, 205, 206, 226, 300, 301, 302, 303, 304, 307, 308, 399),
    *(400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411, 412, 413, 415, 416, 418, 422, 429),
    *(431, 451, 499, 500, 501, 502, 503, 504, 507, 511, 520, 599, 600, 999),
)
_HEADERS = (
    "Location",
    "Docker-Content-Digest",
    "Content-Type",
    "Content-Length",
    "Content-Encoding",
    "Transfer-Encoding",
    "Link",
    "Range",
    "Docker-Upload-UUID",
    "Docker-Distribution-Api-Version",
    "WWW-Authenticate",
    "Retry-After",
    "Date",
    "Connection",
    "Set-Cookie",
)
_VALUES = (
    "",
    "0",
    "-1",
    "1e999",
    "99999999999999999999",
    "9" * 5000,
    "0-0",
    "5, 6",
    "a, b",
    "gzip",
    "br, gzip",
    "identity",
    "chunked",
    "chunked, gzip",
    "close",
    "text/html",
    "application/json; charset=utf-7",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "%00%ff",
    "\xe9\xff\x80",
    "/",
    "//",
    "///",
    "/v2/",
    "?",
    "#",
    "..",
    "http://",
    "http://[::1",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:1/v2/",
    "http://127.0.0.1:99999/",
    "https://127.0.0.1:1/",
    "http://u:p@127.0.0.1:1/",
    "http://" + "a" * 70 + ".invalid/",
    "ftp://127.0.0.1/",
    "file:///etc/passwd",
    "javascript:1",
    "sha256:" + "0" * 64,
    "sha256:xyz",
    "sha512:" + "0" * 128,
    '</v2/_catalog?n=500>; rel="next"',
    '</v2/x/tags/list>; rel="next"',
    "<http://[>; rel=next",
    "<" * 5000,
    'Bearer realm="http://127.0.0.1:1/token"',
    'Bearer realm="http://["',
    'Basic realm="\\',
    "Negotiate",
    'Bearer a="' + "\\" * 3000,
    "x" * 9000,
    "Mon, 30 Nov 2026 10:00:00 GMT",
    "Mon, 99 Nov 20266 10:00:00",
)
_WORDS = (
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"-1",
    b"0",
    b"1.5",
    b"1e999",
    b"NaN",
    b"-Infinity",
    b"9" * 4000,
    b"9" * 9000,
    b'"\\ud800"',
    b'"\\u0000"',
    b'"\\u001b[2J"',
    b'"../../x"',
    b'"sha256:' + b"0" * 64 + b'"',
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"\xff\xfe",
)
_RAW = (
    b"",
    b"\r\n\r\n",
    b"SSH-2.0-x\r\n",
    b"HTTP/1.1\r\n\r\n",
    b"HTTP/1.1 2 OK\r\n\r\n",
    b"HTTP/1.1 20000 OK\r\n\r\n",
    b"HTTP/1.1 abc OK\r\n\r\n",
    b"HTTP/9.9 200 OK\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\n{}",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 500,
    b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
    b"HTTP/1.1 103 Hints\r\n\r\n" * 3,
    b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000,
    b"HTTP/1.1 200 OK\r\nA: " + b"b" * 200_000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n: empty\r\n folded\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: -9\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + b"A: b\r\n" * 20_000,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1;" + b"x" * 70_000 + b"\r\n{\r\n",
    b"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n\r\n",
)


def status(source: random.Random, reply: Reply) -> Reply:
    """Answer with another status."""
    return replace(reply, status=source.choice(_STATUSES))


def header(source: random.Random, reply: Reply) -> Reply:
    """Change a header, or add one."""
    return reply.with_header(source.choice(_HEADERS), source.choice(_VALUES))


def no_header(source: random.Random, reply: Reply) -> Reply:
    """Leave a header out."""
    return reply.with_header(source.choice(_HEADERS[:3]), None)


def twice(source: random.Random, reply: Reply) -> Reply:
    """Say a header once more, otherwise."""
    extra = (source.choice(_HEADERS), source.choice(_VALUES))
    return replace(reply, headers=(*reply.headers, extra))


def value(source: random.Random, reply: Reply) -> Reply:
    """Change some value of the JSON, at any place."""
    try:
        found = json.loads(reply.body)
    except ValueError:
        return damaged(source, reply)
    places = list(_places(found, ()))
    path = source.choice(places)
    mark = "spoiled-here"
    text = json.dumps(_put(found, path, mark)).encode()
    return replace(reply, body=text.replace(f'"{mark}"'.encode(), source.choice(_WORDS)))


def word(source: random.Random, reply: Reply) -> Reply:
    """Say something else altogether."""
    return replace(reply, body=source.choice(_WORDS))


def damaged(source: random.Random, reply: Reply) -> Reply:
    """Flip bits of the body, or cut it."""
    if len(reply.body) < 2:
        return word(source, reply)
    return replace(reply, body=source.choice((flip, cut))(source, reply.body))


def packed(source: random.Random, reply: Reply) -> Reply:
    """Pack the body, or something large."""
    body = reply.body if source.random() < 0.5 else bytes(8 << 20)
    return replace(reply, body=gzip.compress(body, 1)).with_header("Content-Encoding", "gzip")


def large(source: random.Random, reply: Reply) -> Reply:
    """Say more than anybody means."""
    return replace(reply, body=reply.body + bytes(source.choice((5 << 20, 9 << 20))))


def page(source: random.Random, reply: Reply) -> Reply:
    """Show a web page."""
    body = b"<!DOCTYPE html><html><title>" + source.choice(_WORDS)[:50] + b"</title></html>"
    return replace(reply, body=body).with_header("Content-Type", "text/html")


def raw(source: random.Random, reply: Reply) -> Reply:
    """Send what is no HTTP, or only just."""
    found = source.choice(_RAW)
    if source.random() < 0.3:
        found = flip(source, found + b"x")
    return replace(reply, raw=found[:MOST_RAW] or b"\0")


ALL: tuple[Twist, ...] = (
    *(status, status, header, header, header, no_header, twice),
    *(value, value, value, word, damaged, packed, large, page, raw, raw),
)


def _places(found: object, path: tuple[object, ...]) -> list[tuple[object, ...]]:
    places = [path]
    if isinstance(found, dict):
        for key, inner in found.items():
            places += _places(inner, (*path, key))
    elif isinstance(found, list):
        for number, inner in enumerate(found[:20]):
            places += _places(inner, (*path, number))
    return places


def _put(found: object, path: tuple[object, ...], new: object) -> object:
    if not path:
        return new
    first, rest = path[0], path[1:]
    if isinstance(found, dict):
        return {k: _put(v, rest, new) if k == first else v for k, v in found.items()}
    assert isinstance(found, list)
    return [_put(v, rest, new) if n == first else v for n, v in enumerate(found)]
