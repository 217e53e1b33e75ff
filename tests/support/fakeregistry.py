"""A tiny registry of our own, for what the real one cannot be made to do.

It refuses, stays silent, reads slowly, or answers mounts with an upload session, as asked.
Everything that the real docker-registry can show is tested with that one.
"""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.support.archives import digest_of
from tests.support.waiting import HANG_S

Refusal = tuple[int, bytes]
Fault = Callable[[str, str], Refusal | None]
API_HEADER = ("Docker-Distribution-Api-Version", "registry/2.0")
DIGEST_HEADER = "Docker-Content-Digest"
GULP_BYTES = 64 << 10


@dataclass
class FakeRegistry:
    """What the registry holds, what it was asked, and how it is to misbehave.

    `fault` is asked before each request is answered, with method and path; `silent` are the methods
    that never get an answer (until the fake is closed), `deaf` those whose body is not even read.
    Where it is `hasty`, a refusal is sent before the body was read, and the connection closed. With
    `pause_s` it takes bodies in gulps of 64 KiB and pauses after each. `challenge` goes with each
    401.
    """

    fault: Fault = lambda _method, _path: None
    silent: frozenset[str] = frozenset()
    deaf: frozenset[str] = frozenset()
    hasty: bool = False
    pause_s: float = 0.0
    challenge: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)
    repositories: dict[str, set[str]] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    sessions: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    news: threading.Condition = field(default_factory=threading.Condition)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    address: str = ""

    def note(self, line: str) -> None:
        with self.news:
            self.asked.append(line)
            self.news.notify_all()

    def count(self, method: str) -> int:
        """Return how many requests of a method have come in."""
        return sum(line.startswith(f"{method} ") for line in self.asked)

    def wait_until_asked(self, method: str) -> None:
        """Wait until a request of a method has come in.

        Raises:
            TimeoutError: none came.
        """
        with self.news:
            if not self.news.wait_for(lambda: self.count(method), HANG_S):
                raise TimeoutError(f"nobody asked {method}")


@contextmanager
def fake_registry(fake: FakeRegistry) -> Iterator[FakeRegistry]:
    """Serve it on a free loopback port; its address is in it."""

    class Handler(_Handler):
        registry = fake

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if fake.deaf or fake.pause_s:
        server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, GULP_BYTES)
    fake.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield fake
    finally:
        fake.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    registry: FakeRegistry
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""

    def do_GET(self) -> None:
        try:
            self._serve()
        except ConnectionError:  # the client has gone
            self.close_connection = True

    do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815 - names of the protocol

    def _serve(self) -> None:
        registry, method = self.registry, self.command
        registry.note(f"{method} {self.path}")
        refusal = registry.fault(method, self.path) if registry.hasty else None
        if refusal is not None:
            self.close_connection = True
            self._answer(refusal[0], refusal[1])
            return
        body = b"" if method in registry.deaf else self._body()
        if method in registry.silent | registry.deaf:
            registry.closing.wait()
            self.close_connection = True
            return
        refusal = registry.fault(method, self.path)
        if refusal is not None:
            self._answer(refusal[0], refusal[1])
            return
        where = urlsplit(self.path)
        repository, _, rest = where.path.removeprefix("/v2/").partition("/blobs/")
        if rest.startswith("uploads/"):
            self._serve_upload(repository, rest.removeprefix("uploads/"), where.query, body)
        elif rest and method in ("GET", "HEAD"):
            known = rest in registry.repositories.get(repository, set())
            self._answer(200 if known else 404, registry.blobs.get(rest, b"") if known else b"")
        elif "/manifests/" in where.path:
            self._serve_manifest(where.path, body)
        elif where.path == "/v2/":
            self._answer(200, b"{}")
        elif where.path == "/v2/_catalog":
            self._list("repositories", set(self.registry.repositories) | self._tagged())
        elif where.path.endswith("/tags/list"):
            self._list("tags", self._tags(where.path.removesuffix("tags/list")))
        else:
            self._answer(404)

    def _serve_upload(self, repository: str, session: str, query: str, body: bytes) -> None:
        sessions, method = self.registry.sessions, self.command
        if method == "POST":
            session = f"session-{next(self.registry.numbers)}"
            sessions[session] = b""
            self._answer(202, Location=self._location(repository, session))
        elif session not in sessions:
            self._answer(404)
        elif method == "PATCH":
            sessions[session] += body
            self._answer(202, Location=self._location(repository, session))
        elif method == "PUT":
            self._finish(repository, sessions.pop(session) + body, parse_qs(query)["digest"][0])
        else:
            del sessions[session]
            self._answer(204)

    def _finish(self, repository: str, data: bytes, digest: str) -> None:
        if digest_of(data) != digest:
            self._answer(400, b"DIGEST_INVALID")
            return
        self.registry.blobs[digest] = data
        self.registry.repositories.setdefault(repository, set()).add(digest)
        self._answer(201)

    def _serve_manifest(self, path: str, body: bytes) -> None:
        manifests = self.registry.manifests
        if self.command == "DELETE":
            gone = manifests.pop(path, None)
            for other in [other for other, held in manifests.items() if held == gone]:
                del manifests[other]
            self._answer(202 if gone else 404)
        elif self.command == "PUT":
            kind = str(self.headers.get("Content-Type"))
            base = path.rpartition("/")[0]
            manifests[path] = manifests[f"{base}/{digest_of(body)}"] = (kind, body)
            self._answer(201)
        elif path in manifests:
            kind, found = manifests[path]
            self._answer(200, found, **{"Content-Type": kind, DIGEST_HEADER: digest_of(found)})
        else:
            self._answer(404)

    def _tagged(self) -> set[str]:
        return {path[4:].partition("/manifests/")[0] for path in self.registry.manifests}

    def _tags(self, base: str) -> set[str]:
        found = (path.removeprefix(f"{base}manifests/") for path in self.registry.manifests)
        return {name for name in found if ":" not in name and "/" not in name}

    def _list(self, key: str, names: set[str]) -> None:
        body = json.dumps({key: sorted(names)}).encode()
        self._answer(200, body, **{"Content-Type": "application/json"})

    def _location(self, repository: str, session: str) -> str:
        return f"/v2/{repository}/blobs/uploads/{session}?_state=x"

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        self.send_header(*API_HEADER)
        if status == 401 and self.registry.challenge:
            self.send_header("WWW-Authenticate", self.registry.challenge)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self._taken(int(self.headers.get("Content-Length", "0")))
        pieces = []
        while size := int(self.rfile.readline() or b"0", 16):
            pieces.append(self._taken(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _taken(self, size: int) -> bytes:
        if not self.registry.pause_s:
            return self.rfile.read(size)
        pieces = []
        while size:
            pieces.append(self.rfile.read(min(size, GULP_BYTES)))
            size -= len(pieces[-1])
            self.registry.closing.wait(self.registry.pause_s)
        return b"".join(pieces)
