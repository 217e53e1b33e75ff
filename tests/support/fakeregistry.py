"""A tiny registry of our own, for what the real one cannot be made to do.

It refuses, stays silent, or answers mounts with an upload session, as asked. Everything that the
real docker-registry can show is tested with that one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.support.archives import digest_of

Refusal = tuple[int, bytes]
Fault = Callable[[str, str], Refusal | None]
API_HEADER = ("Docker-Distribution-Api-Version", "registry/2.0")


@dataclass
class FakeRegistry:
    """What the registry holds, what it was asked, and how it is to misbehave.

    `fault` is asked before each request is answered, with method and path; `silent` are the methods
    that never get an answer (until the fake is closed).
    """

    fault: Fault = lambda _method, _path: None
    silent: frozenset[str] = frozenset()
    blobs: dict[str, bytes] = field(default_factory=dict)
    repositories: dict[str, set[str]] = field(default_factory=dict)
    sessions: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    address: str = ""


@contextmanager
def fake_registry(fake: FakeRegistry) -> Iterator[FakeRegistry]:
    """Serve it on a free loopback port; its address is in it."""

    class Handler(_Handler):
        registry = fake

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
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
        self._serve()

    do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815 - names of the protocol

    def _serve(self) -> None:
        body = self._body()
        registry, method = self.registry, self.command
        registry.asked.append(f"{method} {self.path}")
        if method in registry.silent:
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
        elif where.path == "/v2/":
            self._answer(200)
        else:
            self._answer(404)

    def _serve_upload(self, repository: str, session: str, query: str, body: bytes) -> None:
        sessions, method = self.registry.sessions, self.command
        if method == "POST":
            session = f"session-{len(self.registry.asked)}"
            sessions[session] = b""
            self._answer(202, location=self._location(repository, session))
        elif session not in sessions:
            self._answer(404)
        elif method == "PATCH":
            sessions[session] += body
            self._answer(202, location=self._location(repository, session))
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

    def _location(self, repository: str, session: str) -> str:
        return f"/v2/{repository}/blobs/uploads/{session}?_state=x"

    def _answer(self, status: int, body: bytes = b"", *, location: str = "") -> None:
        self.send_response(status)
        self.send_header(*API_HEADER)
        if location:
            self.send_header("Location", location)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)
